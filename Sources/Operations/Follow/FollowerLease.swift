internal import Archive

/// The right to follow one replica set.
enum FollowerLease {
    static func acquire(set: String, in repository: Repository, host: String) throws -> Lease {
        try Lease.acquire(.writer, in: repository, note: "follower of \(set) (reads \(host))")
    }
}
