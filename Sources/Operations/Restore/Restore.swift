internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// Puts the selected namespaces of a snapshot into a deployment.
///
///     plan ── refuse conflicts ── drop, create ── documents ── indexes ── unique and TTL indexes ── fences ── compare
///
/// Nothing is written before the whole plan was checked against the target. Indexes wait for the documents;
/// validators and expiry wait for everything, so that the server neither refuses nor removes what is being restored.
/// At the end counts and catalogue are always compared, with `verify` every document.
public struct Restore: Sendable {
    /// What was asked for.
    public let options: Options
    /// Where the counters go.
    public let progress: JobProgress
    /// The flag that stops the job.
    public let cancellation: Cancellation

    /// Prepares the job; nothing is touched before `run`.
    public init(options: Options, progress: JobProgress, cancellation: Cancellation) {
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Runs the job on the calling thread and threads of its own.
    ///
    /// - Throws: what the repository and the server throw; `.alreadyExists` naming each namespace of the target that
    ///   is in the way, before anything is written; `.corrupt` at the first damaged chunk unless salvaging;
    ///   `.interrupted`. What could not be restored although the job went on is in the report.
    public func run() throws -> RestoreReport {
        let started = ContinuousClock.now
        progress.begin(phase: "connect")
        let repository = try options.repository.open()
        let snapshot = try repository.selectSnapshot(options.snapshot)
        var report = RestoreReport(snapshot: snapshot.id, at: snapshot.at, dryRun: options.dryRun)
        let reader = SnapshotReader(repository: repository, chunks: try repository.loadIndex(), snapshot: snapshot)
        let target = try connect()
        let plan = try RestorePlan(reader, options)
        report.warnings += plan.warnings
        try TargetState(target, plan, options).requireNoConflict()
        guard !options.dryRun else {
            report.namespaces = plan.items.map { $0.planned(indexes: !options.noIndexes) }
            return report
        }
        try restore(plan, reader, target, &report)
        report.seconds = (ContinuousClock.now - started) / .seconds(1)
        record(repository, target, &report)
        return report
    }

    /// A repository that cannot be written to (a copy on read-only media) can be restored from all the same.
    private func record(_ repository: Repository, _ target: MongoDeployment, _ report: inout RestoreReport) {
        do {
            try repository.appendAudit(
                operation: "restore", program: Program.name,
                details: [
                    "snapshot": .string(report.snapshot.hex), "target": .string(target.redactedURI),
                    "complete": .bool(report.failures.isEmpty && report.lost.isEmpty),
                ])
        } catch {
            report.warnings.append("the audit record of this restore could not be written: \(error)")
        }
    }

    private func connect() throws -> MongoDeployment {
        var mongo = MongoOptions(access: .write)
        mongo.serverSelectionTimeoutMilliseconds = options.target.serverSelectionTimeoutSeconds * 1_000
        return try MongoDeployment.connect(uri: options.target.uri, options: mongo)
    }

    private func restore(
        _ plan: RestorePlan, _ reader: SnapshotReader, _ target: MongoDeployment, _ report: inout RestoreReport
    ) throws {
        let workers = options.workers > 0 ? options.workers : max(2, Machine.processors)
        let definitions = TargetDefinitions(
            target: target, options: options, progress: progress, cancellation: cancellation)
        try definitions.create(plan.items)
        let digest = options.verify ? DocumentDigest() : nil
        let crew = InsertCrew(
            reader: reader, target: target, options: options, digest: digest, progress: progress,
            cancellation: cancellation)
        let outcomes = try crew.insert(plan.items, workers: workers)
        report.failures += outcomes.flatMap(\.failures)
        report.lost += outcomes.flatMap(\.lost)
        report.warnings += outcomes.compactMap(\.omission)
        let failedIndexes = try definitions.finish(plan.items)
        report.failures += failedIndexes
        if plan.restoresUsersAndRoles { try definitions.mergeUsersAndRoles() }
        report.namespaces = zip(plan.items, outcomes).map { item, outcome in
            let failed = failedIndexes.count { $0.namespace == item.target.description }
            return item.restored(outcome, indexes: options.noIndexes ? 0 : item.secondaryIndexCount - failed)
        }
        report.documents = outcomes.reduce(0) { $0 + $1.documents }
        report.rawBytes = outcomes.reduce(0) { $0 + $1.rawBytes }
        report.indexes = report.namespaces.reduce(0) { $0 + $1.indexes }
        let comparison = TargetComparison(
            target: target, options: options, progress: progress, cancellation: cancellation)
        let differences = try comparison.compare(plan.items, outcomes, digest, readers: workers)
        report.failures += differences
        report.verification = differences.isEmpty ? (options.verify ? .documents : .counts) : .failed
    }
}
