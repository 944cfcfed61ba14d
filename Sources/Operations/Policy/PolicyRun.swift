internal import Archive
internal import Bytes
internal import Mongo
public import ObjectStore

/// One run of a policy: what is due, under a lease that keeps a second run of the same source out.
public final class PolicyRun {
    /// What is due, and what not.
    public let plan: DuePlan
    private let lease: Lease?

    /// Looks at the repository and its replicas.
    ///
    /// - Parameters:
    ///   - source: the deployment; asked only when the repository holds several replica sets.
    ///   - replicas: by name; nil for one that cannot be opened, which then counts as due, so that the run reports it.
    ///   - dryRun: takes no lease.
    /// - Throws: as `RepositoryAccess.open`; `.held` when another run is at work.
    public init(
        _ policy: BackupPolicy, access: RepositoryAccess, source: DeploymentAccess, include: [String],
        exclude: [String], replicas: [(name: String, store: (any ObjectStore)?)], dryRun: Bool
    ) throws {
        let repository = try access.open(caching: true)
        // The selection tells two jobs of one repository apart that may well run at the same time.
        let hosts = DeploymentAccess.hosts(source.uri).sorted()
        let scope = "run: " + (hosts + ["+"] + include + ["-"] + exclude).joined(separator: " ")
        lease =
            dryRun
            ? nil
            : try Lease.acquire(
                .follower, scope: scope, in: repository, note: "cairn run", duration: PolicyRun.leaseDuration)
        do {
            plan = try PolicyRun.plan(policy, repository, source, include, exclude, replicas, dryRun: dryRun)
        } catch {
            lease?.release()
            throw error
        }
    }

    /// Lets the next run in.
    public func end() { lease?.release() }

    /// Two minutes unless renewed: a run that was killed keeps the next one waiting for that and the margin for clocks.
    private static let leaseDuration: Int64 = 120_000

    private static func connect(_ source: DeploymentAccess) throws -> MongoDeployment {
        var mongo = MongoOptions(access: .read)
        mongo.readPreference = source.readPreference
        mongo.allowStandalone = true
        mongo.serverSelectionTimeoutMilliseconds = source.serverSelectionTimeoutSeconds * 1_000
        return try MongoDeployment.connect(uri: source.uri, options: mongo)
    }

    private static func plan(
        _ policy: BackupPolicy, _ repository: Repository, _ source: DeploymentAccess, _ include: [String],
        _ exclude: [String], _ replicas: [(name: String, store: (any ObjectStore)?)], dryRun: Bool
    ) throws -> DuePlan {
        let snapshots = try repository.snapshots { _, _ in }
        var own = snapshots.filter { $0.include == include && $0.exclude == exclude }
        if Set(own.map { $0.source.set ?? $0.source.host }).count > 1 {
            // One that does not answer now fails the backup, which is tried all the same, and nothing else.
            let server = dryRun ? try PolicyRun.connect(source).server : try? PolicyRun.connect(source).server
            own.removeAll { snapshot in
                guard let server else { return true }
                return snapshot.source.set != server.setName
                    || (server.setName == nil && snapshot.source.host != server.host)
            }
        }
        let now = Int(repository.now() / 1_000)
        var history = DuePlan.History()
        let since = [policy.forget.last(at: now), policy.prune.last(at: now)].compactMap { $0 }.min() ?? now
        let done = try repository.newestAudits(since: Int64(since) * 1_000)
        history.forget = done["forget"].map { Int($0 / 1_000) }
        history.prune = done["prune"].map { Int($0 / 1_000) }
        for (name, store) in replicas {
            let record = try? store.flatMap { try ReplicaRecord(from: $0) }
            history.replicas.append((name, record.map { Int($0.lastSuccess) }))
        }
        return DuePlan(
            policy, own: own, all: snapshots, segments: try repository.segments { _, _ in }, history: history, now: now)
    }
}
