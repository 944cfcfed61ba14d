/// A cluster, as far as its backup goes.
///
/// Source: `ClusterDescription20240805` of the Atlas Administration API v2.
public struct AtlasCluster: Decodable, Sendable {
    /// Its name.
    public let name: String
    /// `REPLICASET`, `SHARDED` or `GEOSHARDED`.
    public let clusterType: String?
    /// `IDLE`, `UPDATING`, `REPAIRING`, …
    public let stateName: String?
    /// The server's version.
    public let mongoDBVersion: String?
    /// Whether Atlas takes snapshots of it.
    public let backupEnabled: Bool?
    /// Whether times between snapshots can be restored.
    public let pitEnabled: Bool?

    private let connectionStrings: ConnectionStrings?

    private struct ConnectionStrings: Decodable {
        struct PrivateEndpoint: Decodable {
            let connectionString: String?
            let srvConnectionString: String?
        }
        let standard: String?
        let standardSrv: String?
        let `private`: String?
        let privateSrv: String?
        let privateEndpoint: [PrivateEndpoint]?
    }

    /// The connection strings that Atlas gives for it, without users; none while it is being made.
    public var addresses: [String] {
        guard let strings = connectionStrings else { return [] }
        let endpoints = (strings.privateEndpoint ?? []).flatMap { [$0.connectionString, $0.srvConnectionString] }
        return ([strings.standard, strings.standardSrv, strings.private, strings.privateSrv] + endpoints)
            .compactMap { $0 }.filter { !$0.isEmpty }
    }

    /// Whether it has shards, each with snapshots of its own.
    public var isSharded: Bool { clusterType == "SHARDED" || clusterType == "GEOSHARDED" }
}

/// How often, and for how long.
public struct AtlasPolicyItem: Decodable, Sendable {
    /// `hourly`, `daily`, `weekly`, `monthly`, `yearly`, `ondemand`.
    public let frequencyType: String
    /// Every so many hours; otherwise which day, in Atlas's numbering.
    public let frequencyInterval: Int?
    /// `days`, `weeks`, `months`, `years`.
    public let retentionUnit: String
    /// So many of them.
    public let retentionValue: Int
}

/// When Atlas takes snapshots of a cluster.
///
/// Source: `DiskBackupSnapshotSchedule20240805`.
public struct AtlasSchedule: Decodable, Sendable {
    /// A set of items.
    public struct Policy: Decodable, Sendable {
        let policyItems: [AtlasPolicyItem]?
    }

    /// Copies to another region.
    public struct Copy: Decodable, Sendable {
        /// `AWS`, `AZURE` or `GCP`.
        public let cloudProvider: String?
        /// The region's name in Atlas.
        public let regionName: String?
        /// Which snapshots.
        public let frequencies: [String]?
        /// Whether times between them can be restored there.
        public let shouldCopyOplogs: Bool?
    }

    /// When the next one is due, ISO 8601.
    public let nextSnapshot: String?
    /// UTC.
    public let referenceHourOfDay: Int?
    /// Its minute.
    public let referenceMinuteOfHour: Int?
    /// How many days back times can be restored.
    public let restoreWindowDays: Int?
    private let policies: [Policy]?
    private let copySettings: [Copy]?

    /// How often, and for how long.
    public var items: [AtlasPolicyItem] { (policies ?? []).flatMap { $0.policyItems ?? [] } }
    /// Copies to other regions.
    public var copies: [Copy] { copySettings ?? [] }
}

/// What a project's backup compliance policy forbids to go below, for anybody.
///
/// Source: `DataProtectionSettings20231001`. The people who may change it are named there, and not read here.
public struct AtlasCompliance: Decodable, Sendable {
    /// `ACTIVE`, `ENABLING`, …; nil where there is no policy.
    public let state: String?
    /// Whether copies in other regions are protected.
    public let copyProtectionEnabled: Bool?
    /// Whether encryption with keys of one's own is required.
    public let encryptionAtRestEnabled: Bool?
    /// Whether it must be possible to restore times between snapshots.
    public let pitEnabled: Bool?
    /// How many days back.
    public let restoreWindowDays: Int?
    /// For how long snapshots on demand are kept at least.
    public let onDemandPolicyItem: AtlasPolicyItem?
    private let scheduledPolicyItems: [AtlasPolicyItem]?

    /// What is kept at least.
    public var scheduled: [AtlasPolicyItem] { scheduledPolicyItems ?? [] }
}
