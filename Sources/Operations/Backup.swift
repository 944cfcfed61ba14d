internal import Archive
internal import Bytes

/// Takes a snapshot the way that fits: by what changed since the last one where that is possible, else in full.
///
/// An incremental continues the newest exact snapshot of the same replica set and the same selection of namespaces.
/// When there is none, or the oplog does not reach back to what is stored (a gap), a full backup is taken instead, and
/// the report says so; a gap is recorded with both bounds and makes the exit code 3.
public struct Backup: Sendable {
    /// Which kind to take.
    public enum Kind: String, Sendable, CaseIterable {
        /// An incremental where possible.
        case automatic
        /// Everything is read.
        case full
        /// An incremental; a full one only where there is no other way, which the report then explains.
        case incremental
        /// An incremental, folded into a snapshot that needs no runs: what a full one would hold, without its cost to
        /// the server.
        case synthetic
    }

    /// What was asked for.
    public let options: FullBackup.Options
    /// Which kind.
    public let kind: Kind
    /// Where the counters go.
    public let progress: JobProgress
    /// The flag that stops the job.
    public let cancellation: Cancellation
    var tuning = BackupTuning()

    /// Prepares the job; nothing is touched before `run`.
    public init(
        _ kind: Kind, options: FullBackup.Options, progress: JobProgress, cancellation: Cancellation
    ) {
        self.kind = kind
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Runs the job on the calling thread and threads of its own.
    ///
    /// - Throws: as `FullBackup.run`.
    public func run() throws -> BackupReport {
        switch kind {
        case .full: return try full([])
        case .automatic, .incremental: return try incremental()
        case .synthetic: return try synthetic()
        }
    }

    /// The incremental stays beside what is made of it, until it is forgotten. Where nothing changed there is nothing
    /// to fold either, and a full backup is due all the same: policies keep it for longer than an incremental.
    private func synthetic() throws -> BackupReport {
        let taken = try incremental()
        guard taken.kind != Snapshot.Kind.full.rawValue else { return taken }
        var compaction = Compact.Options(repository: options.repository, moment: .snapshot(taken.id.hex))
        compaction.tags = options.tags
        compaction.level = options.level
        compaction.workers = options.workers
        let job = Compact(options: compaction, progress: progress, cancellation: cancellation)
        guard var report = try job.run(in: try options.repository.open(caching: true), always: true) else {
            return taken
        }
        report.warnings = taken.warnings + report.warnings
        report.needsPerson = report.needsPerson || taken.needsPerson
        return report
    }

    private func incremental() throws -> BackupReport {
        do {
            return try IncrementalBackup(
                options: options, progress: progress, cancellation: cancellation, tuning: tuning
            ).run()
        } catch let cause as NoParent {
            // The first backup of all is a full one; nobody needs to be told.
            guard kind != .automatic || cause.needsPerson else { return try full([]) }
            return try full([note("\(cause.text), so a full backup was taken", needsPerson: cause.needsPerson)])
        } catch let error as CairnError where error.code == .oplogGap {
            return try full([note("the oplog has a gap, so a full backup was taken: \(error)", needsPerson: true)])
        } catch let error as CairnError where error.code == .corrupt && error.object?.hasPrefix("segments/") == true {
            return try full([
                note("a stored oplog segment is damaged, so a full backup was taken: \(error)", needsPerson: true)
            ])
        }
    }

    private func note(_ text: String, needsPerson: Bool) -> BackupNote {
        BackupNote(text: text, needsPerson: needsPerson)
    }

    private func full(_ notes: [BackupNote]) throws -> BackupReport {
        var job = FullBackup(options: options, progress: progress, cancellation: cancellation)
        job.notes = notes
        job.tuning = tuning
        return try job.run()
    }
}
