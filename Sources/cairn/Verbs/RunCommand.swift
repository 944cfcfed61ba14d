internal import Archive
internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn run`.
struct RunCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Do what is due by the policy: back up, replicate, forget, prune.",
        discussion: """
            The one command of a scheduled job. Start it as often as the most frequent thing of `schedule` in the \
            configuration; what was missed is done once. Started twice, the second ends with 11 and has done nothing.

            A step that fails keeps no other back, but nothing is forgotten while a backup that is due fails. The exit \
            code is that of the first step that failed; else 3 when one has a warning that needs a person; else 0.

            Without a schedule in the configuration: full daily at 02:00 UTC, kept 30 days; incremental hourly, kept 7 \
            days; what is tagged manual, 90 days.

            Example:
              cairn run --config /etc/cairn.yaml --dry-run
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var server: ServerOptions

    @Flag(help: "Back a standalone server up although it has no cluster time.")
    var allowStandalone = false

    @Flag(help: "Say what is due and why; do nothing.")
    var dryRun = false

    var settings: [Setting: SettingValue] { server.settings }

    func run(_ session: Session) throws -> ExitStatus {
        let configuration = session.configuration
        let policy = try configuration.policy()
        let targets = configuration.replicas.isEmpty ? [] : try session.replicaTargets([])
        let options = try BackupOptions.options(session, allowStandalone: allowStandalone)
        let run = try PolicyRun(
            policy, access: options.repository, source: options.source, include: options.include,
            exclude: options.exclude, replicas: targets.map { ($0.name, try? $0.location.open($0.stores)) },
            dryRun: dryRun)
        defer { run.end() }
        guard !dryRun else {
            try session.emit(RunText.planned(run.plan), json: RunText.json(run.plan, outcomes: nil))
            return .done
        }
        let job = PolicyJob(session: session, policy: policy, options: options, targets: targets)
        let outcomes = job.run(run.plan.due)
        try session.emit(RunText.done(outcomes), json: RunText.json(run.plan, outcomes: outcomes))
        return PolicyJob.status(outcomes)
    }
}

/// What became of a step of a run.
struct RunOutcome {
    let task: DuePlan.Task
    let status: ExitStatus
    /// For people, without a newline at its end.
    let text: String
    /// What the verb of that name gives out; an error's code and message when it failed.
    let json: JSON
}

/// The steps of a run, one after the other.
struct PolicyJob {
    let session: Session
    let policy: BackupPolicy
    let options: FullBackup.Options
    let targets: [ReplicaTarget]

    /// Does all of `due`; only an interruption ends it early.
    func run(_ due: [DuePlan.Task]) -> [RunOutcome] {
        var outcomes: [RunOutcome] = []
        for task in due {
            let isBackupMissing = outcomes.contains {
                [.full, .incremental].contains($0.task) && ![.done, .warning].contains($0.status)
            }
            if task == .forget, isBackupMissing {
                let words = "nothing is forgotten while backups fail"
                outcomes.append(RunOutcome(task: task, status: .done, text: words, json: .string(words)))
                continue
            }
            outcomes.append(attempt(task))
            if outcomes.last?.status == .interrupted { break }
        }
        return outcomes
    }

    /// Interruption first, then the first failure, then warnings.
    static func status(_ outcomes: [RunOutcome]) -> ExitStatus {
        if let last = outcomes.last, last.status == .interrupted { return .interrupted }
        return outcomes.first { ![.done, .warning].contains($0.status) }?.status
            ?? (outcomes.contains { $0.status == .warning } ? .warning : .done)
    }

    private func attempt(_ task: DuePlan.Task) -> RunOutcome {
        do {
            switch task {
            case .full: return try backup(task, .full)
            case .incremental: return try backup(task, .automatic)
            case .replicate(let name): return try replicate(task, name)
            case .forget: return try forget(task)
            case .prune: return try prune(task)
            }
        } catch {
            let failure = error as? CairnError ?? CairnError(.io, "\(error)")
            ErrorText.write(failure, json: session.json)
            return RunOutcome(
                task: task, status: ExitStatus(failure.code), text: "failed: \(Table.printable(failure.description))",
                json: ErrorText.json(failure))
        }
    }

    private func backup(_ task: DuePlan.Task, _ kind: Backup.Kind) throws -> RunOutcome {
        let report = try session.runJob { progress, cancellation in
            try Backup(kind, options: options, progress: progress, cancellation: cancellation).run()
        }
        report.warnings.forEach(session.warn)
        return RunOutcome(
            task: task, status: report.needsPerson ? .warning : .done,
            text: "snapshot \(SnapshotText.short(report.id)) (\(report.kind)), "
                + "\(Units.bytes(report.addedBytes)) new, in \(Units.duration(report.seconds))",
            json: SnapshotText.json(saved: report))
    }

    private func replicate(_ task: DuePlan.Task, _ name: String) throws -> RunOutcome {
        var options = ReplicateOptions()
        options.prune = policy.replicaGrace != nil
        if let grace = policy.replicaGrace { options.grace = grace }
        let outcomes = try Replication.run(session, targets: targets.filter { $0.name == name }, options)
        let status = Replication.status(outcomes)
        return RunOutcome(
            task: task, status: status, text: String(Replication.text(outcomes).dropLast()),
            json: Replication.json(outcomes))
    }

    private func forget(_ task: DuePlan.Task) throws -> RunOutcome {
        let report = try Forget(
            access: options.repository, selection: .policy(policy.retention), dryRun: false
        ).run()
        session.report(report.damaged)
        let status: ExitStatus = !report.damaged.isEmpty ? .damaged : report.held.isEmpty ? .done : .warning
        return RunOutcome(
            task: task, status: status,
            text: "\(Units.count(report.forgotten.count)) of \(Units.count(report.verdicts.count)) snapshots and "
                + "\(Units.count(report.segments.count)) segments"
                + (report.held.isEmpty ? "" : "; a policy of the store keeps \(report.held.count) objects"),
            json: ForgetText.json(report))
    }

    private func prune(_ task: DuePlan.Task) throws -> RunOutcome {
        let report = try session.runJob { _, cancellation in
            try PruneRepository(access: options.repository, options: PruneOptions(), cancellation: cancellation).run()
        }
        return RunOutcome(
            task: task, status: report.keptPacks > 0 ? .warning : .done,
            text: "\(Units.bytes(report.freedBytes)) freed, \(Units.bytes(report.condemnedBytes)) condemned",
            json: PruneCommand.json(report))
    }
}
