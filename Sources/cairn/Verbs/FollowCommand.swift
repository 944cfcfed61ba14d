internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn follow`.
struct FollowCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "follow", abstract: "Save the oplog as it is written, until stopped.",
        discussion: """
            Begins where the repository's history of the replica set ends, so take a full backup first. Survives \
            elections, restarts and network loss; one at a time for each replica set. SIGINT and SIGTERM save what is \
            there and end it with exit code 130, or 3 when a part of the oplog was lost.

            Example:
              cairn follow --uri mongodb://db.example.org/?replicaSet=rs0 --every 60s
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var server: ServerOptions

    @Option(
        help: """
            How old a write gets before it is saved: 1s to 1d, default 60s. (CAIRN_FOLLOW_EVERY)
            """)
    var every: String?

    @Option(
        help: """
            Save earlier when so much has come: 1MiB to 1GiB, default 64MiB. (CAIRN_FOLLOW_BYTES)
            """)
    var bytes: String?

    @Option(help: "zstd level: 1 to 19, fast, default or max; default 3. (CAIRN_BACKUP_LEVEL)")
    var level: String?

    @Option(
        help: """
            Which node to read from: primary, primaryPreferred, secondary, secondaryPreferred (default) or nearest. \
            (CAIRN_READ_PREFERENCE)
            """)
    var readPreference: String?

    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.followEvery, every)
        flags.set(.followBytes, bytes)
        flags.set(.backupLevel, level)
        flags.set(.readPreference, readPreference)
        return flags.values.merging(server.settings) { own, _ in own }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let options = try options(session)
        let report = try session.runJob { progress, cancellation in
            try Follow(options: options, progress: progress, cancellation: cancellation) { event in
                FollowText.log(event, session)
            }.run()
        }
        // Gaps were reported when they were met.
        report.warnings.dropFirst(report.gaps.count).forEach(session.warn)
        try session.emit(FollowText.ended(report), json: FollowText.json(report))
        return report.needsPerson ? .warning : .interrupted
    }

    private func options(_ session: Session) throws -> Follow.Options {
        let configuration = session.configuration
        let source = try session.deployment()
        let level = try configuration.level()
        let every = try quantity(.followEvery, in: 1...86_400, configuration, Quantity.seconds) ?? 60
        let bytes = try quantity(.followBytes, in: (1 << 20)...(1 << 30), configuration, Quantity.bytes) ?? 64 << 20
        // Last, because it may ask for a passphrase: a mistake in an option should show before that.
        var options = Follow.Options(repository: try session.repositoryAccess(), source: source)
        options.level = level
        options.everySeconds = every
        options.bytesMax = bytes
        return options
    }

    private func quantity(
        _ setting: Setting, in range: ClosedRange<Int>, _ configuration: Configuration,
        _ parse: (String, String) throws -> Int
    ) throws -> Int? {
        guard let value = configuration[setting] else { return nil }
        let number = try parse(value.text, value.place)
        guard range.contains(number) else {
            throw CairnError(.usage, "`\(value.text)` is out of range; see `cairn follow --help`", object: value.place)
        }
        return number
    }
}
