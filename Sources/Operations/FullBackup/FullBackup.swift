internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// Takes every selected collection of a deployment into one snapshot that is exact at one cluster time (design §2).
///
///     catalogue ── cluster time E ── catalogue again ──▶ scan every range at E ──▶ packs, index, snapshot
///                                                          │
///                                                          └─ E left the server's history window: again at a newer E
///
/// All ranges share the one time, so that the snapshot is exact without any oplog. A scan that outlasts the server's
/// window is taken again from the start: what was stored already is found by content and only read and hashed the
/// second time.
public struct FullBackup: Sendable {
    /// What was asked for.
    public let options: Options
    /// Where the counters go.
    public let progress: JobProgress
    /// The flag that stops the job.
    public let cancellation: Cancellation

    /// Raw bytes of a range, about. Tests cut small collections with it.
    var rangeBytes = RangePlanner.targetBytes

    /// Prepares the job; nothing is touched before `run`.
    public init(options: Options, progress: JobProgress, cancellation: Cancellation) {
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Runs the job on the calling thread and threads of its own.
    ///
    /// - Throws: what the repository and the server throw; `.interrupted` after `Cancellation.cancel()`. No snapshot
    ///   was committed then, and the next backup finds the packs that were written.
    public func run() throws -> BackupReport {
        let started = ContinuousClock.now
        progress.begin(phase: "connect")
        let repository = try options.repository.open()
        let lease = try Lease.acquire(.writer, in: repository, note: "full backup")
        defer { lease.release() }
        // A damaged snapshot is no reason to make no further one; `check` reports it, and so does this one.
        var unreadable: [RandomID] = []
        let snapshots = try repository.snapshots(damaged: { id, _ in unreadable.append(id) })
        let (deployment, parent) = try connect(snapshots)
        let index = try WriterIndex.load(repository)
        let readers = options.readers > 0 ? options.readers : Machine.processors
        let workers = options.workers > 0 ? options.workers : Machine.processors
        // A reader holds the chunk it fills; the range before may still be with the workers, but holds no buffer of the
        // stream any more.
        let writer = ArchiveWriter(
            repository: repository, index: index,
            options: WriterOptions(workers: workers, level: options.level, streams: readers))
        do {
            var draft = SnapshotDraft(repository: repository, deployment: deployment, parent: parent, options: options)
            draft.warn(aboutMissing: index.missing)
            for id in unreadable {
                draft.warn("the snapshot \(id.hex) cannot be read: run `cairn check`", needsPerson: true)
            }
            let plans = try parent.map { try ParentPlans($0, repository, index.chunks) } ?? .none
            let scan = try scanUntilExact(deployment, writer, readers: readers, plans, &draft)
            progress.begin(phase: "commit")
            let snapshot = try draft.finish(scan, writer)
            try cancellation.check()
            try lease.requireHeld()
            let committed = try writer.commit(snapshot)
            FullBackup.record(committed, in: repository, &draft)
            return draft.report(committed, seconds: ContinuousClock.now - started)
        } catch {
            writer.abort(error as? CairnError ?? CairnError(.cancelled, "the backup failed", underlying: error))
            throw error
        }
    }

    /// The snapshot counts from its commit on: an audit record that cannot be written must not report it as failed.
    private static func record(_ snapshot: Snapshot, in repository: Repository, _ draft: inout SnapshotDraft) {
        do {
            try repository.appendAudit(
                operation: "backup full", program: Program.name, details: ["snapshot": .string(snapshot.id.hex)])
        } catch {
            draft.warn("the snapshot is saved, but its audit record could not be written: \(error)", needsPerson: true)
        }
    }

    /// The node to read, and the snapshot whose ranges are cut again: the newest in the same order of scanning, of the
    /// same node or else of the same replica set. A repository may hold snapshots of several sets, even of one name.
    private func connect(_ snapshots: [Snapshot]) throws -> (MongoDeployment, Snapshot?) {
        let order: Snapshot.ScanOrder = options.scanOrder == .natural ? .natural : .id
        let deployment = try connect(preferring: snapshots.last)
        let server = deployment.server
        let own = snapshots.filter { $0.source.set == server.setName && $0.scanOrder == order }
        let parent = own.last { $0.source.host == server.host } ?? own.last
        guard let parent, parent.source.host != server.host, parent.id != snapshots.last?.id else {
            return (deployment, parent)
        }
        return (try connect(preferring: parent), parent)
    }

    private func connect(preferring parent: Snapshot?) throws -> MongoDeployment {
        var mongo = MongoOptions(access: .read)
        mongo.readPreference = options.source.readPreference
        mongo.allowStandalone = options.allowStandalone
        mongo.serverSelectionTimeoutMilliseconds = options.source.serverSelectionTimeoutSeconds * 1_000
        // Natural order repeats on the same node only, and with it the chunks of unchanged data.
        mongo.preferredHost = parent?.source.host
        return try MongoDeployment.connect(uri: options.source.uri, options: mongo)
    }

    /// Scans at one time; when some range cannot be read at it any more, says so and scans again at a newer one.
    private func scanUntilExact(
        _ deployment: MongoDeployment, _ writer: ArchiveWriter, readers: Int, _ plans: ParentPlans,
        _ draft: inout SnapshotDraft
    ) throws -> [CollectionScan] {
        let filter = NamespaceFilter(include: options.include, exclude: options.exclude)
        var scans: [RescanCause: Int] = [:]
        while true {
            let began = ContinuousClock.now
            let catalogue = try ExactCatalogue.take(deployment, filter, cancellation)
            draft.use(catalogue)
            do {
                let archive = ArchiveScan(
                    deployment: deployment, writer: writer, time: catalogue.time, rangeBytes: rangeBytes,
                    progress: progress, cancellation: cancellation)
                let order: Mongo.ScanOrder = options.scanOrder == .natural ? .natural : .id
                let scan = try archive.scan(catalogue.collections, order: order, plans, readers: readers)
                draft.warn(about: scan, in: catalogue)
                return scan
            } catch let error as CairnError {
                guard let cause = RescanCause(error) else { throw error }
                scans[cause, default: 0] += 1
                let taken = scans[cause, default: 0]
                guard taken < cause.scansMax else { throw cause.failure(error, scans: taken) }
                // What was read so far is kept, and only hashed when it comes by again.
                try writer.flush()
                // A node that was restarted has other record ids: plans are made for the life it lives now.
                try deployment.repin()
                draft.warn(cause.warning(error, after: ContinuousClock.now - began))
            }
        }
    }
}
