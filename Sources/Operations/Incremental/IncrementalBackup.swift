internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// Takes a snapshot by what changed since an earlier one (design §2).
///
///     parent, exact at P ── oplog (P, E] ──▶ segments, for restores to times between
///                               └─▶ `_id`s that changed ── read at E ──▶ runs ──▶ snapshot, exact at E
///
/// Rules, by UUID: a collection that the parent has keeps its leaves and gets a run; one that it has not is scanned, as
/// is one of whose documents more than a third changed, and a capped one that was written to. Definitions are those of
/// the catalogue at E, so nothing that happened to them between needs to be understood.
struct IncrementalBackup {
    let options: FullBackup.Options
    let progress: JobProgress
    let cancellation: Cancellation
    var tuning = BackupTuning()

    /// Runs the job on the calling thread and threads of its own.
    ///
    /// - Throws: `NoParent`; `.oplogGap` when the oplog does not continue what is stored; otherwise as
    ///   `FullBackup.run`.
    func run() throws -> BackupReport {
        let started = ContinuousClock.now
        progress.begin(phase: "connect")
        let repository = try options.repository.open(caching: true)
        let entry = try WriterEntry.acquire(in: repository, note: "incremental backup")
        defer { entry.lease.release() }
        var unreadable: [RandomID] = []
        let snapshots = try entry.snapshots(damaged: { id, _ in unreadable.append(id) })
        let deployment = try BackupContext.connect(options, preferring: snapshots.last)
        guard let set = deployment.server.setName else {
            throw NoParent(text: "the source is a standalone server, which has no oplog", needsPerson: false)
        }
        let index = try entry.loadIndex()
        let reader = OplogReader(client: try deployment.checkOut())
        let parent = try ParentSnapshot.find(snapshots, options: options, set: set, repository, index, reader)
        let (writer, readers) = BackupContext.makeWriter(repository, index, options)
        let context = BackupContext(
            options: options, repository: repository, entry: entry, deployment: deployment, chunks: index.chunks,
            writer: writer, readers: readers, progress: progress, cancellation: cancellation, tuning: tuning)
        do {
            var draft = SnapshotDraft(
                .incremental, repository: repository, deployment: deployment, parent: parent.snapshot.id,
                options: options)
            draft.warn(aboutMissing: index.missing)
            for id in unreadable {
                draft.warn("the snapshot \(id.hex) cannot be read: run `cairn check`", needsPerson: true)
            }
            return try run(context, parent, set, reader, &draft, started)
        } catch {
            writer.abort(error as? CairnError ?? CairnError(.cancelled, "the backup failed", underlying: error))
            throw error
        }
    }

    private func run(
        _ context: BackupContext, _ parent: ParentSnapshot, _ set: String, _ reader: OplogReader,
        _ draft: inout SnapshotDraft, _ started: ContinuousClock.Instant
    ) throws -> BackupReport {
        let segments = try context.entry.segments(damaged: { _, _ in })
        let chain = SegmentChain(from: parent.optime, segments, set: set)
        let recorder = SegmentRecorder(
            repository: context.repository, writer: context.writer, lease: context.lease, set: set, from: chain.tip,
            bytesMax: tuning.segmentBytes)
        let window = OplogWindow(context, chain, reader, recorder)
        let catalogue = try context.takeCatalogue(reaching: chain.tip)
        // A gap shows before anything is read that a full backup would read again.
        try window.verify()
        let catchUp = CatchUp(
            context, window, catalogue: catalogue,
            stored: parent.entries.map {
                StoredCollection(entry: $0, since: parent.snapshot.at, until: parent.snapshot.at)
            }, start: parent.snapshot.at, plans: parent.plans)
        try catchUp.run()
        draft.use(catchUp.catalogue)
        draft.warn(about: catchUp.inexact.sorted(), in: catchUp.catalogue)
        progress.begin(phase: "commit")
        if let end = draft.optime { try window.record(through: end.timestamp) }
        // The catalogue first, and then the last segment, so that one pack and one index object hold all that is new.
        let snapshot = try draft.finish(catchUp.entries(), context.writer)
        try window.finish()
        try cancellation.check()
        let committed = try context.writer.commit(snapshot, under: context.lease)
        draft.record(committed, operation: "backup incremental", context.entry)
        var report = draft.report(committed, seconds: ContinuousClock.now - started)
        report.scanned = catchUp.scanned.map {
            BackupReport.Scanned(namespace: $0.namespace.description, reason: $0.reason.text)
        }
        report.segments = window.committed.count
        return report
    }
}
