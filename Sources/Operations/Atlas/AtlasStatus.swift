public import Remote

/// What protects a cluster in Atlas.
public struct AtlasStatus: Sendable {
    /// The cluster.
    public let cluster: AtlasCluster
    /// When snapshots are taken; nil when backup is switched off.
    public let schedule: AtlasSchedule?
    /// What nobody can go below; nil where the project has no such policy.
    public let compliance: AtlasCompliance?
    /// How many complete snapshots there are.
    public let completed: Int
    /// The newest of them.
    public let newest: AtlasSnapshot?
    /// Those that are queued or in progress.
    public let running: [AtlasSnapshot]

    /// Asks Atlas; four requests, or one more for each 500 snapshots.
    ///
    /// - Throws: what `AtlasBackups` throws.
    public init(_ backups: AtlasBackups) throws {
        cluster = try backups.cluster()
        compliance = try backups.compliance()
        guard cluster.backupEnabled != false else {
            (schedule, completed, newest, running) = (nil, 0, nil, [])
            return
        }
        schedule = try backups.schedule()
        let snapshots = try backups.snapshots(of: cluster)
        completed = snapshots.count { $0.isCompleted }
        newest = Self.newest(snapshots)
        running = snapshots.filter { !$0.isCompleted && !$0.hasFailed }
    }

    /// Whether there is something to restore, and more will come.
    public var isProtected: Bool { cluster.backupEnabled != false && newest != nil }

    /// The newest complete one. ISO 8601 times of one form sort as text.
    static func newest(_ snapshots: [AtlasSnapshot]) -> AtlasSnapshot? {
        snapshots.filter(\.isCompleted).max { ($0.createdAt ?? "", $0.id) < ($1.createdAt ?? "", $1.id) }
    }
}
