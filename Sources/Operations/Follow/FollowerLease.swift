internal import Archive

/// The right to follow one replica set.
enum FollowerLease {
    /// Two minutes unless renewed, which is done every 40 s: a follower that was killed keeps the next one waiting no
    /// longer than that and the margin for clocks. What it read since its last segment is still in the oplog.
    private static let duration: Int64 = 120_000

    /// - Throws: `.held` when another follower of the set is at work.
    static func acquire(set: String, in repository: Repository, host: String) throws -> Lease {
        try Lease.acquire(
            .follower, scope: set, in: repository, note: "follower of \(set) (reads \(host))", duration: duration)
    }
}
