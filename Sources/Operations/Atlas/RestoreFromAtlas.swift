internal import BSON
internal import Bytes
public import Remote

/// Has Atlas restore one of its snapshots, or a time between them.
public struct RestoreFromAtlas: Sendable {
    /// What to restore.
    public enum Source: Sendable {
        /// A snapshot by its id, or `latest`: the newest one that is complete.
        case snapshot(String)
        /// A time that Atlas can restore.
        case time(TimeSelection)
    }

    private let backups: AtlasBackups
    private let source: Source
    private let target: AtlasTarget?
    private let now: Int

    /// Prepares a restore into `target`, whose contents are replaced; without a target, links for a download.
    ///
    /// - Parameter now: seconds since 1970.
    public init(_ backups: AtlasBackups, source: Source, target: AtlasTarget?, now: Int) {
        self.backups = backups
        self.source = source
        self.target = target
        self.now = now
    }

    /// Begins it.
    ///
    /// - Throws: `.notFound` when there is no complete snapshot; `.usage` for a time without a target; what
    ///   `AtlasBackups` throws.
    public func start() throws -> AtlasRestoreJob {
        switch (source, target) {
        case (.snapshot(let name), let target?):
            return try backups.restore(.snapshot(id: try id(name), to: target))
        case (.snapshot(let name), nil):
            return try backups.restore(.download(id: try id(name)))
        case (.time(.operation(let time)), let target?):
            return try backups.restore(.operation(seconds: Int(time.t), increment: Int(time.i), to: target))
        case (.time(.second(let second)), let target?):
            return try backups.restore(.second(second, to: target))
        case (.time(.ago(let seconds)), let target?):
            return try backups.restore(.second(now - seconds, to: target))
        case (.time(.latest), _):
            throw CairnError(
                .usage, "Atlas restores a time that is named; for the newest snapshot use --snapshot latest")
        case (.time, nil):
            throw CairnError(.usage, "Atlas restores times into clusters alone; a download is of a snapshot")
        }
    }

    private func id(_ name: String) throws -> String {
        guard name == "latest" else { return name }
        let newest = AtlasStatus.newest(try backups.snapshots(of: try backups.cluster()))
        guard let newest else {
            throw CairnError(
                .notFound, "the cluster has no complete snapshot; `cairn atlas snapshot` takes one",
                object: backups.name)
        }
        return newest.id
    }

    /// Waits until it has ended; returns it as it is when the time is over.
    ///
    /// - Throws: `.server` when it failed or was cancelled; what `AtlasBackups` throws; `.interrupted`.
    public func wait(
        for begun: AtlasRestoreJob, _ wait: AtlasWait, cancellation: Cancellation
    ) throws -> AtlasRestoreJob {
        let ended = try wait.until({ $0.state != .inProgress }, from: begun, cancellation: cancellation) {
            try backups.look(at: $0)
        }
        switch ended.state {
        case .completed, .inProgress: return ended
        case .failed, .cancelled, .expired:
            throw CairnError(
                .server, "the restore ended as \(ended.state.rawValue); the project's activity feed says why",
                object: ended.id)
        }
    }
}
