internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// Puts the selected namespaces of a snapshot into a deployment.
///
///     plan ── refuse conflicts ── drop, create ── documents ── indexes ── compare documents
///          ── unique and TTL indexes ── expiry ── compare catalogue ── users and roles
///
/// Nothing is written before the whole plan was checked against the target. Indexes wait for the documents, and
/// whatever lets the server remove documents (TTL indexes, expiry of time series and clustered collections) waits until
/// those are compared: always by number, with `verify` one by one. The built-in role `restore` on the database admin is
/// enough to restore; only with `readAnyDatabase` beside it can the target be compared, and its absence is said.
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
    ///   `.archived` when documents must be brought back first; `.interrupted`. What could not be restored although the
    ///   job went on is in the report.
    public func run() throws -> RestoreReport {
        let started = ContinuousClock.now
        progress.begin(phase: "connect")
        let repository = try options.repository.open(caching: true)
        let chunks = try repository.loadIndex()
        let rehydration = try Rehydration(repository, chunks, options, progress, cancellation)
        try rehydration?.requireMetadata()
        let replayed =
            options.replay == .server
            ? try ReplayWindow.leading(to: options.moment, in: repository, chunks: chunks) : nil
        // The server answers while the oplog is read, from the moment on at which it is known what to restore: whoever
        // asked for what there is not need not wait for it.
        var connecting: Ahead<MongoDeployment>?
        let state =
            try replayed?.base
            ?? repository.state(at: options.moment, chunks: chunks) {
                connecting = Ahead("cairn-connect") { try connect() }
            }
        var report = RestoreReport(snapshot: state.snapshot.id, at: state.time, dryRun: options.dryRun)
        let target = try connecting?.value() ?? connect()
        let plan = try RestorePlan(state, options)
        try rehydration?.requireDocuments(plan, state)
        report.warnings += plan.warnings
        let replay = try replayed.map { try RestoreReplay($0.window, plan, target, options, progress, cancellation) }
        if replay?.isResumed != true { try TargetState(target, plan, options).requireNoConflict() }
        guard !options.dryRun else {
            report.namespaces = plan.items.map { $0.planned(indexes: !options.noIndexes) }
            return report
        }
        if options.verify { try requireReadable(target, plan) }
        do {
            try restore(plan, state, replay, target, &report)
        } catch let error as CairnError where error.code == .interrupted {
            let more = replay == nil ? "" : ", or without it to go on if the snapshot was restored already"
            throw CairnError(
                .interrupted,
                "interrupted; the target is not complete. The same restore can be run again with --drop\(more)")
        }
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
                    "snapshot": .string(report.snapshot.hex), "at": .timestamp(report.at),
                    "target": .string(target.redactedURI),
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

    /// A user who may only write would find out at the end, hours later.
    private func requireReadable(_ target: MongoDeployment, _ plan: RestorePlan) throws {
        guard let first = plan.items.first(where: { !$0.isUsersOrRoles && $0.info.hasDocuments }) else { return }
        _ = try target.checkOut().document(id: 0, in: first.target)
    }

    private func restore(
        _ plan: RestorePlan, _ state: ArchivedState, _ replay: RestoreReplay?, _ target: MongoDeployment,
        _ report: inout RestoreReport
    ) throws {
        // Each reads its own chunks: more of them keep the line busy to a store that is far away.
        let workers =
            options.workers > 0
            ? options.workers : max(2, Machine.processors, state.reader.parallelism)
        let definitions = TargetDefinitions(
            target: target, options: options, progress: progress, cancellation: cancellation)
        let digest = options.verify ? DocumentDigest() : nil
        var outcomes: [InsertOutcome]
        if let replay, replay.isResumed {
            outcomes = replay.restoredBase()
        } else {
            try definitions.create(plan.items)
            let crew = InsertCrew(
                state: state, target: target, options: options, digest: replay == nil ? digest : nil,
                progress: progress, cancellation: cancellation)
            outcomes = try crew.insert(plan.items, workers: workers)
        }
        try replay?.run(&outcomes, digest, workers: workers)
        report.failures += outcomes.flatMap(\.failures)
        report.lost += outcomes.flatMap(\.lost)
        report.warnings += outcomes.compactMap(\.omission)
        let comparison = TargetComparison(
            target: target, options: options, progress: progress, cancellation: cancellation)
        var failed = try definitions.buildIndexes(plan.items)
        let different = try comparison.documents(
            of: replay?.replayedItems ?? plan.items, outcomes, digest, readers: workers)
        failed += try definitions.finish(plan.items)
        let catalogue = try comparison.catalogue(of: plan.items)
        let differences = (different ?? []) + (catalogue ?? [])
        try mergeUsersAndRoles(plan, outcomes, definitions)
        try replay?.end()
        report.failures += failed + differences
        report.take(plan, outcomes, failed, options)
        report.verification = differences.isEmpty ? (options.verify ? .documents : .counts) : .failed
        if different == nil || catalogue == nil {
            if differences.isEmpty { report.verification = .none }
            report.warnings.append(
                "the user may not read the target, so nothing was compared: that the server acknowledged everything is "
                    + "all that is known. Grant readAnyDatabase to have counts and indexes compared, or all (--verify)")
        }
    }

    /// Last of all, for the restoring user may be among those that are replaced.
    private func mergeUsersAndRoles(
        _ plan: RestorePlan, _ outcomes: [InsertOutcome], _ definitions: TargetDefinitions
    ) throws {
        guard plan.restoresUsersAndRoles else { return }
        let own = zip(plan.items, outcomes).filter(\.0.isUsersOrRoles)
        let isComplete = own.allSatisfy { $0.1.failures.isEmpty && $0.1.lost.isEmpty }
        try definitions.mergeUsersAndRoles(own.map(\.0), isComplete: isComplete)
    }
}

extension RestoreReport {
    /// Fills in what was restored where.
    fileprivate mutating func take(
        _ plan: RestorePlan, _ outcomes: [InsertOutcome], _ failed: [Failure], _ options: Restore.Options
    ) {
        let missing = Dictionary(
            failed.filter { $0.subject.hasPrefix("index ") }.map { (Array($0.namespace.utf8), 1) }, uniquingKeysWith: +)
        namespaces = zip(plan.items, outcomes).map { item, outcome in
            let built = item.secondaryIndexCount - missing[Array(item.target.description.utf8), default: 0]
            return item.restored(outcome, indexes: options.noIndexes ? 0 : built)
        }.sorted { ($0.target, $0.source) < ($1.target, $1.source) }
        documents = outcomes.reduce(0) { $0 + $1.documents }
        rawBytes = outcomes.reduce(0) { $0 + $1.rawBytes }
        indexes = namespaces.reduce(0) { $0 + $1.indexes }
    }
}
