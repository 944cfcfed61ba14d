internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// What a backup will say of itself: collected while it runs, written with its commit.
struct SnapshotDraft {
    private let repository: Repository
    private let deployment: MongoDeployment
    private let options: FullBackup.Options
    private let kind: Snapshot.Kind
    private let parent: RandomID?
    private let started: Int64
    /// The time that the snapshot will be exact at.
    private(set) var optime: OpTime?
    private var views: [CollectionInfo] = []
    private var warnings: [String] = []
    private var exact = true
    private var needsPerson = false

    /// - Parameter parent: the snapshot that an incremental builds on.
    init(
        _ kind: Snapshot.Kind, repository: Repository, deployment: MongoDeployment, parent: RandomID? = nil,
        options: FullBackup.Options
    ) {
        self.kind = kind
        self.repository = repository
        self.deployment = deployment
        self.parent = parent
        self.options = options
        started = repository.now()
    }

    /// The catalogue that the scan reads.
    mutating func use(_ catalogue: ExactCatalogue) {
        optime = catalogue.optime
        views = catalogue.collections.filter { !$0.hasDocuments }
        exact = catalogue.time != nil
    }

    /// Notes what a person should read.
    ///
    /// - Parameter needsPerson: makes the exit code 3.
    mutating func warn(_ warning: String, needsPerson: Bool = false) {
        warnings.append(warning)
        if needsPerson { self.needsPerson = true }
    }

    mutating func warn(aboutMissing packs: [RandomID]) {
        guard !packs.isEmpty else { return }
        warn(
            "\(packs.count) packs of the repository are missing or damaged (\(packs[0].hex) is one): what of them "
                + "this backup meets is stored again, but earlier snapshots are incomplete until then. Run `cairn "
                + "check`",
            needsPerson: true)
    }

    /// - Parameter changed: collections that were written to while they were read.
    mutating func warn(about changed: [Namespace], in catalogue: ExactCatalogue) {
        if catalogue.time == nil {
            warn(
                "the source is a standalone server: it has no cluster time, so collections were read one after the "
                    + "other while they could change, and the snapshot is not exact at one point in time")
        }
        guard !changed.isEmpty else { return }
        exact = false
        warn(
            "this server version cannot read capped collections at a past time, and these were written to while they "
                + "were read, so they may be newer than the snapshot's time: "
                + "\(changed.map(\.description).joined(separator: ", "))",
            needsPerson: true)
    }

    /// Stores the catalogue and describes the snapshot.
    ///
    /// - Parameter collections: the entries of everything that has documents, in any order.
    func finish(_ collections: [CatalogueEntry], _ writer: ArchiveWriter) throws -> Snapshot {
        var entries = collections
        entries += views.map { CatalogueEntry(view: $0) }
        entries.sort(by: CatalogueEntry.precedes)
        let catalogue = try writer.store(documents: entries.map { $0.encode() }, type: .catalogue)
        let server = deployment.server
        let finished = repository.now()
        return Snapshot(
            id: repository.newID(), kind: kind, parent: parent,
            at: optime?.timestamp ?? Timestamp(t: UInt32(clamping: finished / 1_000), i: 0), started: started,
            finished: finished,
            source: Snapshot.Source(
                set: server.setName, host: server.host, serverVersion: server.version,
                featureCompatibilityVersion: server.featureCompatibilityVersion ?? ""),
            scanOrder: options.scanOrder == .natural ? .natural : .id, tags: options.tags, catalogue: catalogue,
            totals: Snapshot.Totals(of: entries),
            warnings: warnings, exact: exact, term: optime?.term, include: options.include, exclude: options.exclude,
            layered: entries.contains { !$0.runs.isEmpty })
    }

    /// Leaves an audit record. The snapshot counts from its commit on: a record that cannot be written must not report
    /// it as failed.
    mutating func record(_ snapshot: Snapshot, operation: String, _ entry: WriterEntry) {
        do {
            try repository.appendAudit(
                operation: operation, program: Program.name, details: ["snapshot": .string(snapshot.id.hex)],
                listed: entry.recentAudit)
        } catch {
            warn("the snapshot is saved, but its audit record could not be written: \(error)", needsPerson: true)
        }
    }

    /// What the command tells of the snapshot that was committed.
    func report(_ snapshot: Snapshot, seconds: Duration) -> BackupReport {
        BackupReport(
            id: snapshot.id, kind: snapshot.kind.rawValue, at: snapshot.at, parent: snapshot.parent,
            tags: snapshot.tags, namespaces: snapshot.totals.namespaces, documents: snapshot.totals.documents,
            rawBytes: snapshot.totals.rawBytes, addedBytes: snapshot.totals.addedBytes, seconds: seconds / .seconds(1),
            warnings: warnings, needsPerson: needsPerson)
    }
}
