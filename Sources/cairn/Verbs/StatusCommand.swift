internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn status`.
struct StatusCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how old the backups are, and whether the policy is met.",
        discussion: """
            For each source: its last good snapshot, the newest time that can be restored and its age, what can be \
            restored, gaps, and what of the policy is late; for each replica how far it is behind. Reads snapshots and \
            segments, no data, and asks no server.

            Exit code 14 when the policy is not met, when what is newest is older than --max-age, or when there is \
            nothing that the policy is for; 13 when a snapshot cannot be read. The policy is for the selection of \
            namespaces that the configuration has; others are shown and not judged.

            Example:
              cairn status --config /etc/cairn.yaml --max-age 90m
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "The age that the newest restorable time of each source may have, for example 90m.")
    var maxAge: String?

    @Option(help: "Only this replica set.")
    var set: String?

    func run(_ session: Session) throws -> ExitStatus {
        let configuration = session.configuration
        let policy = try configuration.policy()
        let ageMax = try maxAge.map { try Quantity.seconds($0, place: "--max-age") }
        let targets = configuration.replicas.isEmpty ? [] : try session.replicaTargets([])
        let status = try RepositoryStatus(
            of: session.repositoryAccess(), policy: policy, include: configuration.list(.backupInclude),
            exclude: configuration.list(.backupExclude), set: set)
        let replicas = try judge(targets, session, policy, now: status.now)
        var problems = status.sources.flatMap { source in
            var problems = (source.late ?? []).map { "\(source.source): \($0)" }
            if let ageMax, source.late != nil, (source.age ?? .max) > ageMax {
                let age = source.age.map { Units.duration(Double($0)) } ?? "unknown"
                problems.append("\(source.source): the newest restorable time is \(age) old, more than \(maxAge ?? "")")
            }
            return problems
        }
        if !status.sources.contains(where: { $0.late != nil }) {
            problems.append("no snapshot of what the policy is for: `cairn run` takes one")
        }
        problems += replicas.compactMap(\.problem)
        let isMet = problems.isEmpty
        try session.emit(
            StatusText.text(status, replicas, problems),
            json: StatusText.json(status, replicas, problems, isMet: isMet))
        session.report(status.damaged)
        return !status.damaged.isEmpty ? .damaged : isMet ? .done : .stale
    }

    private func judge(
        _ targets: [ReplicaTarget], _ session: Session, _ policy: BackupPolicy, now: Int
    ) throws -> [ReplicaState] {
        guard !targets.isEmpty else { return [] }
        let source = try session.repositoryStore()
        return targets.map { target in
            do {
                let status = try ReplicaStatus(of: target.location.open(target.stores), source: source)
                let due = policy.replicate.last(at: now - policy.grace) ?? .min
                let isLate = status.missingObjects > 0 && Int(status.lastSuccess ?? .min) < due
                var problem: String?
                if isLate {
                    problem = "replica \(target.name) is late: \(Units.bytes(status.missingBytes)) to copy"
                } else if status.differing > 0 {
                    problem = "replica \(target.name): \(status.differing) objects differ; `cairn check` both"
                }
                return ReplicaState(name: target.name, status: status, problem: problem)
            } catch {
                let words = Table.printable("\(error)")
                return ReplicaState(
                    name: target.name, status: nil, problem: "replica \(target.name) cannot be looked at: \(words)")
            }
        }
    }
}

/// A replica as `status` sees it.
struct ReplicaState {
    let name: String
    let status: ReplicaStatus?
    /// What is wrong with it; nil when nothing is.
    let problem: String?
}
