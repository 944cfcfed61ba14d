/// A restore that Atlas does or did.
///
/// Source: `DiskBackupSnapshotRestoreJob` of the Atlas Administration API v2, version 2023-01-01.
public struct AtlasRestoreJob: Decodable, Sendable {
    /// 24 hexadecimal digits.
    public let id: String
    /// `automated`, `pointInTime` or `download`.
    public let deliveryType: String
    /// The snapshot that it restores.
    public let snapshotId: String?
    /// Where to.
    public let targetClusterName: String?
    /// The project of that cluster.
    public let targetGroupId: String?
    /// The time that it restores to, in seconds since 1970.
    public let pointInTimeUTCSeconds: Int?
    /// The cluster time that it restores to.
    public let oplogTs: Int?
    /// Its increment.
    public let oplogInc: Int?
    /// When it was done.
    public let finishedAt: String?
    /// When links end.
    public let expiresAt: String?
    /// Links to download; whoever has one has the data.
    public let deliveryUrl: [String]?
    private let failed: Bool?
    private let cancelled: Bool?
    private let expired: Bool?

    /// How far it is.
    public enum State: String, Sendable {
        case inProgress
        case completed
        case failed
        case cancelled
        case expired
    }

    /// How far it is. A download is done as soon as there is a link.
    public var state: State {
        if failed == true { return .failed }
        if cancelled == true { return .cancelled }
        if expired == true { return .expired }
        return finishedAt != nil || deliveryUrl?.isEmpty == false ? .completed : .inProgress
    }
}

/// Where a restore goes: what that cluster holds is replaced.
public struct AtlasTarget: Sendable {
    let cluster: String
    let project: String?

    /// A cluster of a project; nil means the source's project.
    public init(cluster: String, project: String? = nil) {
        self.cluster = cluster
        self.project = project
    }
}

/// What to restore.
public enum AtlasRestore: Sendable {
    /// A snapshot into a cluster.
    case snapshot(id: String, to: AtlasTarget)
    /// Everything up to the second, counted since 1970.
    case second(Int, to: AtlasTarget)
    /// Everything up to and including the operation with that cluster time.
    case operation(seconds: Int, increment: Int, to: AtlasTarget)
    /// A snapshot as files, behind a link.
    case download(id: String)
}

/// What is asked for.
struct AtlasRestoreRequest: Encodable {
    let deliveryType: String
    var snapshotId: String?
    var pointInTimeUTCSeconds: Int?
    var oplogTs: Int?
    var oplogInc: Int?
    var targetClusterName: String?
    var targetGroupId: String?

    /// - Parameter project: the source's.
    init(_ restore: AtlasRestore, project: String) throws {
        let target: AtlasTarget?
        switch restore {
        case .snapshot(let id, let cluster):
            deliveryType = "automated"
            snapshotId = try AtlasSettings.objectID(id, "a snapshot's id")
            target = cluster
        case .second(let second, let cluster):
            deliveryType = "pointInTime"
            pointInTimeUTCSeconds = second
            target = cluster
        case .operation(let seconds, let increment, let cluster):
            deliveryType = "pointInTime"
            oplogTs = seconds
            oplogInc = increment
            target = cluster
        case .download(let id):
            deliveryType = "download"
            snapshotId = try AtlasSettings.objectID(id, "a snapshot's id")
            target = nil
        }
        guard let target else { return }
        targetClusterName = target.cluster
        targetGroupId = try target.project.map { try AtlasSettings.objectID($0, "a project's id") } ?? project
    }
}
