internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// Takes every selected collection of a deployment into one snapshot that is exact at one cluster time (design §2).
///
///     catalogue ── cluster time T ── catalogue again ──▶ scan every range ──▶ packs, index, snapshot
///                                                          │                        ▲
///                        T is about to leave the server's ─┴─ closing run: what changed since, at one time E
///                        history: ranges go on at a newer T
///
/// A scan that fits the server's history window is read at one time as a whole and needs no oplog. A longer one ends
/// with a closing run. When a collection is dropped or made again before it was read, the scan is taken again: what was
/// stored already is found by content and only read and hashed the second time.
public struct FullBackup: Sendable {
    /// What was asked for.
    public let options: Options
    /// Where the counters go.
    public let progress: JobProgress
    /// The flag that stops the job.
    public let cancellation: Cancellation

    /// Sizes that tests make small.
    var tuning = BackupTuning()
    /// Raw bytes of a range, about. Tests cut small collections with it.
    var rangeBytes: Int {
        get { tuning.rangeBytes }
        set { tuning.rangeBytes = newValue }
    }
    /// Sentences that the report begins with: why a full backup was taken where an incremental was asked for.
    var notes: [BackupNote] = []

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
        let repository = try options.repository.open(caching: true)
        let entry = try WriterEntry.acquire(in: repository, note: "full backup")
        defer { entry.lease.release() }
        // A damaged snapshot is no reason to make no further one; `check` reports it, and so does this one.
        var unreadable: [RandomID] = []
        let snapshots = try entry.snapshots(damaged: { id, _ in unreadable.append(id) })
        let (deployment, parent) = try connect(snapshots)
        let index = try entry.loadIndex()
        let (writer, readers) = BackupContext.makeWriter(repository, index, options)
        let context = BackupContext(
            options: options, repository: repository, entry: entry, deployment: deployment, chunks: index.chunks,
            writer: writer, readers: readers, progress: progress, cancellation: cancellation, tuning: tuning)
        let join = try TimelineJoin.begin(context, snapshots)
        do {
            var draft = SnapshotDraft(.full, repository: repository, deployment: deployment, options: options)
            for note in notes { draft.warn(note.text, needsPerson: note.needsPerson) }
            draft.warn(aboutMissing: index.missing)
            for id in unreadable {
                draft.warn("the snapshot \(id.hex) cannot be read: run `cairn check`", needsPerson: true)
            }
            let plans = try parent.map { try ParentPlans($0, repository, index.chunks) } ?? .none
            let scan = try scanUntilExact(context, plans, join, &draft)
            let entries = try ClosingRun(context, plans).close(scan, join, &draft)
            progress.begin(phase: "commit")
            let snapshot = try draft.finish(entries, writer)
            try cancellation.check()
            let committed = try writer.commit(snapshot, under: entry.lease)
            draft.record(committed, operation: "backup full", entry)
            return draft.report(committed, seconds: ContinuousClock.now - started)
        } catch {
            join?.abandon()
            writer.abort(error as? CairnError ?? CairnError(.cancelled, "the backup failed", underlying: error))
            throw error
        }
    }

    /// The node to read, and the snapshot whose ranges are cut again: the newest in the same order of scanning, of the
    /// same node or else of the same replica set. A repository may hold snapshots of several sets, even of one name.
    private func connect(_ snapshots: [Snapshot]) throws -> (MongoDeployment, Snapshot?) {
        let order: Snapshot.ScanOrder = options.scanOrder == .natural ? .natural : .id
        let deployment = try BackupContext.connect(options, preferring: snapshots.last)
        let server = deployment.server
        let own = snapshots.filter { $0.source.set == server.setName && $0.scanOrder == order }
        let parent = own.last { $0.source.host == server.host } ?? own.last
        guard let parent, parent.source.host != server.host, parent.id != snapshots.last?.id else {
            return (deployment, parent)
        }
        return (try BackupContext.connect(options, preferring: parent), parent)
    }

    /// Scans at one time; when some range cannot be read at it any more, says so and scans again at a newer one.
    private func scanUntilExact(
        _ context: BackupContext, _ plans: ParentPlans, _ join: TimelineJoin?, _ draft: inout SnapshotDraft
    ) throws -> CatalogueScan {
        var scans: [RescanCause: Int] = [:]
        while true {
            let began = ContinuousClock.now
            let catalogue = try context.takeCatalogue()
            if let start = catalogue.optime { join?.scanBegins(at: start) }
            do {
                let scan = try context.makeScan(at: catalogue.time).scan(
                    catalogue.collections, order: context.order, plans, readers: context.readers)
                return CatalogueScan(catalogue: catalogue, scans: scan)
            } catch let error as CairnError {
                guard let cause = RescanCause(error) else { throw error }
                scans[cause, default: 0] += 1
                let taken = scans[cause, default: 0]
                guard taken < cause.scansMax else { throw cause.failure(error, scans: taken) }
                // What was read so far is kept, and only hashed when it comes by again.
                try context.writer.flush()
                // A node that was restarted has other record ids: plans are made for the life it lives now.
                try context.deployment.repin()
                draft.warn(cause.warning(error, after: ContinuousClock.now - began))
            }
        }
    }
}
