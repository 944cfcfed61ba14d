internal import Archive
internal import BSON

/// The stored segments that continue a place in history without a hole, as far as they go.
struct SegmentChain {
    /// Where it starts.
    let start: OpTime
    /// In order; each reaches further than the one before, and begins at or before its end.
    let segments: [Segment]

    /// Everything up to here is stored.
    var tip: OpTime { segments.last?.to ?? start }

    /// The chain of the set's segments from `start`.
    ///
    /// - Parameter all: sorted by where they begin (`Repository.segments`).
    init(from start: OpTime, _ all: [Segment], set: String) {
        self.start = start
        let own = all.filter { $0.set == set }
        // A gap may mean that the set lives another history since (a restored server): what was recorded before the
        // gap was noticed does not continue what was saved behind it.
        let broken = own.filter { $0.gap != nil && $0.to.timestamp <= start.timestamp }.map(\.created).max()
        let usable = own.filter { $0.gap == nil && $0.created >= broken ?? .min }
        var chain: [Segment] = []
        var tip = start
        var next = 0
        while true {
            var furthest: Segment?
            while next < usable.count, usable[next].from.timestamp <= tip.timestamp {
                let segment = usable[next]
                if SegmentChain.continues(segment, tip), segment.to > furthest?.to ?? tip { furthest = segment }
                next += 1
            }
            guard let furthest else { break }
            chain.append(furthest)
            tip = furthest.to
        }
        segments = chain
    }

    private static func continues(_ segment: Segment, _ tip: OpTime) -> Bool {
        guard segment.from.timestamp <= tip.timestamp, segment.to.timestamp > tip.timestamp else { return false }
        if segment.from.timestamp == tip.timestamp { return segment.from.term == tip.term }
        return segment.from.term <= tip.term && segment.to.term >= tip.term
    }
}
