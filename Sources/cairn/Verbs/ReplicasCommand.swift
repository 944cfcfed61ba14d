internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn replicas`: without a subcommand it shows them.
struct ReplicasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replicas", abstract: "Show how far each replica is behind; promote one.",
        discussion: """
            Needs no passphrase or key. Ends with 3 when a replica is behind, is none, or cannot be looked at.

            Example:
              cairn replicas --config /etc/cairn.yaml
            """,
        subcommands: [ReplicaStatusCommand.self, PromoteCommand.self, DemoteCommand.self],
        defaultSubcommand: ReplicaStatusCommand.self)
}

/// `cairn replicas` without a subcommand.
struct ReplicaStatusCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how far each replica is behind.", shouldDisplay: false)

    @OptionGroup var global: GlobalOptions

    @Option(help: "A replica of the configuration, or a location; may be repeated. Without it, all replicas.")
    var to: [String] = []

    private struct Row {
        let target: ReplicaTarget
        let status: ReplicaStatus?

        var isCurrent: Bool {
            status.map { $0.missingObjects + $0.differing == 0 && !$0.isRepository } ?? false
        }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let source = try session.repositoryStore()
        let rows = try session.replicaTargets(to).map { target in
            do {
                let replica = try target.location.open(target.stores)
                return Row(target: target, status: try ReplicaStatus(of: replica, source: source))
            } catch let error as CairnError {
                ErrorText.write(error, json: session.json)
                return Row(target: target, status: nil)
            }
        }
        try session.emit(text(rows), json: .array(rows.map(json)))
        return rows.allSatisfy(\.isCurrent) ? .done : .warning
    }

    private func text(_ rows: [Row]) -> String {
        var table = Table([
            ("REPLICA", .left), ("LAG", .right), ("MISSING", .right), ("TO COPY", .right), ("DIFFERING", .right),
            ("GONE", .right), ("SIZE", .right), ("TIER", .left), ("LAST SUCCESS", .left), ("LOCATION", .left),
        ])
        for row in rows {
            let tier = row.target.tier ?? "–"
            guard let status = row.status else {
                table.add([row.target.name, "?", "?", "?", "?", "?", "?", tier, "?", row.target.location.description])
                continue
            }
            let success = status.lastSuccess.map { UTC.iso8601(Int($0)) } ?? "never"
            table.add([
                row.target.name, status.lag.map { "\($0) s" } ?? "–", Units.count(status.missingObjects),
                Units.bytes(status.missingBytes), Units.count(status.differing), Units.count(status.extraObjects),
                Units.bytes(status.bytes), tier, status.isRepository ? "no replica" : success,
                row.target.location.description,
            ])
        }
        return table.text
    }

    private func json(_ row: Row) -> JSON {
        var fields: [(String, JSON)] = [
            ("name", .string(row.target.name)), ("location", .string(row.target.location.description)),
            ("tier", JSON(row.target.tier)), ("current", .bool(row.isCurrent)),
        ]
        if let status = row.status {
            fields += [
                ("isReplica", .bool(!status.isRepository)),
                ("missingObjects", .integer(status.missingObjects)), ("missingBytes", .integer(status.missingBytes)),
                ("extraObjects", .integer(status.extraObjects)), ("differing", .integer(status.differing)),
                ("bytes", .integer(status.bytes)),
                ("lastSuccess", status.lastSuccess.map { .string(UTC.iso8601(Int($0))) } ?? .null),
                ("lagSeconds", status.lag.map { .integer(Int($0)) } ?? .null),
            ]
        }
        return .object(fields)
    }
}

/// `cairn replicas promote`.
struct PromoteCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "promote", abstract: "Make a replica a repository of its own.",
        discussion: """
            For when the repository that it was copied from is lost: from then on backups go there, and no job that \
            still runs elsewhere replicates to it any more. Reading and restoring need no promotion. Afterwards name \
            it as `repository` in the configuration, and replicate it to a new place.

            Example:
              cairn replicas promote west --config /etc/cairn.yaml
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "A replica of the configuration, or a location.")
    var replica: String

    func run(_ session: Session) throws -> ExitStatus {
        try PromotionText.run(session, replica, isPromotion: true) { try $0.promote() }
    }
}

/// `cairn replicas demote`.
struct DemoteCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "demote", abstract: "Make a copy of the repository a replica.",
        discussion: """
            For a repository that comes back after another one took its place, and for a copy that was made by other \
            means. From then on only `cairn replicate` writes there; what it has alone goes with --prune. Stop the \
            jobs that write there first.

            Example:
              cairn replicas demote /srv/backup
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "A replica of the configuration, or a location.")
    var replica: String

    func run(_ session: Session) throws -> ExitStatus {
        try PromotionText.run(session, replica, isPromotion: false) { try $0.demote() }
    }
}

/// What `promote` and `demote` share.
private enum PromotionText {
    static func run(
        _ session: Session, _ name: String, isPromotion: Bool, _ change: (Promotion) throws -> Promotion.Report
    ) throws -> ExitStatus {
        let target = try session.replicaTargets([name])[0]
        let report = try change(Promotion(of: try target.location.open(target.stores)))
        let state = isPromotion ? "a repository of its own" : "a replica"
        var text = "\(target.name): \(report.changed ? "now" : "already") \(state); "
        text += "\(Units.count(report.snapshots)) snapshots"
        text += report.newest.map { ", the newest put there \(UTC.iso8601(Int($0)))" } ?? ""
        text += report.lastSuccess.map { "; last replicated to \(UTC.iso8601(Int($0)))" } ?? ""
        try session.emit(
            text + "\n",
            json: .object([
                ("name", .string(target.name)), ("location", .string(target.location.description)),
                ("isReplica", .bool(!isPromotion)), ("changed", .bool(report.changed)),
                ("snapshots", .integer(report.snapshots)),
                ("newest", report.newest.map { .string(UTC.iso8601(Int($0))) } ?? .null),
                ("lastSuccess", report.lastSuccess.map { .string(UTC.iso8601(Int($0))) } ?? .null),
            ]))
        return .done
    }
}
