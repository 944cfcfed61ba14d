public import Archive
public import BSON
internal import Bytes

/// How one source stands against a policy: a function of what is stored and of the time.
public struct SourceStatus: Sendable {
    /// The replica set, or the host of a standalone server.
    public let source: String
    /// The selection of namespaces.
    public let include: [String]
    /// See `include`.
    public let exclude: [String]
    /// Snapshots, good or not.
    public let snapshots: Int
    /// The newest good snapshot; nil when none is exact.
    public let newest: Snapshot?
    /// The newest time that can be restored: a follower saves the oplog beyond the newest snapshot.
    public let latest: Timestamp?
    /// How old that is, in seconds.
    public let age: Int?
    /// What can be restored, oldest first.
    public let ranges: [Timeline.Range]
    /// What of its past is lost.
    public let gaps: [Timeline.Gap]
    /// What of the policy is late, in words; empty where it is met, nil where it is not for this source.
    public let late: [String]?

    /// Every source of a repository, the most recent one first.
    ///
    /// - Parameters:
    ///   - include: the selection that the policy is for; `exclude` likewise.
    ///   - now: seconds since 1970.
    public static func all(
        snapshots: [Snapshot], segments: [Segment], policy: BackupPolicy, include: [String], exclude: [String],
        now: Int
    ) -> [SourceStatus] {
        struct Key: Hashable {
            let source: String
            let include: [String]
            let exclude: [String]
        }
        let groups = Dictionary(grouping: snapshots) {
            Key(source: $0.source.set ?? $0.source.host, include: $0.include, exclude: $0.exclude)
        }
        let all = groups.map { key, own in
            SourceStatus(
                key.source, own, segments: segments,
                policy: key.include == include && key.exclude == exclude ? policy : nil, now: now)
        }
        return all.sorted { ($0.age ?? .max, $0.source) < ($1.age ?? .max, $1.source) }
    }

    private init(_ source: String, _ own: [Snapshot], segments: [Segment], policy: BackupPolicy?, now: Int) {
        self.source = source
        include = own[0].include
        exclude = own[0].exclude
        snapshots = own.count
        let good = own.filter { $0.exact || $0.source.set == nil }
        newest = good.max { $0.at < $1.at }
        let timeline = Timeline(set: source, snapshots: own, segments: segments)
        ranges = timeline.ranges
        gaps = timeline.gaps
        latest = timeline.latest ?? newest?.at
        age = latest.map { max(0, now - Int($0.t)) }
        late = policy.map { policy in
            var late: [String] = []
            func judge(_ word: String, _ recurrence: Recurrence, _ snapshots: [Snapshot]) {
                guard let due = recurrence.last(at: now - policy.grace) else { return }
                let isCovered = DuePlan.isCovered(due, by: snapshots)
                if !isCovered { late.append("\(word) (\(recurrence)) is late: none since \(DuePlan.utc(due))") }
            }
            judge("full backup", policy.full, good.filter { $0.kind != .incremental })
            judge("incremental", policy.incremental, good)
            return late
        }
    }
}
