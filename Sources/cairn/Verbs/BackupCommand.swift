internal import ArgumentParser
internal import Bytes
internal import Operations
internal import Remote

/// `cairn backup`: its kinds are subcommands; without one the kind is chosen.
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Take a snapshot of a deployment.",
        discussion: """
            Without a kind, what changed since the newest snapshot is taken where that is possible, and everything \
            where it is not: for the first time, with another selection of namespaces, or when the oplog does not \
            reach back (a gap). Cost follows the number of changed documents, and times between the snapshots can be \
            restored. A gap is recorded and makes the exit code 3.

            Example:
              cairn backup --uri mongodb://db.example.org/?replicaSet=rs0 --tag nightly
            """,
        subcommands: [AutomaticBackupCommand.self, FullBackupCommand.self, IncrementalBackupCommand.self],
        defaultSubcommand: AutomaticBackupCommand.self)
}

/// `cairn backup` without a kind.
struct AutomaticBackupCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "automatic", abstract: "An incremental where possible, else a full backup.",
        shouldDisplay: false)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var backup: BackupOptions

    var settings: [Setting: SettingValue] { backup.settings }

    func run(_ session: Session) throws -> ExitStatus { try backup.run(.automatic, session) }
}

/// `cairn backup full`.
struct FullBackupCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "full", abstract: "Read every selected collection and take a snapshot of them at one time.",
        discussion: """
            Documents that the repository holds already are not stored again. An interrupted backup leaves no \
            snapshot, and the next one reuses what it had stored. The oplog since the last snapshot is stored too, so \
            that times between them can be restored.

            Example:
              cairn backup full --uri mongodb://db.example.org/?replicaSet=rs0 --ns-exclude 'scratch.*'
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var backup: BackupOptions

    var settings: [Setting: SettingValue] { backup.settings }

    @Flag(help: "Take an incremental and fold it: the snapshot of a full backup, at a small part of its cost.")
    var synthetic = false

    func run(_ session: Session) throws -> ExitStatus { try backup.run(synthetic ? .synthetic : .full, session) }
}

/// `cairn backup incremental`.
struct IncrementalBackupCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "incremental", abstract: "Take a snapshot by reading what changed since the last one.",
        discussion: """
            The oplog since the newest snapshot of the same replica set and the same selection of namespaces is \
            stored, and the documents that it changed are read again, all at one time. A collection that is new, or of \
            whose documents more than a third changed, is read from its start; the report names it. The snapshot is \
            complete: restoring it needs no other.

            When that is not possible, a full backup is taken instead, with a warning; exit code 3 when the reason \
            is a gap in the oplog.

            Example:
              cairn backup incremental --uri mongodb://db.example.org/?replicaSet=rs0
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var backup: BackupOptions

    var settings: [Setting: SettingValue] { backup.settings }

    func run(_ session: Session) throws -> ExitStatus { try backup.run(.incremental, session) }
}

/// The options of all kinds of backup.
struct BackupOptions: ParsableArguments {
    @OptionGroup var server: ServerOptions
    @OptionGroup var tiers: TierOption
    @OptionGroup var immutability: ImmutabilityOption

    @Option(help: "zstd level: 1 to 19, fast, default or max; default 3. (CAIRN_BACKUP_LEVEL)")
    var level: String?

    @Option(help: "Take only namespaces that match (db.*, db.coll, *); may be repeated.")
    var nsInclude: [String] = []

    @Option(help: "Leave out namespaces that match; may be repeated, wins over --ns-include.")
    var nsExclude: [String] = []

    @Option(help: "A word that the snapshot carries; may be repeated.")
    var tag: [String] = []

    @Option(
        help: """
            Which node to read from: primary, primaryPreferred, secondary, secondaryPreferred (default) or nearest. \
            (CAIRN_READ_PREFERENCE)
            """)
    var readPreference: String?

    @Option(
        help: """
            natural (default, cheapest for the server) or id (the same on every node). (CAIRN_BACKUP_SCAN_ORDER)
            """)
    var scanOrder: String?

    @Option(help: "Threads that read from the server, 1 to 64. (CAIRN_BACKUP_READERS)")
    var readers: String?

    @Option(help: "Threads that compress and encrypt, 1 to 256. (CAIRN_BACKUP_WORKERS)")
    var workers: String?

    @Flag(help: "Back a standalone server up although it has no cluster time: not exact at one point in time.")
    var allowStandalone = false

    @Flag(help: "Then bring the replicas of the configuration up to date.")
    var replicate = false

    @Flag(help: "Have Atlas take a snapshot too, of the cluster that the atlas settings name, and wait for both.")
    var atlasSnapshot = false

    /// The settings that were given as options.
    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.backupLevel, level)
        flags.set(.backupInclude, nsInclude)
        flags.set(.backupExclude, nsExclude)
        flags.set(.backupTags, tag, name: "tag")
        flags.set(.readPreference, readPreference)
        flags.set(.backupScanOrder, scanOrder)
        flags.set(.backupReaders, readers)
        flags.set(.backupWorkers, workers)
        return flags.values.with(server.settings).with(tiers.settings).with(immutability.settings)
    }

    /// Runs a backup and reports it, its replicas and Atlas's snapshot, each apart.
    func run(_ kind: Backup.Kind, _ session: Session) throws -> ExitStatus {
        // A mistake in the replicas' or Atlas's settings shows before the backup, not after it.
        let targets = replicate ? try session.replicaTargets([]) : []
        let atlas = atlasSnapshot ? try AtlasBeside(session.configuration) : nil
        let options = try BackupOptions.options(session, allowStandalone: allowStandalone)
        try tiers.settings.with(immutability.settings).requireAzure([options.repository.location])
        let begun = try atlas?.start(session)
        let report = try take(kind, options, session, beside: begun)
        report.warnings.forEach(session.warn)
        var text = SnapshotText.saved(report)
        var json = SnapshotText.json(saved: report)
        var needsPerson = report.needsPerson
        if replicate {
            let outcomes = try copy(session, to: targets)
            text += Replication.text(outcomes)
            json = json.appending("replicas", Replication.json(outcomes))
            needsPerson = needsPerson || Replication.status(outcomes) != .done
        }
        if let atlas, let begun {
            let outcome = atlas.finish(begun, session)
            text += AtlasText.text(outcome)
            json = json.appending("atlasSnapshot", AtlasText.json(outcome))
            needsPerson = needsPerson || (try? outcome.get().isCompleted) != true
        }
        try session.emit(text, json: json)
        return needsPerson ? .warning : .done
    }

    private func take(
        _ kind: Backup.Kind, _ options: FullBackup.Options, _ session: Session, beside begun: AtlasBeside.Outcome?
    ) throws -> BackupReport {
        do {
            return try session.runJob { progress, cancellation in
                try Backup(kind, options: options, progress: progress, cancellation: cancellation).run()
            }
        } catch {
            if let begun { AtlasBeside.abandon(begun, session) }
            throw error
        }
    }

    /// The snapshot stands, whatever happens to its copies: nothing of this fails the backup.
    private func copy(_ session: Session, to targets: [ReplicaTarget]) throws -> [Replication.Outcome] {
        do {
            return try Replication.run(session, targets: targets, ReplicateOptions())
        } catch let error as CairnError {
            ErrorText.write(error, json: session.json)
            return targets.map {
                Replication.Outcome(
                    name: $0.name, location: $0.location.description, result: .failure(error))
            }
        }
    }

    /// What the operation is told.
    static func options(_ session: Session, allowStandalone: Bool) throws -> FullBackup.Options {
        let configuration = session.configuration
        let source = try session.deployment()
        let level = try configuration.level()
        let order = try configuration.choice(.backupScanOrder, of: FullBackup.ScanOrder.allCases.map(\.rawValue))
        let readers = try configuration.integer(.backupReaders, in: 1...64)
        let workers = try configuration.integer(.backupWorkers, in: 1...256)
        let tags = configuration.list(.backupTags)
        try tags.forEach(BackupOptions.checkTag)
        // Last, because it may ask for a passphrase: a mistake in an option should show before that.
        var options = FullBackup.Options(repository: try session.repositoryAccess(), source: source)
        options.level = level
        options.include = configuration.list(.backupInclude)
        options.exclude = configuration.list(.backupExclude)
        options.tags = tags
        options.scanOrder = order.flatMap(FullBackup.ScanOrder.init) ?? .natural
        options.readers = readers ?? 0
        options.workers = workers ?? 0
        options.allowStandalone = allowStandalone
        return options
    }

    private static func checkTag(_ tag: String) throws {
        let printable = tag.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "," && $0.value != 0x7F }
        guard !tag.isEmpty, tag.utf8.count <= 128, printable else {
            throw CairnError(.usage, "a tag is a word of at most 128 bytes without blanks and commas", object: tag)
        }
    }
}
