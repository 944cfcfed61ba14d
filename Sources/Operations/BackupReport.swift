public import Archive
public import BSON
public import Bytes

/// What a backup did: the result that `cairn backup` prints, in text and as JSON.
public struct BackupReport: Sendable {
    /// The new snapshot's id.
    public var id: RandomID
    /// `full` or `incremental`.
    public var kind: String
    /// The cluster time at which the snapshot is exact (or, for a standalone server, the time of the end).
    public var at: Timestamp
    /// The snapshot this one builds on, if any.
    public var parent: RandomID?
    /// The words the snapshot carries.
    public var tags: [String]
    /// Collections and views in the snapshot.
    public var namespaces: Int
    /// Documents in the snapshot.
    public var documents: Int
    /// Their raw BSON bytes.
    public var rawBytes: Int
    /// Bytes that this backup added to the repository: packs, indexes and the snapshot object.
    public var addedBytes: Int
    /// Wall time from start to commit.
    public var seconds: Double
    /// Collections that an incremental read from their start, and why.
    public var scanned: [Scanned] = []
    /// Oplog segments that this backup wrote.
    public var segments = 0
    /// What a person should read, in plain sentences.
    public var warnings: [String]
    /// Whether one of the warnings needs a person, which makes the exit code 3.
    public var needsPerson: Bool

    /// A collection that an incremental read from its start.
    public struct Scanned: Sendable {
        /// `db.collection`.
        public var namespace: String
        /// `new`, `more than a third changed`, ….
        public var reason: String
    }

    /// A report of everything that a backup tells.
    public init(
        id: RandomID, kind: String, at: Timestamp, parent: RandomID?, tags: [String], namespaces: Int,
        documents: Int, rawBytes: Int, addedBytes: Int, seconds: Double, warnings: [String], needsPerson: Bool
    ) {
        self.id = id
        self.kind = kind
        self.at = at
        self.parent = parent
        self.tags = tags
        self.namespaces = namespaces
        self.documents = documents
        self.rawBytes = rawBytes
        self.addedBytes = addedBytes
        self.seconds = seconds
        self.warnings = warnings
        self.needsPerson = needsPerson
    }

    /// What a committed snapshot tells about the backup that made it.
    public init(_ snapshot: Snapshot, needsPerson: Bool = false) {
        self.init(
            id: snapshot.id, kind: snapshot.kind.rawValue, at: snapshot.at, parent: snapshot.parent,
            tags: snapshot.tags,
            namespaces: snapshot.totals.namespaces, documents: snapshot.totals.documents,
            rawBytes: snapshot.totals.rawBytes, addedBytes: snapshot.totals.addedBytes,
            seconds: Double(max(0, snapshot.finished - snapshot.started)) / 1000, warnings: snapshot.warnings,
            needsPerson: needsPerson)
    }
}
