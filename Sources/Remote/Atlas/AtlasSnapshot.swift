/// A snapshot that Atlas holds of a cluster. Times are as Atlas writes them, ISO 8601 in UTC.
///
/// Source: `DiskBackupReplicaSet` and `DiskBackupShardedClusterSnapshot` of the Atlas Administration API v2, version
/// 2023-01-01.
public struct AtlasSnapshot: Decodable, Sendable {
    /// 24 hexadecimal digits.
    public let id: String
    /// `queued`, `inProgress`, `completed` or `failed`.
    public let status: String?
    /// When it was begun.
    public let createdAt: String?
    /// When Atlas deletes it.
    public let expiresAt: String?
    /// What whoever took it wrote; only of those taken on demand.
    public let description: String?
    /// `onDemand` or `scheduled`.
    public let snapshotType: String?
    /// `hourly`, `daily`, …, `ondemand`.
    public let frequencyType: String?
    /// `replicaSet` or `shardedCluster`.
    public let type: String?
    /// Bytes that it took when it was taken.
    public let storageSizeBytes: Int?
    /// The server's version.
    public let mongodVersion: String?

    /// Ended, and can be restored.
    public var isCompleted: Bool { status == "completed" }
    /// Ended, and is none.
    public var hasFailed: Bool { status == "failed" }
    /// Taken because somebody asked.
    public var isOnDemand: Bool { snapshotType == "onDemand" }
}

/// What is asked for.
struct AtlasSnapshotRequest: Encodable {
    let description: String
    let retentionInDays: Int
}
