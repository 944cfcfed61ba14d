public import Archive
internal import BSON
public import Bytes

/// What a policy does to the snapshots and segments of a repository. Nothing is touched by making one.
///
/// Policies look at each source apart: one replica set, one selection of namespaces. A snapshot refers to chunks and
/// never to another snapshot, so none is kept for the sake of one that builds on it.
public struct RetentionPlan: Sendable {
    /// One snapshot and what keeps it.
    public struct Verdict: Sendable {
        /// The snapshot.
        public var snapshot: Snapshot
        /// The rules that keep it, in words; none: it goes.
        public var reasons: [String]
        /// Whether it stays.
        public var isKept: Bool { !reasons.isEmpty }
    }

    /// Every snapshot, in the order in which they were given.
    public internal(set) var verdicts: [Verdict] = []
    /// The oplog segments, and records of gaps, that no promised time needs.
    public internal(set) var segments: [Segment] = []

    private struct Source: Hashable {
        let set: String?
        let host: String?
        /// The bytes of the patterns: to `String`, those that differ only in Unicode normalisation are one.
        let include: [[UInt8]]
        let exclude: [[UInt8]]
    }

    /// Applies `policy` at `now`, in seconds since 1970.
    public init(_ policy: RetentionPolicy, snapshots: [Snapshot], segments: [Segment], now: Int) {
        var reasons: [RandomID: [String]] = [:]
        var bases: [String: Timestamp] = [:]
        for (source, own) in Dictionary(grouping: snapshots, by: RetentionPlan.source) {
            let sorted = own.sorted { ($0.at, $0.started, $0.id) < ($1.at, $1.started, $1.id) }
            for (id, words) in RetentionPlan.reasons(policy, sorted, now) { reasons[id, default: []] += words }
            guard let set = source.set else { continue }
            let kept = sorted.filter { reasons[$0.id] != nil && $0.exact }
            let base = RetentionPlan.base(policy, sorted, now) ?? kept.first
            if let base { bases[set] = min(bases[set] ?? base.at, base.at) }
        }
        verdicts = snapshots.map { Verdict(snapshot: $0, reasons: reasons[$0.id] ?? []) }
        self.segments = segments.filter { segment in
            bases[segment.set].map { segment.to.timestamp <= $0 } ?? false
        }
    }

    /// Forgets `ids` and nothing else.
    public init(forgetting ids: Set<RandomID>, of snapshots: [Snapshot]) {
        verdicts = snapshots.map {
            Verdict(snapshot: $0, reasons: ids.contains($0.id) ? [] : ["not named"])
        }
    }

    private static func source(_ snapshot: Snapshot) -> Source {
        Source(
            set: snapshot.source.set, host: snapshot.source.set == nil ? snapshot.source.host : nil,
            include: snapshot.include.map { Array($0.utf8) }, exclude: snapshot.exclude.map { Array($0.utf8) })
    }

    /// The snapshot from which the promised time on can be restored: the newest that is not younger than the promise.
    private static func base(_ policy: RetentionPolicy, _ sorted: [Snapshot], _ now: Int) -> Snapshot? {
        guard let promise = policy.incremental else { return nil }
        let exact = sorted.filter(\.exact)
        return exact.last { Int($0.at.t) <= now - promise } ?? exact.first
    }

    /// - Parameter sorted: snapshots of one source, oldest first.
    private static func reasons(
        _ policy: RetentionPolicy, _ sorted: [Snapshot], _ now: Int
    ) -> [RandomID: [String]] {
        var reasons: [RandomID: [String]] = [:]
        func keep(_ snapshot: Snapshot, _ reason: String) { reasons[snapshot.id, default: []].append(reason) }
        for snapshot in sorted {
            let age = now - Int(snapshot.at.t)
            let isIncremental = snapshot.kind == .incremental
            if !isIncremental, let limit = policy.full, age < limit {
                keep(snapshot, "full, younger than \(days(limit))")
            }
            if isIncremental, let limit = policy.incremental, age < limit {
                keep(snapshot, "incremental, younger than \(days(limit))")
            }
            for tag in snapshot.tags.sorted() {
                guard let limit = policy.tags[tag], age < limit else { continue }
                keep(snapshot, "tag \(tag), younger than \(days(limit))")
            }
        }
        if let base = base(policy, sorted, now), let promise = policy.incremental {
            keep(base, "the last \(days(promise)) are restored from it on")
        }
        for snapshot in sorted.suffix(policy.last ?? 0) { keep(snapshot, "among the newest \(policy.last ?? 0)") }
        for period in RetentionPolicy.Period.allCases {
            guard let count = policy.periods[period], count > 0 else { continue }
            var newest: [Int: Snapshot] = [:]
            for snapshot in sorted { newest[Calendar.number(of: period, at: Int(snapshot.at.t))] = snapshot }
            for number in newest.keys.sorted().suffix(count) {
                if let snapshot = newest[number] { keep(snapshot, "newest of its \(noun(period))") }
            }
        }
        // Whatever the policy says: the last good state is not for forgetting.
        if let newest = sorted.last(where: \.exact) ?? sorted.last { keep(newest, "the last good snapshot") }
        return reasons
    }

    private static func noun(_ period: RetentionPolicy.Period) -> String {
        switch period {
        case .hourly: "hour"
        case .daily: "day"
        case .weekly: "week"
        case .monthly: "month"
        case .yearly: "year"
        }
    }

    private static func days(_ seconds: Int) -> String {
        seconds % 86_400 == 0 ? "\(seconds / 86_400) d" : "\(seconds / 3_600) h"
    }
}

/// The numbers of calendar periods, ascending with time.
private enum Calendar {
    static func number(of period: RetentionPolicy.Period, at second: Int) -> Int {
        let day = second / 86_400
        switch period {
        case .hourly: return second / 3_600
        case .daily: return day
        // 1 January 1970 was a Thursday.
        case .weekly: return (day + 3) / 7
        case .monthly:
            let date = CivilDate(daysSince1970: day)
            return date.year * 12 + date.month
        case .yearly: return CivilDate(daysSince1970: day).year
        }
    }
}
