public import Archive
public import BSON
internal import Bytes

/// What of one replica set's past can be restored: its snapshots, and the segments that join them (design §1).
///
/// A time T can be restored when some snapshot is not later than T and segments lead from it to T without a gap. It is
/// enough to look at the newest snapshot before T: segments that lead past it to T lead from it to T as well.
/// Segments may overlap, since a follower and an incremental may write at the same time.
public struct Timeline: Sendable {
    /// A stretch in which every time can be restored; one snapshot alone is a stretch of one time.
    public struct Range: Hashable, Sendable {
        /// The first snapshot's time.
        public var from: Timestamp
        /// The last time that segments lead to.
        public var to: Timestamp
        /// The snapshots in it.
        public var snapshots: Int
    }

    /// A stretch that is lost.
    public struct Gap: Hashable, Sendable {
        /// The last time before it.
        public var from: Timestamp
        /// The first time behind it.
        public var to: Timestamp
        /// Why.
        public var reason: String
    }

    /// What restores one time.
    public struct Route: Sendable {
        /// The snapshot to begin with.
        public var base: Snapshot
        /// The segments whose operations lead from there to the time, in order; they may overlap.
        public var segments: [Segment]
        /// The time.
        public var time: Timestamp
        /// The segments that continue those. A transaction that is prepared at the time may be committed in them at a
        /// timestamp before it: then it belongs to the state at that time.
        public var following: [Segment] = []
        /// All segments of the timeline, by where they begin: some overlap those of the route, and have the same
        /// operations should one of those be damaged.
        public var all: [Segment] = []
    }

    /// The replica set.
    public let set: String
    /// Its exact snapshots, oldest first.
    public let snapshots: [Snapshot]
    /// Its segments, by where they begin; gaps are not among them.
    public let segments: [Segment]
    /// What is known to be lost.
    public let gaps: [Gap]
    /// What can be restored, oldest first; they do not touch.
    public let ranges: [Range]
    /// Snapshots and segments of the repository that cannot be read, of whichever set.
    var damaged: [CairnError] = []

    /// The timeline of `set` in all that a repository holds.
    public init(set: String, snapshots: [Snapshot], segments: [Segment]) {
        self.set = set
        self.snapshots = snapshots.filter { $0.source.set == set && $0.exact }.sorted {
            ($0.at, $0.started, $0.id) < ($1.at, $1.started, $1.id)
        }
        let own = segments.filter { $0.set == set }
        self.segments = own.filter { $0.gap == nil }.sorted {
            ($0.from.timestamp, $0.to.timestamp, $0.id) < ($1.from.timestamp, $1.to.timestamp, $1.id)
        }
        gaps = own.compactMap { segment in
            segment.gap.map { Gap(from: segment.from.timestamp, to: segment.to.timestamp, reason: $0) }
        }.sorted { ($0.from, $0.to) < ($1.from, $1.to) }
        ranges = Timeline.ranges(self.snapshots, self.segments)
    }

    /// The newest time that can be restored; nil when there is no snapshot.
    public var latest: Timestamp? { ranges.last?.to }

    /// How to restore `time`.
    ///
    /// - Throws: `.usage` naming the nearest times that can be restored; `.corrupt` when there is damage that may have
    ///   cost this one.
    public func route(to time: Timestamp) throws -> Route {
        guard ranges.contains(where: { $0.from <= time && time <= $0.to }),
            let base = snapshots.last(where: { $0.at <= time })
        else { throw unreachable(time) }
        return route(from: base, to: time)
    }

    /// The route from a snapshot to a later time; the caller knows that segments lead there.
    func route(from base: Snapshot, to time: Timestamp) -> Route {
        let leading = segmentsLeading(from: base.at, to: time)
        let end = leading.last?.to.timestamp ?? time
        return Route(
            base: base, segments: leading, time: time,
            following: segmentsLeading(from: end, to: Timestamp(rawValue: .max)), all: segments)
    }

    /// How to restore the same time from the snapshot of the same selection before the route's; nil when no segments
    /// lead on from one.
    func earlier(_ route: Route) -> Route? {
        guard let range = ranges.first(where: { $0.from <= route.base.at && route.base.at <= $0.to }),
            let base = snapshots.last(where: { earlier in
                range.from <= earlier.at && earlier.at < route.base.at
                    && earlier.hasSelection(route.base.include, route.base.exclude)
            })
        else { return nil }
        return self.route(from: base, to: route.time)
    }

    /// The segments that lead from one time to a later one, in order; the caller knows that they are there. Of those
    /// that overlap, those that lead furthest.
    func segmentsLeading(from start: Timestamp, to end: Timestamp) -> [Segment] {
        Timeline.segmentsLeading(in: segments, from: start, to: end)
    }

    static func segmentsLeading(in segments: [Segment], from start: Timestamp, to end: Timestamp) -> [Segment] {
        var route: [Segment] = []
        var reached = start
        var candidates = segments[...]
        while reached < end {
            var best: Segment?
            while let segment = candidates.first, segment.from.timestamp <= reached {
                candidates = candidates.dropFirst()
                if segment.to.timestamp > best?.to.timestamp ?? reached { best = segment }
            }
            guard let best else { break }
            route.append(best)
            reached = best.to.timestamp
        }
        return route
    }

    private static func ranges(_ snapshots: [Snapshot], _ segments: [Segment]) -> [Range] {
        var ranges: [Range] = []
        var next = 0
        for snapshot in snapshots {
            if let last = ranges.indices.last, snapshot.at <= ranges[last].to {
                ranges[last].snapshots += 1
                continue
            }
            var reached = snapshot.at
            while next < segments.count, segments[next].from.timestamp <= reached {
                reached = max(reached, segments[next].to.timestamp)
                next += 1
            }
            ranges.append(Range(from: snapshot.at, to: reached, snapshots: 1))
        }
        return ranges
    }

    private func unreachable(_ time: Timestamp) -> CairnError {
        guard !ranges.isEmpty else {
            return CairnError(
                .usage, "nothing of \(set) can be restored: there is no exact snapshot. `cairn backup` takes one")
        }
        let before = ranges.last { $0.to < time }.map { "the nearest before is \($0.to.asDate)" }
        let after = ranges.first { $0.from > time }.map { "the nearest behind is \($0.from.asDate)" }
        let nearest = [before, after].compactMap { $0 }.joined(separator: ", ")
        let words = "\(time.asDate) of \(set) cannot be restored: \(nearest). `cairn timeline` shows what can"
        guard let first = damaged.first else { return CairnError(.usage, words) }
        return CairnError(
            .corrupt, "\(words). Perhaps what cannot be read led there: \(first.message)", object: first.object,
            offset: first.offset)
    }
}

extension Timestamp {
    /// The form that `--at` takes for one operation.
    public var asTime: String { i == .max ? "the end of second \(t)" : "\(t):\(i)" }

    /// For people who gave a date or an age, with what `--at` takes beside it.
    var asDate: String { CivilDate.iso8601(Int(t)) + (i == .max ? "" : " (\(asTime))") }
}
