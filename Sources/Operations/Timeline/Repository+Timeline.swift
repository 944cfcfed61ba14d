public import Archive
public import Bytes

extension Repository {
    /// The timelines of all replica sets in the repository, by name.
    ///
    /// - Parameter damaged: is told of snapshots and segments that cannot be read; when nil, the first such error is
    ///   thrown.
    public func timelines(damaged: ((CairnError) -> Void)? = nil) throws -> [Timeline] {
        let handler = damaged.map { report in { (_: RandomID, error: CairnError) in report(error) } }
        let snapshots = try snapshots(damaged: handler)
        let segments = try segments(damaged: handler)
        let names = Set(snapshots.compactMap(\.source.set) + segments.map(\.set))
        return names.sorted().map { Timeline(set: $0, snapshots: snapshots, segments: segments) }
    }

    /// The timeline that a user means.
    ///
    /// - Parameter set: the replica set; nil when there is only one.
    /// - Throws: `.usage` listing the sets when there are several; `.notFound` when it is not there. What cannot be
    ///   read is noted in the timeline: it matters to the times that it would have led to alone.
    public func timeline(of set: String?) throws -> Timeline {
        var damaged: [CairnError] = []
        var all = try timelines { damaged.append($0) }
        for number in all.indices { all[number].damaged = damaged }
        if all.isEmpty, let first = damaged.first { throw first }
        guard let set else {
            if all.count == 1 { return all[0] }
            guard !all.isEmpty else {
                throw CairnError(
                    .notFound, "the repository holds no snapshot of a replica set: `cairn backup` takes one")
            }
            let names = all.map(\.set).joined(separator: ", ")
            throw CairnError(.usage, "the repository holds several replica sets: name one with --set (\(names))")
        }
        guard let timeline = all.first(where: { $0.set == set }) else {
            throw CairnError(.notFound, "the repository holds nothing of the replica set \(set)")
        }
        return timeline
    }
}
