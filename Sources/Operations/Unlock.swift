public import Archive
internal import BSON
internal import Bytes

/// Removes leases that jobs left behind which did not end by themselves.
public struct Unlock: Sendable {
    /// What was found and done.
    public struct Report: Sendable {
        /// Leases that were removed.
        public var removed: [FoundLease]
        /// Leases that are in force and were left alone.
        public var kept: [FoundLease]
    }

    private let access: RepositoryAccess
    private let force: Bool

    /// Prepares to remove expired leases, or with `force` all of them.
    public init(access: RepositoryAccess, force: Bool) {
        self.access = access
        self.force = force
    }

    /// Removes them. A job whose lease is taken from it stops before its commit.
    public func run() throws -> Report {
        let repository = try access.open()
        let removed = try repository.unlock(force: force)
        if !removed.isEmpty {
            try repository.appendAudit(
                operation: "unlock", program: Program.name,
                details: [
                    "force": .bool(force), "leases": .array(removed.map { .string($0.id.hex) }),
                ])
        }
        return Report(removed: removed, kept: try repository.leases())
    }
}
