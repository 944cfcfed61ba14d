internal import ArgumentParser
internal import Operations
internal import Remote

/// `cairn atlas`: the backups that MongoDB Atlas itself takes of a cluster.
struct AtlasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "atlas", abstract: "Take, list and restore the snapshots that MongoDB Atlas holds.",
        discussion: """
            They lie in Atlas, beside the repository and independent of it. Who asks is a service account \
            (CAIRN_ATLAS_CLIENT_ID, CAIRN_ATLAS_CLIENT_SECRET) or an API key (CAIRN_ATLAS_PUBLIC_KEY, \
            CAIRN_ATLAS_PRIVATE_KEY); secrets come from the environment or from files (…_FILE), never from options.

            Example:
              cairn atlas snapshot --description 'before the migration' --retention-days 30
            """,
        subcommands: [
            AtlasSnapshotCommand.self, AtlasListCommand.self, AtlasRestoreCommand.self, AtlasStatusCommand.self,
        ])
}

/// Which cluster.
struct AtlasOptions: ParsableArguments {
    @Option(help: "The project's id. (CAIRN_ATLAS_PROJECT_ID)")
    var project: String?

    @Option(help: "The cluster's name. (CAIRN_ATLAS_CLUSTER)")
    var cluster: String?

    /// What these flags set.
    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.atlasProject, project, name: "project")
        flags.set(.atlasCluster, cluster)
        return flags.values
    }
}

/// `cairn atlas list`.
struct AtlasListCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the cluster's snapshots in Atlas, oldest first, or its restores.",
        discussion: """
            Example:
              cairn atlas list --newest 5
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var atlas: AtlasOptions

    @Flag(help: "List restore jobs instead.")
    var restores = false

    @Option(help: "Only the newest so many.")
    var newest: Int?

    var settings: [Setting: SettingValue] { atlas.settings }

    func validate() throws {
        if let newest, newest < 0 { throw ValidationError("--newest takes a number from 0") }
        if newest != nil && restores { throw ValidationError("--newest is about snapshots, not about --restores") }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let backups = try session.configuration.atlas()
        if restores {
            let jobs = try backups.restoreJobs()
            try session.emit(AtlasText.list(jobs), json: .array(jobs.map(AtlasText.json)))
            return .done
        }
        var snapshots = try backups.snapshots(of: backups.cluster())
        snapshots.sort { ($0.createdAt ?? "", $0.id) < ($1.createdAt ?? "", $1.id) }
        if let newest { snapshots = snapshots.suffix(newest) }
        try session.emit(AtlasText.list(snapshots), json: .array(snapshots.map(AtlasText.json)))
        return .done
    }
}

/// `cairn atlas status`.
struct AtlasStatusCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how Atlas backs the cluster up: schedule, compliance policy, snapshots.",
        discussion: """
            Ends with 3 when Atlas's backup is switched off, or there is no complete snapshot.

            Example:
              cairn atlas status --json
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var atlas: AtlasOptions

    var settings: [Setting: SettingValue] { atlas.settings }

    func run(_ session: Session) throws -> ExitStatus {
        let status = try AtlasStatus(try session.configuration.atlas())
        try session.emit(AtlasText.text(status), json: AtlasText.json(status))
        return status.isProtected ? .done : .warning
    }
}
