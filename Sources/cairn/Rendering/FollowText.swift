internal import Bytes
internal import Logging
internal import Operations

/// The wording of `follow`.
enum FollowText {
    /// Says what happened while it goes on.
    static func log(_ event: Follow.Event, _ session: Session) {
        switch event {
        case .began(let time):
            session.log.info("following from \(SnapshotText.time(time)) (\(time))")
        case .saved(let segment):
            let details: Logger.Metadata = [
                "segment": "\(segment.id.hex)", "from": "\(segment.from)", "to": "\(segment.to)",
                "entries": "\(segment.entries)", "rawBytes": "\(segment.rawBytes)",
                "addedBytes": "\(segment.addedBytes)",
            ]
            session.log.info("saved up to \(SnapshotText.time(segment.to))", metadata: details)
        case .lost(let gap):
            session.warn(
                "the oplog from \(gap.from) to \(gap.to) is lost: \(gap.reason) No time in it can be restored, nor any "
                    + "after it before the next backup")
        case .waiting(let error):
            session.warn("waiting, and trying again: \(ErrorText.line(error))")
        case .resumed(let host):
            session.log.info("going on, reading from \(host)")
        }
    }

    /// What is printed at the end.
    static func ended(_ report: FollowReport) -> String {
        let gaps = report.gaps.isEmpty ? "" : "  gaps        \(report.gaps.count)\n"
        return """
            followed \(report.set) from \(SnapshotText.time(report.from)) to \(SnapshotText.time(report.to))
              segments    \(Units.count(report.segments))
              entries     \(Units.count(report.entries)), \(Units.bytes(report.rawBytes))
              stored      \(Units.bytes(report.addedBytes)) new
            \(gaps)
            """
    }

    /// The shape that scripts rely on.
    static func json(_ report: FollowReport) -> JSON {
        .object([
            ("set", .string(report.set)),
            ("from", SnapshotText.json(report.from)),
            ("to", SnapshotText.json(report.to)),
            ("segments", .integer(report.segments)),
            ("entries", .integer(report.entries)),
            ("rawBytes", .integer(report.rawBytes)),
            ("addedBytes", .integer(report.addedBytes)),
            (
                "gaps",
                .array(
                    report.gaps.map { gap in
                        .object([
                            ("from", SnapshotText.json(gap.from)), ("to", SnapshotText.json(gap.to)),
                            ("reason", .string(gap.reason)),
                        ])
                    })
            ),
            ("warnings", JSON(report.warnings)),
        ])
    }
}
