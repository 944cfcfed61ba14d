public import Archive

/// Compares two snapshots of one repository.
public struct Diff: Sendable {
    /// What differs.
    public struct Report: Sendable {
        /// The snapshot that the comparison starts from.
        public var first: Snapshot
        /// The one that it leads to.
        public var second: Snapshot
        /// Every collection of either, equal ones too, in the order of the namespaces.
        public var collections: [SnapshotDiff.Collection]
    }

    private let access: RepositoryAccess
    private let first: String
    private let second: String

    /// Prepares a comparison; each side is a snapshot id, the start of one, or `latest`.
    public init(access: RepositoryAccess, from first: String, to second: String) {
        self.access = access
        self.first = first
        self.second = second
    }

    /// Runs the comparison. Chunks that both snapshots have are not read.
    ///
    /// - Parameter visitor: is told the `_id` of every document that differs; nil is cheaper.
    public func run(visitor: SnapshotDiff.Visitor? = nil) throws -> Report {
        let repository = try access.open()
        var report = Report(
            first: try repository.selectSnapshot(first), second: try repository.selectSnapshot(second), collections: [])
        let index = try repository.loadIndex()
        let diff = SnapshotDiff(
            from: SnapshotReader(repository: repository, chunks: index, snapshot: report.first),
            to: SnapshotReader(repository: repository, chunks: index, snapshot: report.second), visitor: visitor)
        try diff.forEachCollection { report.collections.append($0) }
        return report
    }
}
