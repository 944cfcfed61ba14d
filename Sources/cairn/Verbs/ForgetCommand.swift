internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn forget`.
struct ForgetCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Remove snapshots that no rule keeps, or named ones.",
        discussion: """
            A snapshot stays while any rule keeps it. Rules look at each replica set, or selection of namespaces, \
            apart, and the last good snapshot of each always stays. --keep-incremental also promises every second of \
            that time: the oplog segments and the snapshot that they need stay, older segments go. What was stored is \
            freed by `cairn prune`. Without rules or names, those of `retention` in the configuration count.

            Lengths are a number and h, d, w or y.

            Example:
              cairn forget --keep-full 30d --keep-incremental 7d --keep-tag manual=90d --dry-run
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Snapshots to forget: ids, or the starts of them. Excludes rules.")
    var snapshots: [String] = []

    @Option(help: "Keep full and synthetic snapshots that are younger.")
    var keepFull: String?

    @Option(help: "Keep incrementals that are younger, and every second of that time.")
    var keepIncremental: String?

    @Option(help: "TAG=LENGTH: keep snapshots with that tag that are younger; may be repeated.")
    var keepTag: [String] = []

    @Option(help: "Keep the newest so many.")
    var keepLast: Int?

    @Option(help: "Keep the newest of each of the last so many hours that have one.")
    var keepHourly: Int?

    @Option(help: "Likewise days.")
    var keepDaily: Int?

    @Option(help: "Likewise weeks.")
    var keepWeekly: Int?

    @Option(help: "Likewise months.")
    var keepMonthly: Int?

    @Option(help: "Likewise years.")
    var keepYearly: Int?

    @Flag(help: "Say what would be forgotten, and which rule keeps the others; remove nothing.")
    var dryRun = false

    func run(_ session: Session) throws -> ExitStatus {
        var policy = try policy()
        guard snapshots.isEmpty || policy.isEmpty else {
            throw CairnError(.usage, "name snapshots to forget, or give rules for those to keep, not both")
        }
        if snapshots.isEmpty, policy.isEmpty { policy = try session.configuration.retentionAsSet() ?? policy }
        let selection: Forget.Selection = snapshots.isEmpty ? .policy(policy) : .snapshots(snapshots)
        let report = try Forget(access: session.repositoryAccess(), selection: selection, dryRun: dryRun).run()
        try session.emit(ForgetText.text(report), json: ForgetText.json(report))
        session.report(report.damaged)
        if let first = report.held.first {
            session.warn(
                "a retention policy or legal hold keeps \(report.held.count) objects, \(first) among them; "
                    + "forget again once it has ended")
        }
        return report.damaged.isEmpty ? (report.held.isEmpty ? .done : .warning) : .damaged
    }

    private func policy() throws -> RetentionPolicy {
        var policy = RetentionPolicy()
        policy.full = try keepFull.map(RetentionPolicy.seconds)
        policy.incremental = try keepIncremental.map(RetentionPolicy.seconds)
        for rule in keepTag {
            guard let equals = rule.lastIndex(of: "="), equals != rule.startIndex else {
                throw CairnError(.usage, "--keep-tag takes TAG=LENGTH, such as manual=90d", object: rule)
            }
            policy.tags[String(rule[..<equals])] = try RetentionPolicy.seconds(
                String(rule[rule.index(after: equals)...]))
        }
        policy.last = try keepLast.map { try ForgetCommand.count($0, "--keep-last") }
        let counts: [(RetentionPolicy.Period, Int?)] = [
            (.hourly, keepHourly), (.daily, keepDaily), (.weekly, keepWeekly), (.monthly, keepMonthly),
            (.yearly, keepYearly),
        ]
        for (period, count) in counts {
            policy.periods[period] = try count.map { try ForgetCommand.count($0, "--keep-\(period.rawValue)") }
        }
        return policy
    }

    private static func count(_ count: Int, _ name: String) throws -> Int {
        guard count > 0 else { throw CairnError(.usage, "\(name) takes a number from 1") }
        return count
    }
}
