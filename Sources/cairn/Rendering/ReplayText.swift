internal import Bytes
internal import Operations

/// The wording of `check --replay`.
enum ReplayText {
    /// A line a pair of snapshots, and what differs below it.
    static func text(_ report: CheckReplay.Report) throws -> String {
        guard !report.pairs.isEmpty else {
            return "nothing to replay: no two snapshots of one selection are joined by segments\n"
        }
        var text = ""
        for pair in report.pairs {
            let names = "\(SnapshotText.short(pair.from)) to \(SnapshotText.short(pair.to))"
            let times = "\(SnapshotText.time(pair.fromTime)) to \(SnapshotText.time(pair.toTime))"
            text += "replayed \(names), \(times): "
            if let reason = pair.unproved {
                text += Table.printable("cannot be compared: \(reason)") + "\n"
                continue
            }
            let outcome = pair.differences.isEmpty ? "equal" : "DIFFERENT"
            text += "\(Units.count(pair.documents)) documents, \(outcome)\n"
            for difference in pair.differences { text += try lines(difference) }
        }
        let read = "\(Units.count(report.documentsRead)) documents, \(Units.bytes(report.rawBytesRead))"
        return text + "\(Units.count(report.pairs.count)) pairs of snapshots, read \(read)\n"
    }

    /// What differs, with its documents below it.
    static func lines(_ difference: CheckReplay.Difference) throws -> String {
        let subject = difference.namespace.isEmpty ? "" : difference.namespace + ": "
        var text = Table.printable("  \(subject)\(difference.what)") + "\n"
        for document in difference.documents {
            let id = try IdentityJSON.text(document.identity.rawSpan)
            text += "    " + DiffText.line(difference.namespace, document.change, id)
        }
        return text
    }

    /// Everything that the report holds.
    static func json(_ report: CheckReplay.Report) throws -> JSON {
        .object([
            ("sound", .bool(report.isSound)),
            ("documentsRead", .integer(report.documentsRead)), ("rawBytesRead", .integer(report.rawBytesRead)),
            (
                "pairs",
                .array(
                    try report.pairs.map { pair in
                        .object([
                            ("from", .string(pair.from.hex)), ("fromAt", SnapshotText.json(pair.fromTime)),
                            ("to", .string(pair.to.hex)), ("toAt", SnapshotText.json(pair.toTime)),
                            ("documents", .integer(pair.documents)),
                            ("differences", .array(try pair.differences.map(json))),
                            ("unproved", JSON(pair.unproved)),
                        ])
                    })
            ),
        ])
    }

    /// Everything about one difference.
    static func json(_ difference: CheckReplay.Difference) throws -> JSON {
        .object([
            ("namespace", .string(difference.namespace)), ("what", .string(difference.what)),
            (
                "documents",
                .array(
                    try difference.documents.map { document in
                        .object([
                            ("change", .string("\(document.change)")),
                            ("id", try IdentityJSON.text(document.identity.rawSpan).map { .verbatim($0) } ?? .null),
                        ])
                    })
            ),
        ])
    }
}
