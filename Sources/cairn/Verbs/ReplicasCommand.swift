internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn replicas`.
struct ReplicasCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "replicas", abstract: "Show how far each replica is behind.",
        discussion: """
            Needs no passphrase or key. Ends with 3 when a replica is behind or cannot be looked at.

            Example:
              cairn replicas --config /etc/cairn.yaml
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "A replica of the configuration, or a location; may be repeated. Without it, all replicas.")
    var to: [String] = []

    private struct Row {
        let target: ReplicaTarget
        let status: ReplicaStatus?
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
        return rows.allSatisfy { $0.status.map { $0.missingObjects + $0.differing == 0 } ?? false } ? .done : .warning
    }

    private func text(_ rows: [Row]) -> String {
        var table = Table([
            ("REPLICA", .left), ("LAG", .right), ("MISSING", .right), ("TO COPY", .right), ("GONE", .right),
            ("SIZE", .right), ("LAST SUCCESS", .left), ("LOCATION", .left),
        ])
        for row in rows {
            guard let status = row.status else {
                table.add([row.target.name, "?", "?", "?", "?", "?", "?", row.target.location.description])
                continue
            }
            table.add([
                row.target.name, status.lag.map { "\($0) s" } ?? "–", Units.count(status.missingObjects),
                Units.bytes(status.missingBytes), Units.count(status.extraObjects), Units.bytes(status.bytes),
                status.lastSuccess.map { UTC.iso8601(Int($0)) } ?? "never", row.target.location.description,
            ])
        }
        return table.text
    }

    private func json(_ row: Row) -> JSON {
        var fields: [(String, JSON)] = [
            ("name", .string(row.target.name)), ("location", .string(row.target.location.description)),
        ]
        if let status = row.status {
            fields += [
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
