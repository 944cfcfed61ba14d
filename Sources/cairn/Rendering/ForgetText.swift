internal import Archive
internal import Bytes
internal import Operations

/// The wording of `forget`.
enum ForgetText {
    /// A line a snapshot, and what happens to it.
    static func text(_ report: Forget.Report) -> String {
        var table = Table([("ID", .left), ("TIME", .left), ("KIND", .left), ("TAGS", .left), ("", .left), ("", .left)])
        for verdict in report.verdicts {
            let snapshot = verdict.snapshot
            table.add([
                SnapshotText.short(snapshot.id), SnapshotText.time(snapshot.at), snapshot.kind.rawValue,
                snapshot.tags.joined(separator: ","), verdict.isKept ? "keep" : "forget",
                verdict.reasons.joined(separator: "; "),
            ])
        }
        let (gone, all) = (report.forgotten.count, report.verdicts.count)
        let what =
            "\(Units.count(gone)) of \(Units.count(all)) snapshots and \(Units.count(report.segments.count)) segments"
        return (all == 0 ? "" : table.text) + (report.dryRun ? "would forget " : "forgot ") + what
            + (gone + report.segments.count > 0 && !report.dryRun ? "; `cairn prune` frees what they stored\n" : "\n")
    }

    /// The same for programs.
    static func json(_ report: Forget.Report) -> JSON {
        .object([
            ("dryRun", .bool(report.dryRun)),
            (
                "snapshots",
                .array(
                    report.verdicts.map { verdict in
                        .object([
                            ("id", .string(verdict.snapshot.id.hex)), ("at", SnapshotText.json(verdict.snapshot.at)),
                            ("kind", .string(verdict.snapshot.kind.rawValue)), ("tags", JSON(verdict.snapshot.tags)),
                            ("kept", .bool(verdict.isKept)), ("reasons", JSON(verdict.reasons)),
                        ])
                    })
            ),
            ("segments", .array(report.segments.map { .string($0.id.hex) })),
        ])
    }
}
