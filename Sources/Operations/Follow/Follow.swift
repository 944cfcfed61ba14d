internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// Saves the oplog of a replica set as it is written, until it is stopped, so that no more than the last minute is
/// ever unsaved.
///
///     lease `follower` of the set ── held throughout: one follower a set
///       └─ shift ── lease `writer`, index, archive writer: at most `shiftSeconds`, for a removal of unused chunks
///            │      (prune) waits for every writer that began before it
///            └─ tail ── batches ──▶ SegmentRecorder ── cut by age or size ──▶ segment
///                 ▲ server gone: cut, then try again with growing pauses, on any member
///                 └ gap: recorded with both bounds, and on behind it
///
/// Nothing is remembered outside the repository: a follower begins where the newest segment of its set ends, so one
/// that was killed is continued by the next one.
public struct Follow: Sendable {
    /// What was asked for.
    public let options: Options
    /// Where the counters go.
    public let progress: JobProgress
    /// The flag that stops it.
    public let cancellation: Cancellation
    /// Told what happens, on the thread of `run`.
    public let observer: @Sendable (Event) -> Void
    var pace = Pace()

    /// Times that tests shorten.
    struct Pace: Sendable {
        /// The server waits this long for an entry; a stop is noticed within it.
        var waitMilliseconds = 500
        /// While nothing but noops comes, time progress is saved this often.
        var idleSeconds = 600
        /// After this time the writer begins anew.
        var shiftSeconds = 900
        /// Pauses while the server is gone; the last one is repeated.
        var backOffMilliseconds = [250, 500, 1_000, 2_000, 5_000, 10_000]
    }

    /// Prepares the job; nothing is touched before `run`.
    public init(
        options: Options, progress: JobProgress, cancellation: Cancellation,
        observer: @escaping @Sendable (Event) -> Void = { _ in }
    ) {
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
        self.observer = observer
    }

    /// Runs on the calling thread and threads of its own until `Cancellation.cancel()`, which is its regular end.
    ///
    /// - Throws: `.held` when another follower of the set runs; `.usage` when there is nothing to continue: take a
    ///   full backup first; what the repository throws, and the server at the start. What was saved stays saved.
    public func run() throws -> FollowReport {
        progress.begin(phase: "connect")
        let repository = try options.repository.open(caching: true)
        let deployment = try connect()
        guard let set = deployment.server.setName else {
            throw CairnError(.usage, "\(deployment.host) is a standalone server: it has no oplog to follow")
        }
        let lease = try FollowerLease.acquire(set: set, in: repository, host: deployment.host)
        defer { lease.release() }
        let follower = try Follower(self, repository, deployment, set: set, lease)
        defer { follower.stop() }
        return try follower.run()
    }

    private func connect() throws -> MongoDeployment {
        var mongo = MongoOptions(access: .read)
        mongo.readPreference = options.source.readPreference
        mongo.serverSelectionTimeoutMilliseconds = min(options.source.serverSelectionTimeoutSeconds, 15) * 1_000
        // Seeking in the oplog is quick; a node that swallows everything must be noticed before a minute is over.
        mongo.socketTimeoutMilliseconds = 20_000
        return try MongoDeployment.connect(uri: options.source.uri, options: mongo)
    }
}
