internal import ArgumentParser
internal import Bytes
internal import Logging
internal import Operations
internal import Remote

/// `cairn atlas snapshot`.
struct AtlasSnapshotCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Have Atlas take a snapshot of the cluster, and wait until it is complete.",
        discussion: """
            Ends with 3 when the time is over before the snapshot is complete: Atlas goes on with it. `cairn backup \
            --atlas-snapshot` takes one beside a backup.

            Example:
              cairn atlas snapshot --description 'before the migration' --retention-days 30
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var atlas: AtlasOptions

    @Option(help: "Says what the snapshot is for.")
    var description = "taken by cairn"

    @Option(help: "Days that Atlas keeps it; default 7. (CAIRN_ATLAS_RETENTION_DAYS)")
    var retentionDays: String?

    @Option(help: "How long to wait: 90s, 15m, 2h (default), 1d. (CAIRN_ATLAS_TIMEOUT)")
    var timeout: String?

    @Flag(help: "Do not wait.")
    var noWait = false

    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.atlasRetentionDays, retentionDays)
        flags.set(.atlasTimeout, timeout)
        return flags.values.merging(atlas.settings) { own, _ in own }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let backups = try session.configuration.atlas()
        let options = TakeAtlasSnapshot.Options(
            description: description, retentionDays: try session.configuration.atlasRetentionDays(),
            wait: try session.configuration.atlasWait())
        let snapshot = try session.runJob { progress, cancellation in
            progress.begin(phase: "atlas snapshot")
            let job = TakeAtlasSnapshot(backups, options: options, cancellation: cancellation)
            let begun = try job.start()
            session.log.info("Atlas takes snapshot \(begun.id)")
            return noWait ? begun : try job.wait(for: begun)
        }
        try session.emit(AtlasText.text(snapshot), json: AtlasText.json(snapshot))
        return snapshot.isCompleted || noWait ? .done : .warning
    }
}

/// The snapshot that Atlas takes while a backup runs. The backup stands, whatever happens to it.
struct AtlasBeside {
    /// How it ended.
    typealias Outcome = Result<AtlasSnapshot, CairnError>

    private let backups: AtlasBackups
    private let options: TakeAtlasSnapshot.Options
    private let source: DeploymentAccess

    /// Reads the settings.
    ///
    /// - Throws: `.usage`, so that a mistake shows before the backup.
    init(_ configuration: Configuration) throws {
        backups = try configuration.atlas()
        source = try configuration.deployment { _ in }
        let tags = configuration.list(.backupTags)
        options = TakeAtlasSnapshot.Options(
            description: "beside a backup by cairn" + (tags.isEmpty ? "" : ", " + tags.joined(separator: ", ")),
            retentionDays: try configuration.atlasRetentionDays(), wait: try configuration.atlasWait())
    }

    /// Begins it: before the backup, so that both are of about the same time and Atlas works meanwhile.
    ///
    /// - Throws: only `.interrupted`, which is about the backup as well.
    func start(_ session: Session) throws -> Outcome {
        try attempt(session) { job, cancellation in
            let begun = try job.start { cluster in
                guard cluster.isReached(by: source) == false else { return }
                session.warn(
                    "the backup reads from \(source), which is none of the addresses that Atlas gives for "
                        + "\(cluster.name): are both of one cluster?")
            }
            session.log.info("Atlas takes snapshot \(begun.id)")
            // The flag ends with this phase: what was asked of it must not be lost on the backup.
            try cancellation.check()
            return begun
        }
    }

    /// Waits for its end. An interruption ends the waiting and is the outcome.
    func finish(_ begun: Outcome, _ session: Session) -> Outcome {
        guard case .success(let snapshot) = begun else { return begun }
        do {
            return try attempt(session) { job, _ in try job.wait(for: snapshot) }
        } catch {
            let failure = error as? CairnError ?? CairnError(.server, "waiting for Atlas ended", underlying: error)
            ErrorText.write(failure, json: session.json)
            return .failure(failure)
        }
    }

    /// Says what becomes of it when the backup has failed.
    static func abandon(_ begun: Outcome, _ session: Session) {
        guard case .success(let snapshot) = begun else { return }
        session.warn("Atlas goes on with snapshot \(snapshot.id), although the backup beside it ended without one")
    }

    private func attempt(
        _ session: Session, _ body: (TakeAtlasSnapshot, Cancellation) throws -> AtlasSnapshot
    ) throws -> Outcome {
        do {
            return .success(
                try session.runJob { progress, cancellation in
                    progress.begin(phase: "atlas snapshot")
                    let job = TakeAtlasSnapshot(backups, options: options, cancellation: cancellation)
                    return try body(job, cancellation)
                })
        } catch let error as CairnError where error.code != .interrupted {
            ErrorText.write(error, json: session.json)
            return .failure(error)
        }
    }
}
