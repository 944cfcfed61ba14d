internal import Archive
public import ObjectStore

/// How far a replica is behind its source.
public struct ReplicaStatus: Sendable {
    /// Objects that the replica lacks.
    public let missingObjects: Int
    /// Their bytes.
    public let missingBytes: Int
    /// Objects that the source has no more.
    public let extraObjects: Int
    /// Objects of another size than in the source.
    public let differing: Int
    /// The replica's bytes.
    public let bytes: Int
    /// Seconds since 1970 of the last replication that left nothing missing; nil when there was none.
    public let lastSuccess: Int64?
    /// By how many seconds the newest snapshot that is here is older than the newest of the source; nil when the source
    /// or the replica has none yet.
    public let lag: Int64?

    /// Whether a repository of its own lies there: it was promoted, or copied by other means.
    public let isRepository: Bool

    /// Looks at both stores.
    public init(of replica: any ObjectStore, source: any ObjectStore) throws {
        let plan = try ReplicationPlan(source: source, replica: replica)
        (missingObjects, missingBytes) = plan.missing
        extraObjects = plan.extra.count
        differing = plan.differing.count
        bytes = plan.replicaBytes
        let record = try ReplicaRecord(from: replica)
        lastSuccess = record.flatMap { $0.lastSuccess > 0 ? $0.lastSuccess : nil }
        isRepository = try record == nil && replica.stat(Names.config) != nil
        lag = plan.newestReplicated == 0 ? nil : plan.newestSnapshot - plan.newestReplicated
    }
}
