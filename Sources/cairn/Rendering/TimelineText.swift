internal import Archive
internal import BSON
internal import Bytes
internal import Operations

/// The wording of timelines.
enum TimelineText {
    /// A timeline for people; with `pieces` every snapshot and segment has a line.
    static func text(_ timeline: Timeline, pieces: Bool) -> String {
        let bytes = timeline.segments.reduce(0) { $0 + $1.addedBytes }
        var text = """
            replica set \(Table.printable(timeline.set)): \(Units.count(timeline.snapshots.count)) snapshots, \
            \(Units.count(timeline.segments.count)) oplog segments (\(Units.bytes(bytes)))

            """
        var table = Table([("", .left), ("FROM", .left), ("TO", .left), ("", .left)])
        let ranges = timeline.ranges.map { range in
            let length = Units.duration(Double(range.to.t) - Double(range.from.t))
            let what = range.from == range.to ? "one snapshot" : "\(length), \(Units.count(range.snapshots)) snapshots"
            return (range.from, ["restorable", time(range.from), time(range.to), what])
        }
        let gaps = timeline.gaps.map { ($0.from, ["gap", time($0.from), time($0.to), $0.reason]) }
        for (_, cells) in (ranges + gaps).sorted(by: { $0.0 < $1.0 }) { table.add(cells) }
        text += table.text
        return pieces ? text + self.pieces(timeline) : text
    }

    private static func pieces(_ timeline: Timeline) -> String {
        var table = Table([
            ("PIECE", .left), ("ID", .left), ("FROM", .left), ("TO", .left), ("ENTRIES", .right), ("ADDED", .right),
        ])
        let snapshots = timeline.snapshots.map { snapshot in
            (
                snapshot.at,
                [
                    snapshot.kind.rawValue, SnapshotText.short(snapshot.id), "", time(snapshot.at), "",
                    Units.bytes(snapshot.totals.addedBytes),
                ]
            )
        }
        let segments = timeline.segments.map { segment in
            (
                segment.to.timestamp,
                [
                    "segment", SnapshotText.short(segment.id), time(segment.from.timestamp), time(segment.to.timestamp),
                    Units.count(segment.entries), Units.bytes(segment.addedBytes),
                ]
            )
        }
        for (_, cells) in (snapshots + segments).sorted(by: { $0.0 < $1.0 }) { table.add(cells) }
        return "\n" + table.text
    }

    /// A time for people: the second, and the operation in it.
    private static func time(_ time: Timestamp) -> String { "\(SnapshotText.time(time)) (\(time.t):\(time.i))" }

    /// A timeline for programs.
    static func json(_ timeline: Timeline) -> JSON {
        .object([
            ("set", .string(timeline.set)),
            (
                "ranges",
                .array(
                    timeline.ranges.map { range in
                        .object([
                            ("from", SnapshotText.json(range.from)), ("to", SnapshotText.json(range.to)),
                            ("snapshots", .integer(range.snapshots)),
                        ])
                    })
            ),
            (
                "gaps",
                .array(
                    timeline.gaps.map { gap in
                        .object([
                            ("from", SnapshotText.json(gap.from)), ("to", SnapshotText.json(gap.to)),
                            ("reason", .string(gap.reason)),
                        ])
                    })
            ),
            ("snapshots", .array(timeline.snapshots.map { SnapshotText.json(BackupReport($0)) })),
            ("segments", .array(timeline.segments.map(json))),
        ])
    }

    private static func json(_ segment: Segment) -> JSON {
        .object([
            ("id", .string(segment.id.hex)), ("from", SnapshotText.json(segment.from.timestamp)),
            ("to", SnapshotText.json(segment.to.timestamp)), ("entries", .integer(segment.entries)),
            ("rawBytes", .integer(segment.rawBytes)), ("addedBytes", .integer(segment.addedBytes)),
            ("host", .string(segment.host)),
        ])
    }
}
