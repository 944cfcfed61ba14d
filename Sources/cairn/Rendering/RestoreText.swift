internal import Bytes
internal import Operations

/// The wording of a restore's report.
enum RestoreText {
    /// How many failures the text lists; the JSON has them all.
    private static let failuresShownMax = 20

    /// A table of namespaces with the totals and what is missing.
    static func text(_ report: RestoreReport) -> String {
        var table = Table([
            ("NAMESPACE", .left), ("FROM", .left), ("TYPE", .left), ("DOCUMENTS", .right), ("SIZE", .right),
            ("INDEXES", .right),
        ])
        for line in report.namespaces {
            table.add([
                line.target, line.source == line.target ? "" : line.source, line.type, Units.count(line.documents),
                Units.bytes(line.rawBytes), String(line.indexes),
            ])
        }
        let summary =
            report.dryRun
            ? "would restore snapshot \(SnapshotText.short(report.snapshot)) (\(SnapshotText.time(report.at)));"
                + " nothing was written\n"
            : "restored \(Units.count(report.documents)) documents (\(Units.bytes(report.rawBytes))) and"
                + " \(Units.count(report.indexes)) indexes of snapshot \(SnapshotText.short(report.snapshot))"
                + " (\(SnapshotText.time(report.at))) in \(Units.duration(report.seconds)); \(verdict(report))\n"
        return table.text + summary + list(report.failures, "could not be restored")
            + list(report.lost, "lost to damage in the repository")
    }

    /// Everything that the report holds.
    static func json(_ report: RestoreReport) -> JSON {
        .object([
            ("snapshot", .string(report.snapshot.hex)),
            ("at", SnapshotText.json(report.at)),
            ("dryRun", .bool(report.dryRun)),
            ("namespaces", .array(report.namespaces.map(json))),
            ("documents", .integer(report.documents)),
            ("rawBytes", .integer(report.rawBytes)),
            ("indexes", .integer(report.indexes)),
            ("seconds", .number(report.seconds)),
            ("verification", .string(report.verification.rawValue)),
            ("failures", .array(report.failures.map(json))),
            ("lost", .array(report.lost.map(json))),
            ("warnings", JSON(report.warnings)),
        ])
    }

    private static func json(_ line: RestoreReport.Namespace) -> JSON {
        .object([
            ("source", .string(line.source)), ("target", .string(line.target)), ("type", .string(line.type)),
            ("documents", .integer(line.documents)), ("rawBytes", .integer(line.rawBytes)),
            ("indexes", .integer(line.indexes)),
        ])
    }

    private static func json(_ failure: RestoreReport.Failure) -> JSON {
        .object([
            ("namespace", .string(failure.namespace)), ("subject", .string(failure.subject)),
            ("reason", .string(failure.reason)),
        ])
    }

    private static func verdict(_ report: RestoreReport) -> String {
        switch report.verification {
        case .none: "nothing was compared"
        case .counts: "counts and catalogue agree"
        case .documents: "counts, catalogue and every document agree"
        case .failed: "NOT the same as the snapshot"
        }
    }

    private static func list(_ failures: [RestoreReport.Failure], _ what: String) -> String {
        guard !failures.isEmpty else { return "" }
        var text = "\(failures.count) \(what):\n"
        for failure in failures.prefix(failuresShownMax) {
            text += Table.printable("  \(failure.namespace) \(failure.subject): \(failure.reason)") + "\n"
        }
        let rest = failures.count - failuresShownMax
        return rest > 0 ? text + "  and \(rest) more; --json lists them all\n" : text
    }
}
