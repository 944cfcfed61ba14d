internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// A deployment as of one moment, read from the archive alone. Everything that gives documents out reads through it,
/// so that a restore, `cat`, `diff` and `check` cannot disagree about what a collection holds.
struct ArchivedState: Sendable {
    /// The snapshot that it is, or begins with.
    let snapshot: Snapshot
    /// The moment.
    let time: Timestamp
    /// Sorted by namespace.
    let collections: [ArchivedCollection]
    /// Reads the snapshot's chunks.
    let reader: SnapshotReader
    /// What the oplog did that does not fit memory at once.
    private let deferred: DeferredFold?
    /// What led here from the snapshot; nil for the snapshot itself.
    private let replay: OplogReplay?

    /// The state that a snapshot keeps.
    init(_ reader: SnapshotReader) throws {
        var collections: [ArchivedCollection] = []
        try reader.forEachEntry {
            collections.append(ArchivedCollection(number: collections.count, entry: $0, fold: nil))
        }
        self.init(reader: reader, time: reader.snapshot.at, collections: collections, replay: nil, deferred: nil)
    }

    init(
        reader: SnapshotReader, time: Timestamp, collections: [ArchivedCollection], replay: OplogReplay? = nil,
        deferred: DeferredFold?
    ) {
        snapshot = reader.snapshot
        self.reader = reader
        self.time = time
        self.collections = collections
        self.replay = replay
        self.deferred = deferred
    }

    /// The last operation in it that the snapshot does not have; nil when there is none.
    func lastOperation() throws -> OpTime? { try replay?.lastOperation() }

    /// Calls `body` with the collections, by number, as often as it takes: each document comes once, in one of the
    /// calls. Where all that the oplog did fits memory, that is one call with all collections; otherwise further calls
    /// have the collections that it did much to, each time with what it did to a part of the documents.
    func forEachWave(_ body: ([ArchivedCollection?]) throws -> Void) throws {
        for collection in collections { collection.fold?.forgetSeen() }
        try body(whole)
        try forEachPart(body)
    }

    /// The collections whose documents are in memory's reach all at once, by number.
    var whole: [ArchivedCollection?] { collections.map { deferred?.concerns($0) == true ? nil : $0 } }

    /// Calls `body` with the other collections, by number, once for each part of their documents.
    func forEachPart(_ body: ([ArchivedCollection?]) throws -> Void) throws {
        try deferred?.forEachWave(collections, body)
    }

    /// For messages: `snapshot 3f2a9c1e`, with the time when it is another.
    var description: String {
        "snapshot \(snapshot.id.hex.prefix(8))" + (time == snapshot.at ? "" : " at \(time.asDate)")
    }

    /// The collection of a namespace.
    ///
    /// - Throws: `.notFound`; `.usage` when `namespace` is not of the form `db.collection`.
    func collection(_ namespace: String) throws -> ArchivedCollection {
        guard let wanted = Namespace(namespace) else {
            throw CairnError(.usage, "a namespace is written db.collection", object: namespace)
        }
        guard let found = collections.first(where: { Namespace(of: $0.entry) == wanted }) else {
            throw CairnError(
                .notFound, "\(description) has no such namespace: `cairn show` lists those of a snapshot",
                object: namespace)
        }
        return found
    }
}
