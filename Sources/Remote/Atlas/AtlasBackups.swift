import Bytes
import ObjectStore

/// The backups that Atlas itself takes of one cluster. Calls block.
///
/// Errors: `.authentication` and `.privilege` for credentials, `.notFound` for a project, cluster or snapshot that is
/// not there, `.held` while Atlas does something that excludes the request, `.usage` for what Atlas cannot do,
/// `.unreachable` after all tries.
public struct AtlasBackups: Sendable {
    /// The project's id.
    public let project: String
    /// The cluster's name.
    public let name: String
    private let api: AtlasAPI

    /// Where Atlas does not say how long to wait, longer than a store is waited for: its limits are by the minute.
    private static let policy = RetryPolicy(triesMax: 7, firstDelay: .seconds(1), delayMax: .seconds(60))

    /// Backups of the settings' cluster.
    ///
    /// - Throws: `.usage` naming the setting that is missing or wrong.
    public init(_ settings: AtlasSettings, exchange: HTTPExchange? = nil) throws {
        let exchange = exchange ?? HTTPExchange(policy: Self.policy)
        project = try settings.checkedProject()
        name = try settings.checkedCluster()
        api = AtlasAPI(
            endpoint: try settings.address(), credential: try settings.credential(exchange: exchange),
            exchange: exchange)
    }

    private var path: String { "groups/\(project)/clusters/\(PercentEncoding.encode(name))" }

    /// The cluster itself.
    public func cluster() throws -> AtlasCluster { try api.get(path, .clusters) }

    /// All snapshots that there are.
    public func snapshots(of cluster: AtlasCluster) throws -> [AtlasSnapshot] {
        try api.list("\(path)/backup/snapshots" + (cluster.isSharded ? "/shardedClusters" : ""), .backups)
    }

    /// How far a snapshot is.
    public func look(at snapshot: AtlasSnapshot) throws -> AtlasSnapshot {
        let kind = snapshot.type == "shardedCluster" ? "shardedCluster/" : ""
        return try api.get("\(path)/backup/snapshots/\(kind)\(snapshot.id)", .backups)
    }

    /// Has a snapshot taken; it is queued when this returns.
    ///
    /// - Throws: `.unreachable` when it is not known whether Atlas takes it, `.held` while it takes another.
    public func take(description: String, retentionDays: Int) throws -> AtlasSnapshot {
        precondition(retentionDays >= 1, "Atlas keeps a snapshot for at least a day")
        let request = AtlasSnapshotRequest(description: description, retentionInDays: retentionDays)
        return try api.post("\(path)/backup/snapshots", request, .backups)
    }

    /// All restore jobs that Atlas remembers.
    public func restoreJobs() throws -> [AtlasRestoreJob] {
        try api.list("\(path)/backup/restoreJobs", .backups)
    }

    /// How far a restore is.
    public func look(at job: AtlasRestoreJob) throws -> AtlasRestoreJob {
        try api.get("\(path)/backup/restoreJobs/\(job.id)", .backups)
    }

    /// Begins a restore.
    ///
    /// - Throws: `.unreachable` when it is not known whether Atlas began it.
    public func restore(_ restore: AtlasRestore) throws -> AtlasRestoreJob {
        do {
            return try api.post(
                "\(path)/backup/restoreJobs", try AtlasRestoreRequest(restore, project: project), .backups)
        } catch let error as CairnError where error.code == .unreachable {
            throw CairnError(
                .unreachable,
                "whether Atlas began the restore is not known; look with `cairn atlas list --restores` before trying "
                    + "again", object: error.object, underlying: error)
        }
    }

    /// When Atlas takes snapshots.
    public func schedule() throws -> AtlasSchedule { try api.get("\(path)/backup/schedule", .clusters) }

    /// The project's backup compliance policy; nil where there is none.
    public func compliance() throws -> AtlasCompliance? {
        do {
            let policy: AtlasCompliance = try api.get("groups/\(project)/backupCompliancePolicy", .compliance)
            return policy.state == nil ? nil : policy
        } catch let error as CairnError where error.code == .notFound {
            return nil
        }
    }
}
