internal import Archive
internal import ArgumentParser
internal import Operations

/// `cairn compact`.
struct CompactCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "compact", abstract: "Fold incrementals into a synthetic full snapshot, without a server.",
        discussion: """
            The new snapshot holds what the chosen one holds, or with --to what there was at that time, and needs no \
            runs. Chunks that no change touched are shared with it.

            With --recompress nothing is folded: everything that is stored is compressed at another level, for long \
            retention. Packs in which less than 3 % would be won stay as they are. It can be interrupted and goes on \
            where it was; `cairn prune` removes the old packs.

            Example:
              cairn compact
              cairn compact --recompress max
              cairn compact --to 2026-01-31T23:59:59Z --tag month-end
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var tiers: TierOption

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

    @Option(help: "Fold nothing, compress what is stored anew: 1 to 19, fast, default or max.")
    var recompress: String?

    @Flag(help: "With --recompress: say, from a sample of each pack, what would be done.")
    var dryRun = false

    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.backupLevel, level)
        return flags.values.with(tiers.settings)
    }

    func validate() throws {
        if snapshot != nil && to != nil { throw ValidationError("--snapshot and --to exclude each other") }
        if set != nil && to == nil { throw ValidationError("--set needs --to") }
        if recompress != nil, snapshot != nil || to != nil || !tag.isEmpty || level != nil {
            throw ValidationError(
                "--recompress is about all that is stored: no other option goes with it but --dry-run")
        }
        if dryRun && recompress == nil { throw ValidationError("--dry-run needs --recompress") }
    }

    func run(_ session: Session) throws -> ExitStatus {
        try tiers.settings.requireAzure([session.configuration.repository()])
        if let recompress { return try run(session, recompressing: recompress) }
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

    private func run(_ session: Session, recompressing text: String) throws -> ExitStatus {
        let level = try Configuration.level(text, place: "--recompress")
        let report = try session.runJob { progress, cancellation in
            try RecompressRepository(
                access: session.repositoryAccess(), level: level, dryRun: dryRun, progress: progress,
                cancellation: cancellation
            ).run()
        }
        try session.emit(RewriteText.recompressed(report), json: RewriteText.json(report))
        return .done
    }
}
