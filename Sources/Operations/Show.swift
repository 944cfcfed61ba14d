public import Archive
internal import Bytes
internal import Mongo

/// Shows one snapshot and what is in it.
public struct Show: Sendable {
    /// A snapshot with its catalogue.
    public struct Report: Sendable {
        /// The snapshot.
        public var snapshot: Snapshot
        /// The selected entries, in the order of the namespaces.
        public var entries: [CatalogueEntry]
    }

    private let access: RepositoryAccess
    private let selector: String
    private let filter: NamespaceFilter

    /// Prepares to show the snapshot that `selector` means, and of it the namespaces that the patterns admit.
    public init(access: RepositoryAccess, snapshot selector: String, include: [String], exclude: [String]) {
        self.access = access
        self.selector = selector
        filter = NamespaceFilter(include: include, exclude: exclude)
    }

    /// Reads the snapshot and its catalogue; no documents.
    public func run() throws -> Report {
        let repository = try access.open(caching: true)
        let snapshot = try repository.selectSnapshot(selector)
        let reader = SnapshotReader(
            repository: repository, chunks: try repository.loadIndex(), snapshot: snapshot)
        var report = Report(snapshot: snapshot, entries: [])
        try reader.forEachEntry { entry in
            if filter.admits(Namespace(entry.database, entry.collection)) { report.entries.append(entry) }
        }
        return report
    }
}
