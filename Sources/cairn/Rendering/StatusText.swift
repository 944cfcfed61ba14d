internal import Archive
internal import Bytes
internal import Operations

/// The wording of `status`.
enum StatusText {
    /// For people: the verdict last, where the eye rests.
    static func text(_ status: RepositoryStatus, _ replicas: [ReplicaState], _ problems: [String]) -> String {
        var text = ""
        for source in status.sources {
            text += """
                \(Table.printable(source.source))\(selection(source))
                  last good snapshot  \(source.newest.map { newest in
                    "\(SnapshotText.short(newest.id)) (\(newest.kind.rawValue)), \(SnapshotText.time(newest.at))"
                } ?? "none")
                  newest restorable   \(source.latest.map(SnapshotText.time) ?? "nothing"), \
                \(source.age.map { "\(Units.duration(Double($0))) ago" } ?? "never")
                  restorable          \(ranges(source))
                  gaps                \(Units.count(source.gaps.count))
                  policy              \(verdict(source))

                """
        }
        for replica in replicas {
            text += "replica \(replica.name): \(replica.problem ?? "ok")"
            if let lag = replica.status?.lag { text += ", \(lag) s behind" }
            text += "\n"
        }
        return text + (problems.isEmpty ? "the policy is met\n" : problems.map { "STALE: \($0)\n" }.joined())
    }

    private static func selection(_ source: SourceStatus) -> String {
        let parts = source.include.map { "+\($0)" } + source.exclude.map { "-\($0)" }
        return parts.isEmpty ? "" : " (\(Table.printable(parts.joined(separator: " "))))"
    }

    private static func ranges(_ source: SourceStatus) -> String {
        guard let first = source.ranges.first, let last = source.ranges.last else { return "nothing" }
        let holes = source.ranges.count == 1 ? "" : ", in \(source.ranges.count) ranges: see `cairn timeline`"
        return "\(SnapshotText.time(first.from)) to \(SnapshotText.time(last.to))\(holes)"
    }

    private static func verdict(_ source: SourceStatus) -> String {
        guard let late = source.late else { return "not for this selection" }
        return late.isEmpty ? "met" : late.joined(separator: "; ")
    }

    /// For programs.
    static func json(
        _ status: RepositoryStatus, _ replicas: [ReplicaState], _ problems: [String], isMet: Bool
    ) -> JSON {
        .object([
            ("met", .bool(isMet)), ("problems", JSON(problems)), ("sources", .array(status.sources.map(json))),
            (
                "replicas",
                .array(
                    replicas.map { replica in
                        .object([
                            ("name", .string(replica.name)), ("problem", JSON(replica.problem)),
                            ("lagSeconds", replica.status?.lag.map { .integer(Int($0)) } ?? .null),
                            ("missingBytes", replica.status.map { .integer($0.missingBytes) } ?? .null),
                            (
                                "lastSuccess",
                                replica.status?.lastSuccess.map { .string(UTC.iso8601(Int($0))) } ?? .null
                            ),
                        ])
                    })
            ),
        ])
    }

    private static func json(_ source: SourceStatus) -> JSON {
        .object([
            ("source", .string(source.source)), ("include", JSON(source.include)), ("exclude", JSON(source.exclude)),
            ("snapshots", .integer(source.snapshots)),
            ("newest", source.newest.map { SnapshotText.json(BackupReport($0)) } ?? .null),
            ("latest", source.latest.map(SnapshotText.json) ?? .null),
            ("ageSeconds", source.age.map { .integer($0) } ?? .null),
            (
                "ranges",
                .array(
                    source.ranges.map {
                        .object([("from", SnapshotText.json($0.from)), ("to", SnapshotText.json($0.to))])
                    })
            ),
            ("gaps", .integer(source.gaps.count)), ("late", source.late.map { JSON($0) } ?? .null),
        ])
    }
}
