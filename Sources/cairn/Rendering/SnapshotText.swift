internal import BSON
internal import Bytes
internal import Operations

/// The wording of snapshots: what `backup` and `snapshots` tell.
enum SnapshotText {
    /// The part of an id that people type; ids are random, so eight digits are unique in any real repository.
    static func short(_ id: RandomID) -> String { String(id.hex.prefix(8)) }

    /// A cluster time for people: the second in UTC.
    static func time(_ at: Timestamp) -> String { UTC.iso8601(Int(at.t)) }

    /// A cluster time for programs.
    static func json(_ at: Timestamp) -> JSON {
        .object([("t", .integer(Int(at.t))), ("i", .integer(Int(at.i)))])
    }

    /// The shape that scripts rely on, the same for `backup` and for each element of `snapshots`.
    static func json(_ report: BackupReport) -> JSON {
        .object([
            ("id", .string(report.id.hex)),
            ("kind", .string(report.kind)),
            ("at", json(report.at)),
            ("parent", JSON(report.parent?.hex)),
            ("tags", JSON(report.tags)),
            ("namespaces", .integer(report.namespaces)),
            ("documents", .integer(report.documents)),
            ("rawBytes", .integer(report.rawBytes)),
            ("addedBytes", .integer(report.addedBytes)),
            ("seconds", .number(report.seconds)),
            ("warnings", JSON(report.warnings)),
        ])
    }

    /// What `backup` tells beside what the snapshot says of itself.
    static func json(saved report: BackupReport) -> JSON {
        guard case .object(var fields) = json(report) else { return json(report) }
        let scanned = report.scanned.map { scan in
            JSON.object([("namespace", .string(scan.namespace)), ("reason", .string(scan.reason))])
        }
        fields.append(("scanned", .array(scanned)))
        fields.append(("segments", .integer(report.segments)))
        return .object(fields)
    }

    /// What `backup` prints at its end.
    static func saved(_ report: BackupReport) -> String {
        let rate = report.seconds > 0 ? " (\(Units.rate(Double(report.rawBytes) / report.seconds)))" : ""
        let isFull = report.kind == "full"
        var lines = [
            "snapshot \(short(report.id)) saved, exact at \(time(report.at)) (\(report.at))",
            "  kind        \(report.kind)",
            "  namespaces  \(Units.count(report.namespaces))",
            "  documents   \(Units.count(report.documents))",
            isFull
                ? "  read        \(Units.bytes(report.rawBytes)) in \(Units.duration(report.seconds))\(rate)"
                : "  took        \(Units.duration(report.seconds))",
            // An incremental reads the changes: its share of all that the snapshot holds says nothing.
            "  stored      \(Units.bytes(report.addedBytes)) new"
                + (isFull ? " (\(Units.share(report.addedBytes, of: report.rawBytes)))" : ""),
        ]
        lines += report.scanned.map { "  read whole  \($0.namespace) (\($0.reason))" }
        return lines.joined(separator: "\n") + "\n"
    }
}
