internal import ArgumentParser
internal import Operations

/// `cairn timeline`.
struct TimelineCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "timeline", abstract: "Show what can be restored: snapshots, oplog segments, ranges and gaps.",
        discussion: """
            Every second of a range can be restored with `cairn restore --at`. A gap is a stretch of which the oplog \
            is lost; the snapshots on its far side begin a new range.

            Example:
              cairn timeline --segments
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "Only this replica set.")
    var set: String?

    @Flag(help: "List every snapshot and segment, not only how many there are.")
    var segments = false

    func run(_ session: Session) throws -> ExitStatus {
        let report = try ListTimeline(access: session.repositoryAccess(), set: set).run()
        let text = report.timelines.map { TimelineText.text($0, pieces: segments) }.joined(separator: "\n")
        try session.emit(
            text.isEmpty ? "no snapshots of a replica set\n" : text,
            json: .array(report.timelines.map(TimelineText.json)))
        session.report(report.damaged)
        return report.damaged.isEmpty ? .done : .damaged
    }
}
