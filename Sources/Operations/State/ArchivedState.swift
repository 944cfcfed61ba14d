internal import Archive
internal import BSON
internal import Bytes

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

    /// The state that a snapshot keeps.
    init(_ reader: SnapshotReader) throws {
        var collections: [ArchivedCollection] = []
        try reader.forEachEntry { collections.append(ArchivedCollection(entry: $0)) }
        self.init(reader: reader, time: reader.snapshot.at, collections: collections)
    }

    init(reader: SnapshotReader, time: Timestamp, collections: [ArchivedCollection]) {
        snapshot = reader.snapshot
        self.reader = reader
        self.time = time
        self.collections = collections
    }

    /// The collection of a namespace.
    ///
    /// - Throws: `.notFound`; `.usage` when `namespace` is not of the form `db.collection`.
    func collection(_ namespace: String) throws -> ArchivedCollection {
        guard let dot = namespace.firstIndex(of: "."), dot != namespace.startIndex else {
            throw CairnError(.usage, "a namespace is written db.collection", object: namespace)
        }
        guard let found = collections.first(where: { $0.entry.namespace == namespace }) else {
            throw CairnError(
                .notFound, "snapshot \(snapshot.id.hex.prefix(8)) has no such namespace: `cairn show` lists them",
                object: namespace)
        }
        return found
    }
}
