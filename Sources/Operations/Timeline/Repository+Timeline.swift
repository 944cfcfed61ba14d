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
    /// - Throws: `.usage` listing the sets when there are several; `.notFound` when it is not there; `.corrupt` for
    ///   what cannot be read, for it might be what leads to the time.
    public func timeline(of set: String?) throws -> Timeline {
        let all = try timelines()
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
