internal import ArgumentParser
internal import Bytes
internal import Logging
internal import Operations
internal import Remote

/// `cairn atlas restore`.
struct AtlasRestoreCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Have Atlas restore a snapshot, or a time, into a cluster.",
        discussion: """
            Everything that the target cluster holds is replaced. The restore is begun and goes on in Atlas; --wait \
            stays until it has ended. --download prepares links to the snapshot's files instead: whoever has a link \
            has the data.

            Example:
              cairn atlas restore --snapshot latest --to-cluster Staging --wait
              cairn atlas restore --at 2026-01-31T12:00:00Z --to-cluster Staging
              cairn atlas restore --snapshot 65f0c0ffee65f0c0ffee65f0 --download --wait
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var atlas: AtlasOptions

    @Option(help: "Id of the snapshot in Atlas, or latest.")
    var snapshot: String?

    // A time such as -2h begins like an option.
    @Option(
        parsing: .unconditional,
        help: "A time instead: 2026-01-31T12:00:00Z, epoch seconds, TIMESTAMP:INCREMENT, or an age like -2h.")
    var at: String?

    @Option(help: "The cluster whose contents are replaced.")
    var toCluster: String?

    @Option(help: "The project of that cluster, when it is another one.")
    var toProject: String?

    @Flag(help: "Allow the source cluster as the target.")
    var inPlace = false

    @Flag(help: "Prepare links to download the snapshot.")
    var download = false

    @Flag(help: "Wait until it has ended.")
    var wait = false

    @Option(help: "How long to wait: 90s, 15m, 2h (default), 1d. (CAIRN_ATLAS_TIMEOUT)")
    var timeout: String?

    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.atlasTimeout, timeout)
        return flags.values.merging(atlas.settings) { own, _ in own }
    }

    func validate() throws {
        if (snapshot == nil) == (at == nil) { throw ValidationError("name either --snapshot or --at") }
        if (toCluster == nil) != download { throw ValidationError("name either --to-cluster or --download") }
        if download && at != nil { throw ValidationError("--download is of a snapshot, not of a time") }
        if download && (toProject != nil || inPlace) { throw ValidationError("--download has no target") }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let backups = try session.configuration.atlas()
        let limit = try session.configuration.atlasWait()
        let source = try at.map { RestoreFromAtlas.Source.time(try TimeSelection($0)) } ?? .snapshot(snapshot ?? "")
        let job = RestoreFromAtlas(
            backups, source: source, target: try target(backups), now: System.unixSeconds())
        let restore = try session.runJob { progress, cancellation in
            progress.begin(phase: "atlas restore")
            let begun = try job.start()
            session.log.info("Atlas has begun restore \(begun.id)")
            return wait ? try job.wait(for: begun, limit, cancellation: cancellation) : begun
        }
        try session.emit(AtlasText.text(restore), json: AtlasText.json(restore))
        return wait && restore.state != .completed ? .warning : .done
    }

    /// A cluster that is in use must not be replaced by a slip.
    private func target(_ backups: AtlasBackups) throws -> AtlasTarget? {
        guard let toCluster else { return nil }
        let isSource = toCluster == backups.name && (toProject ?? backups.project) == backups.project
        guard !isSource || inPlace else {
            throw CairnError(
                .usage, "the target is the source: its contents would be replaced; --in-place allows that",
                object: toCluster)
        }
        return AtlasTarget(cluster: toCluster, project: toProject)
    }
}
