internal import Bytes
internal import Operations

/// The wording of `check --against`.
enum AgainstText {
    /// What was compared, what differs, and what could not be compared.
    static func text(_ report: CheckAgainst.Report) throws -> String {
        var text = try report.differences.map(ReplayText.lines).joined()
        for skipped in report.skipped {
            text += Table.printable("  not compared: \(skipped.namespace): \(skipped.reason)") + "\n"
        }
        let outcome = report.isSound ? "equal" : "DIFFERENT"
        let head =
            "compared \(SnapshotText.short(report.snapshot)) with \(report.host) at \(SnapshotText.time(report.time)): "
            + "\(Units.count(report.namespaces)) namespaces, \(Units.count(report.documents)) documents, \(outcome)\n"
        return Table.printable(String(head.dropLast())) + "\n" + text
    }

    /// Everything that the report holds.
    static func json(_ report: CheckAgainst.Report) throws -> JSON {
        .object([
            ("sound", .bool(report.isSound)), ("snapshot", .string(report.snapshot.hex)),
            ("at", SnapshotText.json(report.time)), ("host", .string(report.host)),
            ("namespaces", .integer(report.namespaces)), ("documents", .integer(report.documents)),
            ("differences", .array(try report.differences.map(ReplayText.json))),
            (
                "notCompared",
                .array(
                    report.skipped.map {
                        .object([
                            ("namespace", .string($0.namespace)), ("reason", .string($0.reason)),
                            ("expected", .bool($0.isExpected)),
                        ])
                    })
            ),
        ])
    }
}
