public import Archive

/// Reads the audit records of a repository and checks their chain.
public struct AuditLog: Sendable {
    private let access: RepositoryAccess

    /// Prepares to read the records of a repository.
    public init(access: RepositoryAccess) {
        self.access = access
    }

    /// All readable records, oldest first, and what is wrong with the chain.
    public func run() throws -> AuditReport {
        try access.open().verifyAudit()
    }
}
