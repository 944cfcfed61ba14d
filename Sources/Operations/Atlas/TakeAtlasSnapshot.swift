internal import Bytes
internal import ObjectStore
public import Remote

/// Has Atlas take a snapshot, and waits until it is complete.
public struct TakeAtlasSnapshot: Sendable {
    /// What is asked for.
    public struct Options: Sendable {
        /// Says what the snapshot is for.
        public var description: String
        /// Days that Atlas keeps it, at least 1. A backup compliance policy can ask for more.
        public var retentionDays: Int
        /// How it is waited for.
        public var wait: AtlasWait

        /// All of it.
        public init(description: String, retentionDays: Int, wait: AtlasWait) {
            self.description = description
            self.retentionDays = retentionDays
            self.wait = wait
        }
    }

    private let backups: AtlasBackups
    private let options: Options
    private let cancellation: Cancellation

    /// How often it is asked for when the answer does not come.
    private static let triesMax = 4

    /// Prepares; asks Atlas for nothing.
    public init(_ backups: AtlasBackups, options: Options, cancellation: Cancellation) {
        self.backups = backups
        self.options = options
        self.cancellation = cancellation
    }

    /// Begins the snapshot. An answer that was lost is no reason for a second one: what Atlas has begun since is found
    /// in its list, which was read before.
    ///
    /// - Parameter meet: gets the cluster, before anything is asked for.
    /// - Throws: `.usage` when the cluster's backup is switched off; what `AtlasBackups` throws.
    public func start(meet: (AtlasCluster) -> Void = { _ in }) throws -> AtlasSnapshot {
        let cluster = try backups.cluster()
        meet(cluster)
        guard cluster.backupEnabled != false else {
            throw CairnError(
                .usage, "cloud backup of the cluster is switched off; switch it on in Atlas", object: cluster.name)
        }
        let before = Set(try backups.snapshots(of: cluster).map(\.id))
        for attempt in 1... {
            do {
                return try backups.take(description: options.description, retentionDays: options.retentionDays)
            } catch let error as CairnError where Self.mayHaveBegun(error, attempt) {
                try options.wait.pause(options.wait.pace.delay(afterFailures: attempt), cancellation)
                let begun = try backups.snapshots(of: cluster).first {
                    !before.contains($0.id) && $0.isOnDemand && $0.description == options.description
                }
                if let begun { return begun }
                guard attempt < Self.triesMax, error.code == .unreachable else { throw error }
            }
        }
        preconditionFailure("the attempts end with a snapshot or an error")
    }

    /// A refusal because of another snapshot can be because of our own, whose answer was lost.
    private static func mayHaveBegun(_ error: CairnError, _ attempt: Int) -> Bool {
        error.code == .unreachable || (error.code == .held && attempt > 1)
    }

    /// Waits until it has ended; returns it as it is when the time is over.
    ///
    /// - Throws: `.server` when Atlas failed to take it; what `AtlasBackups` throws; `.interrupted`.
    public func wait(for begun: AtlasSnapshot) throws -> AtlasSnapshot {
        let ended = try options.wait.until(
            { $0.isCompleted || $0.hasFailed }, from: begun, cancellation: cancellation
        ) { try backups.look(at: $0) }
        guard !ended.hasFailed else {
            throw CairnError(
                .server,
                "Atlas failed to take the snapshot; the project's activity feed says why, and trying again "
                    + "may help", object: ended.id)
        }
        return ended
    }
}
