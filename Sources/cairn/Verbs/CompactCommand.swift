internal import ArgumentParser
internal import Operations

/// `cairn compact`.
struct CompactCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "compact", abstract: "Fold incrementals into a synthetic full snapshot, without a server.",
        discussion: """
            The new snapshot holds what the chosen one holds, or with --to what there was at that time, and needs no \
            runs. Chunks that no change touched are shared with it.

            Example:
              cairn compact
              cairn compact --to 2026-01-31T23:59:59Z --tag month-end
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "Id of the snapshot to fold, the start of one, or latest (default).")
    var snapshot: String?

    @Option(parsing: .unconditional, help: "A time to fold to instead, as restore --at takes it.")
    var to: String?

    @Option(help: "With --to: the replica set, when the repository holds several.")
    var set: String?

    @Option(help: "Mark the new snapshot with a word; may be repeated.")
    var tag: [String] = []

    @Option(help: "zstd level of what is written anew: 1 to 19, fast, default or max. (CAIRN_BACKUP_LEVEL)")
    var level: String?

    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.backupLevel, level)
        return flags.values
    }

    func validate() throws {
        if snapshot != nil && to != nil { throw ValidationError("--snapshot and --to exclude each other") }
        if set != nil && to == nil { throw ValidationError("--set needs --to") }
    }

    func run(_ session: Session) throws -> ExitStatus {
        var options = Compact.Options(repository: try session.repositoryAccess())
        options.moment = try to.map { .time(try TimeSelection($0), set: set) } ?? .snapshot(snapshot ?? "latest")
        options.tags = tag
        options.level = try session.configuration.level()
        let report = try session.runJob { progress, cancellation in
            try Compact(options: options, progress: progress, cancellation: cancellation).run()
        }
        report.warnings.forEach(session.warn)
        try session.emit(SnapshotText.saved(report), json: SnapshotText.json(report))
        return report.needsPerson ? .warning : .done
    }
}
