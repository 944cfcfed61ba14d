internal import ArgumentParser
internal import Bytes
internal import ObjectStore
internal import Operations
internal import Remote

/// `cairn replicate`.
struct ReplicateCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "replicate", abstract: "Copy what is missing to the repository's replicas.",
        discussion: """
            Needs no passphrase or key: objects are copied as they are, in the order in which a backup makes them, so \
            a replica can be restored from at any moment. Interrupted, it goes on where it stopped. What is there is \
            never replaced.

            Deletions are followed with --prune alone, each a grace period after it was first seen.

            Example:
              cairn replicate --config /etc/cairn.yaml --to west
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var tiers: TierOption
    @OptionGroup var immutability: ImmutabilityOption

    @Option(help: "A replica of the configuration, or a location; may be repeated. Without it, all replicas.")
    var to: [String] = []

    @Flag(help: "Read every copy back and compare it.")
    var verify = false

    @Flag(help: "Delete what the repository has had no more for the grace period.")
    var prune = false

    @Option(help: "How long a deletion waits: 0, or a number and h, d, w or y.")
    var grace = "7d"

    @Flag(help: "Say what would be done; change nothing.")
    var dryRun = false

    var settings: [Setting: SettingValue] { tiers.settings.with(immutability.settings) }

    func run(_ session: Session) throws -> ExitStatus {
        var options = ReplicateOptions()
        options.verify = verify
        options.prune = prune
        options.grace = grace == "0" ? 0 : Int64(try RetentionPolicy.seconds(grace))
        options.dryRun = dryRun
        var targets = try session.replicaTargets(to)
        try settings.requireAzure(targets.map(\.location))
        // What the flags say goes for the copies, whatever the configuration says of the repository and of them.
        let blobs = try session.configuration.stores().blobs
        for index in targets.indices {
            if settings[.azureTier] != nil { targets[index].stores.blobs.tier = blobs.tier }
            if settings[.azureImmutableFor] != nil { targets[index].stores.blobs.immutableFor = blobs.immutableFor }
        }
        let outcomes = try Replication.run(session, targets: targets, options)
        try session.emit(Replication.text(outcomes), json: Replication.json(outcomes))
        return Replication.status(outcomes)
    }
}

/// Bringing several replicas up to date: what goes wrong with one does not keep the others back.
enum Replication {
    struct Outcome {
        let name: String
        let location: String
        let result: Result<ReplicateReport, CairnError>
    }

    /// Replicates to each target in turn.
    ///
    /// - Throws: only what concerns all of them: the source, and `.interrupted`.
    static func run(_ session: Session, targets: [ReplicaTarget], _ options: ReplicateOptions) throws -> [Outcome] {
        let source = try session.repositoryStore()
        return try session.runJob { progress, cancellation in
            try targets.map { target in
                do {
                    let replica = try target.location.open(target.stores, creating: !options.dryRun)
                    let job = Replicate(
                        from: source, to: replica, options: options, progress: progress, cancellation: cancellation,
                        now: Int64(System.unixSeconds()))
                    return Outcome(
                        name: target.name, location: replica.location, result: .success(try job.run()))
                } catch let error as CairnError where error.code != .interrupted && error.code != .noRepository {
                    ErrorText.write(error, json: session.json)
                    return Outcome(
                        name: target.name, location: target.location.description, result: .failure(error))
                }
            }
        }
    }

    /// A replica that failed, or has objects that differ, needs a person.
    static func status(_ outcomes: [Outcome]) -> ExitStatus {
        let isGood = outcomes.allSatisfy { outcome in
            if case .success(let report) = outcome.result { return report.differing.isEmpty }
            return false
        }
        if isGood { return .done }
        guard outcomes.count == 1, case .failure(let error) = outcomes[0].result else { return .warning }
        return ExitStatus(error.code)
    }

    static func text(_ outcomes: [Outcome]) -> String {
        outcomes.map { outcome in
            switch outcome.result {
            case .failure: return "\(outcome.name): failed\n"
            case .success(let report):
                let would = report.dryRun ? "would be " : ""
                var line =
                    "\(outcome.name): \(Units.count(report.copiedObjects)) objects, "
                    + "\(Units.bytes(report.copiedBytes)) \(would)copied"
                if report.verifiedObjects > 0 {
                    let isAll = report.verifiedObjects == report.copiedObjects
                    line += ", \(isAll ? "all" : Units.count(report.verifiedObjects)) read back"
                }
                if report.deletedObjects > 0 { line += ", \(Units.count(report.deletedObjects)) \(would)deleted" }
                if report.waitingObjects > 0 {
                    line += ", \(Units.count(report.waitingObjects)) gone from the repository and kept"
                }
                line += "; \(Units.count(report.sourceObjects)) objects, \(Units.bytes(report.sourceBytes)) in all\n"
                for path in report.differing {
                    line += "  \(path): differs in size; `check` of both tells which one is damaged\n"
                }
                return line
            }
        }.joined()
    }

    static func json(_ outcomes: [Outcome]) -> JSON {
        .array(
            outcomes.map { outcome in
                var fields: [(String, JSON)] = [
                    ("name", .string(outcome.name)), ("location", .string(outcome.location)),
                ]
                switch outcome.result {
                case .failure(let error):
                    fields.append(("error", .string(error.code.name)))
                    fields.append(("message", .string(error.description)))
                case .success(let report):
                    fields += [
                        ("dryRun", .bool(report.dryRun)), ("copiedObjects", .integer(report.copiedObjects)),
                        ("copiedBytes", .integer(report.copiedBytes)),
                        ("verifiedObjects", .integer(report.verifiedObjects)),
                        ("deletedObjects", .integer(report.deletedObjects)),
                        ("waitingObjects", .integer(report.waitingObjects)),
                        ("keptObjects", .integer(report.keptObjects)),
                        ("differing", .array(report.differing.map { .string($0) })),
                        ("sourceObjects", .integer(report.sourceObjects)),
                        ("sourceBytes", .integer(report.sourceBytes)),
                    ]
                }
                return .object(fields)
            })
    }
}
