public import Archive
internal import BSON
internal import Bytes

/// Frees what nothing needs any more, and leaves a record of it.
public struct PruneRepository: Sendable {
    private let access: RepositoryAccess
    private let options: PruneOptions
    private let cancellation: Cancellation

    /// Prepares to prune.
    public init(access: RepositoryAccess, options: PruneOptions, cancellation: Cancellation) {
        self.access = access
        self.options = options
        self.cancellation = cancellation
    }

    /// Prunes.
    ///
    /// - Throws: as `Prune.run`; `.interrupted`, after which the next prune goes on.
    public func run() throws -> PruneReport {
        let repository = try access.open()
        let report = try Prune(repository, options: options) { [cancellation] in try cancellation.check() }.run()
        guard !options.dryRun else { return report }
        try repository.appendAudit(
            operation: "prune", program: Program.name,
            details: [
                "condemnedBytes": .int64(Int64(report.condemnedBytes)), "freedBytes": .int64(Int64(report.freedBytes)),
                "writtenBytes": .int64(Int64(report.writtenBytes)),
            ])
        return report
    }
}
