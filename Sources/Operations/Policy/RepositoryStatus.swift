internal import Archive
public import Bytes

/// How a repository stands against its policy.
public struct RepositoryStatus: Sendable {
    /// Every source, the most recent one first.
    public let sources: [SourceStatus]
    /// Snapshots and segments that cannot be read.
    public let damaged: [CairnError]
    /// When it was looked at, in seconds since 1970.
    public let now: Int

    /// Reads the snapshot and segment objects and nothing else.
    ///
    /// - Throws: as `RepositoryAccess.open`.
    public init(
        of access: RepositoryAccess, policy: BackupPolicy, include: [String], exclude: [String], set: String?
    ) throws {
        let repository = try access.open(caching: true)
        var damaged: [CairnError] = []
        let snapshots = try repository.snapshots { _, error in damaged.append(error) }
        let segments = try repository.segments { _, error in damaged.append(error) }
        now = Int(repository.now() / 1_000)
        sources = SourceStatus.all(
            snapshots: snapshots, segments: segments, policy: policy, include: include, exclude: exclude, now: now
        ).filter { set == nil || $0.source == set }
        self.damaged = damaged
    }
}
