internal import ArgumentParser
internal import Bytes
internal import ObjectStore
internal import Operations

/// `cairn restore`.
struct RestoreCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put a snapshot or any past second, whole or in part, into a deployment.",
        discussion: """
            With --at the newest snapshot before that time is taken, and every operation up to and including it is \
            applied on the way; `cairn timeline` shows which times there are. Nothing is written when a target \
            namespace holds documents and --drop is not given. Counts and catalogue are compared afterwards; --verify \
            compares every document as well. What lies in an archive tier must be brought back first: exit code 15.

            Example:
              cairn restore --uri mongodb://other.example.org --at 2026-01-31T12:00:00Z --verify
              cairn restore --uri mongodb://other.example.org --ns-include 'shop.*' --ns-from 'shop.*' --ns-to 'old.*'
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var server: ServerOptions

    @OptionGroup var source: SnapshotOption

    @Option(
        help: """
            How the operations up to --at are applied: fold (default), to the documents on their way, or server, to \
            the documents on the server once the snapshot is there; an interrupted restore then goes on where it was.
            """)
    var replay: String?

    @Flag(help: "Drop each target namespace before it is restored.")
    var drop = false

    @Option(help: "Restore only namespaces that match (db.*, db.coll, *); may be repeated.")
    var nsInclude: [String] = []

    @Option(help: "Leave out namespaces that match; may be repeated, wins over --ns-include.")
    var nsExclude: [String] = []

    @Option(help: "Rename namespaces that match, to what the --ns-to in the same place says; may be repeated.")
    var nsFrom: [String] = []

    @Option(help: "The new name for the --ns-from in the same place.")
    var nsTo: [String] = []

    @Flag(help: "Restore users and roles as well.")
    var usersAndRoles = false

    @Flag(help: "Build no indexes but those on _id.")
    var noIndexes = false

    @Flag(help: "Say what would be done, and write nothing.")
    var dryRun = false

    @Flag(name: .customLong("preserve-uuid"), help: "Give collections the UUID they had, where the server allows it.")
    var preserveUUID = false

    @Flag(help: "Read everything back and compare every document.")
    var verify = false

    @Option(help: "majority (default), a number of nodes, or a tag set. (CAIRN_RESTORE_WRITE_CONCERN)")
    var writeConcern: String?

    @Option(help: "Threads that decode and insert, 1 to 256. (CAIRN_RESTORE_WORKERS)")
    var workers: String?

    @Flag(help: "Restore what is intact although chunks of the snapshot are damaged; exit code 13.")
    var salvage = false

    @Flag(
        help: """
            Have packs that lie in Azure's archive tier brought back, and say so with exit code 15; run again once \
            they are there.
            """)
    var rehydrate = false

    @Option(help: "With --rehydrate: standard (default, within 15 hours) or high (about an hour, for more money).")
    var rehydratePriority: String?

    @Flag(help: "With --rehydrate: wait, and restore then.")
    var wait = false

    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.restoreWriteConcern, writeConcern)
        flags.set(.restoreWorkers, workers)
        return flags.values.merging(server.settings) { own, _ in own }
    }

    func validate() throws {
        guard nsFrom.count == nsTo.count else {
            throw ValidationError("--ns-from and --ns-to come in pairs: \(nsFrom.count) and \(nsTo.count) were given")
        }
        if !rehydrate, wait || rehydratePriority != nil {
            throw ValidationError("--wait and --rehydrate-priority need --rehydrate")
        }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let options = try options(session)
        let report = try session.runJob { progress, cancellation in
            try Restore(options: options, progress: progress, cancellation: cancellation).run()
        }
        report.warnings.forEach(session.warn)
        try session.emit(RestoreText.text(report), json: RestoreText.json(report))
        if !report.failures.isEmpty || report.verification == .failed { return .failed }
        return report.lost.isEmpty ? .done : .damaged
    }

    private func options(_ session: Session) throws -> Restore.Options {
        let configuration = session.configuration
        let target = try session.deployment()
        let workers = try configuration.integer(.restoreWorkers, in: 1...256)
        var options = Restore.Options(repository: try session.repositoryAccess(), target: target)
        options.moment = try source.moment()
        options.replay = try replayMode()
        options.drop = drop
        options.include = nsInclude
        options.exclude = nsExclude
        options.renames = zip(nsFrom, nsTo).map { Restore.Rename(from: $0, to: $1) }
        options.usersAndRoles = usersAndRoles
        options.noIndexes = noIndexes
        options.dryRun = dryRun
        options.preserveUUID = preserveUUID
        options.verify = verify
        options.writeConcern = configuration[.restoreWriteConcern]?.text ?? "majority"
        options.workers = workers ?? 0
        options.salvage = salvage
        options.rehydrate = try rehydration()
        return options
    }

    private func rehydration() throws -> Restore.Rehydrate? {
        guard rehydrate else { return nil }
        guard let priority = RehydrationPriority(rawValue: rehydratePriority ?? "standard") else {
            throw CairnError(.usage, "takes standard or high", object: "--rehydrate-priority")
        }
        return Restore.Rehydrate(priority: priority, waits: wait)
    }

    private func replayMode() throws -> Restore.Replay {
        guard let replay else { return .fold }
        guard let mode = Restore.Replay(rawValue: replay) else {
            throw CairnError(.usage, "`\(replay)` is not one of fold, server", object: "--replay")
        }
        return mode
    }
}
