internal import Archive
internal import BSON
internal import Bytes
internal import Glibc

/// Which state of the archive is meant.
public enum Moment: Hashable, Sendable {
    /// A snapshot: its id, the start of one, or `latest`.
    case snapshot(String)
    /// A time of a replica set's timeline; the set may be left out when the repository holds one only.
    case time(TimeSelection, set: String?)
}

extension Repository {
    /// The state at a moment.
    ///
    /// - Parameters:
    ///   - chunks: where the chunks are (`loadIndex`).
    ///   - chosen: called once it is known that there is such a state, before what it holds is read.
    /// - Throws: `.usage` for a time that cannot be restored, naming the nearest that can; otherwise as
    ///   `selectSnapshot`; `.corrupt` for a damaged segment or catalogue.
    func state(
        at moment: Moment, chunks: ChunkIndex, foldBudget: Int = ArchivedState.foldBudget, chosen: () -> Void = {}
    ) throws -> ArchivedState {
        switch moment {
        case .snapshot(let text):
            let snapshot = try selectSnapshot(text)
            chosen()
            return try ArchivedState(SnapshotReader(repository: self, chunks: chunks, snapshot: snapshot))
        case .time(let selection, let set):
            let timeline = try timeline(of: set)
            let route = try timeline.route(to: selection, now: Int(now() / 1_000))
            chosen()
            return try state(route, of: timeline, chunks: chunks, foldBudget: foldBudget)
        }
    }

    /// The state that a route leads to. A collection that was being filled when the route's snapshot was taken, by
    /// `$out` for instance, is in no catalogue; the snapshot before it knows how it came to be.
    ///
    /// - Throws: as `ArchivedState`; `.incomplete` naming that collection when there is no earlier snapshot.
    func state(
        _ route: Timeline.Route, of timeline: Timeline, chunks: ChunkIndex, foldBudget: Int = ArchivedState.foldBudget
    ) throws -> ArchivedState {
        var route = route
        while true {
            do {
                return try ArchivedState(route, repository: self, chunks: chunks, budget: foldBudget)
            } catch let error as CairnError where error.code == .incomplete {
                guard let earlier = timeline.earlier(route) else { throw error }
                route = earlier
            }
        }
    }
}

extension Timeline {
    /// How to restore what a user asked for.
    func route(to selection: TimeSelection, now: Int) throws -> Route {
        if let time = selection.timestamp(now: now) { return try route(to: time) }
        // The newest time may be in what cannot be read, and an older one is not what was asked for.
        if let first = damaged.first { throw first }
        guard let latest else {
            throw CairnError(
                .notFound, "nothing of \(set) can be restored: there is no exact snapshot. `cairn backup` takes one")
        }
        return try route(to: latest)
    }
}
