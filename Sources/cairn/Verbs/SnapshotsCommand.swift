internal import Archive
internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn snapshots`.
struct SnapshotsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "snapshots", abstract: "List the snapshots, oldest first.",
        discussion: """
            Example:
              cairn snapshots --tag nightly --newest 7
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "Only snapshots that carry this word; may be repeated, all must be there.")
    var tag: [String] = []

    @Option(help: "Only the newest so many.")
    var newest: Int?

    func validate() throws {
        if let newest, newest < 0 { throw ValidationError("--newest takes a number from 0") }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let report = try ListSnapshots(access: session.repositoryAccess(), tags: tag, newest: newest).run()
        try session.emit(text(report), json: .array(report.snapshots.map { SnapshotText.json(BackupReport($0)) }))
        session.report(report.damaged)
        return report.damaged.isEmpty ? .done : .damaged
    }

    private func text(_ report: ListSnapshots.Report) -> String {
        var table = Table([
            ("ID", .left), ("TIME", .left), ("KIND", .left), ("NAMESPACES", .right), ("DOCUMENTS", .right),
            ("SIZE", .right), ("ADDED", .right), ("TAGS", .left),
        ])
        for snapshot in report.snapshots {
            let totals = snapshot.totals
            table.add([
                SnapshotText.short(snapshot.id), SnapshotText.time(snapshot.at),
                snapshot.kind.rawValue + (snapshot.exact ? "" : ", not exact"), Units.count(totals.namespaces),
                Units.count(totals.documents), Units.bytes(totals.rawBytes), Units.bytes(totals.addedBytes),
                snapshot.tags.joined(separator: ","),
            ])
        }
        return report.snapshots.isEmpty ? "no snapshots\n" : table.text
    }
}
