/// What is to be done, when, and for how long it is kept: the schedule and the retention of one source.
public struct BackupPolicy: Sendable, Hashable {
    /// When everything is to be read, or folded, anew.
    public var full = Recurrence.daily(second: 2 * 3_600)
    /// When what changed is to be saved. Any snapshot does, a full one too.
    public var incremental = Recurrence.every(seconds: 3_600)
    /// When each replica is to be brought up to date.
    public var replicate = Recurrence.every(seconds: 3_600)
    /// When snapshots that no rule keeps any more are to go.
    public var forget = Recurrence.daily(second: 3 * 3_600)
    /// When what nothing needs any more is to be freed.
    public var prune = Recurrence.daily(second: 4 * 3_600)
    /// How long a snapshot that is due may take until the policy counts as not met, in seconds.
    public var grace = 3_600
    /// What is kept.
    public var retention = BackupPolicy.defaultRetention
    /// How long a replica keeps what the repository has no more, in seconds; nil for ever.
    public var replicaGrace: Int64? = 7 * 86_400

    /// A full backup daily at 02:00 UTC, kept 30 days; an incremental hourly, kept 7 days; what is tagged `manual`, 90
    /// days.
    public init() {}

    /// See `init()`.
    public static let defaultRetention: RetentionPolicy = {
        var retention = RetentionPolicy()
        retention.full = 30 * 86_400
        retention.incremental = 7 * 86_400
        retention.tags = ["manual": 90 * 86_400]
        return retention
    }()
}
