public import Archive
internal import BSON
internal import Bytes

/// Compresses what is stored at another level, and leaves a record of it.
public struct RecompressRepository: Sendable {
    private let access: RepositoryAccess
    private let options: RecompressionOptions
    private let progress: JobProgress
    private let cancellation: Cancellation

    /// Prepares to do it.
    ///
    /// - Parameter level: zstd level, 1 to 19.
    public init(
        access: RepositoryAccess, level: Int, dryRun: Bool, progress: JobProgress, cancellation: Cancellation
    ) {
        self.access = access
        options = {
            var options = RecompressionOptions(level: level, workers: Machine.processors)
            options.dryRun = dryRun
            return options
        }()
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Does it.
    ///
    /// - Throws: as `Recompression.run`; `.interrupted`, after which the next run goes on.
    public func run() throws -> RecompressionReport {
        let repository = try access.open()
        progress.begin(phase: "recompress")
        let report = try Recompression(repository, options: options) { [cancellation] in
            try cancellation.check()
        }.run()
        guard !options.dryRun else { return report }
        try repository.appendAudit(
            operation: "recompress", program: Program.name,
            details: [
                "level": .int32(Int32(options.level)), "packs": .int64(Int64(report.packsRewritten)),
                "bytesBefore": .int64(Int64(report.bytesBefore)), "bytesAfter": .int64(Int64(report.bytesAfter)),
            ])
        return report
    }
}

/// Encrypts what is under older master keys under the newest one, and leaves a record of it.
public struct ReencryptRepository: Sendable {
    private let access: RepositoryAccess
    private let progress: JobProgress
    private let cancellation: Cancellation

    /// Prepares to do it.
    public init(access: RepositoryAccess, progress: JobProgress, cancellation: Cancellation) {
        self.access = access
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Does it.
    ///
    /// - Throws: as `Reencryption.run`; `.interrupted`, after which the next run goes on.
    public func run() throws -> ReencryptionReport {
        let repository = try access.open()
        progress.begin(phase: "re-encrypt")
        let report = try Reencryption(repository) { [cancellation] in try cancellation.check() }.run()
        try repository.appendAudit(
            operation: "key reencrypt", program: Program.name,
            details: [
                "epoch": .int64(Int64(report.epoch)), "packs": .int64(Int64(report.packs)),
                "writtenBytes": .int64(Int64(report.writtenBytes)),
                "waitingPacks": .int64(Int64(report.waitingPacks)),
            ])
        return report
    }
}
