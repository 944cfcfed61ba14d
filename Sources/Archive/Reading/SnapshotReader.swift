import Bytes
import ObjectStore

/// Reads what a snapshot refers to: catalogue entries, and from there the leaves. Several threads may share one;
/// what it makes is confined to the thread that asked for it.
public struct SnapshotReader: Sendable {
    /// The snapshot.
    public let snapshot: Snapshot
    private let repository: Repository
    private let chunks: ChunkIndex

    /// A reader of `snapshot`, whose chunks are where `chunks` says (`Repository.loadIndex`).
    public init(repository: Repository, chunks: ChunkIndex, snapshot: Snapshot) {
        self.repository = repository
        self.chunks = chunks
        self.snapshot = snapshot
    }

    /// How many threads that read at once the store gains from.
    public var parallelism: Int { repository.store.parallelism }

    /// A reader of the snapshot's chunks for one thread.
    public func makeChunkReader() -> ChunkReader { ChunkReader(repository: repository, chunks: chunks) }

    /// Calls `body` with every catalogue entry, in the order of the namespaces. One catalogue chunk is in memory at
    /// a time.
    ///
    /// - Throws: `.corrupt` when a catalogue chunk cannot be read, or the entries are out of order.
    public func forEachEntry(_ body: (CatalogueEntry) throws -> Void) throws {
        let reader = makeChunkReader()
        var previous: CatalogueEntry?
        var count = 0
        for id in snapshot.catalogue {
            try forEachEntry(inCatalogueChunk: id, reader) { entry in
                if let previous, !CatalogueEntry.precedes(previous, entry) {
                    throw CairnError(
                        .corrupt, "\(entry.namespace) stands behind \(previous.namespace) in the catalogue",
                        object: Names.text(.snapshot, snapshot.id))
                }
                guard entry.runs.isEmpty || snapshot.layered else {
                    throw CairnError(
                        .corrupt, "\(entry.namespace) has runs in a snapshot of version 1",
                        object: Names.text(.snapshot, snapshot.id))
                }
                previous = entry
                count += 1
                try body(entry)
            }
        }
        guard count == snapshot.totals.namespaces else {
            throw CairnError(
                .corrupt, "the catalogue has \(count) entries, the snapshot says \(snapshot.totals.namespaces)",
                object: Names.text(.snapshot, snapshot.id))
        }
    }

    /// Calls `body` with the entries of one catalogue chunk.
    func forEachEntry(
        inCatalogueChunk id: ChunkID, _ reader: ChunkReader, _ body: (CatalogueEntry) throws -> Void
    ) throws {
        let buffer = Buffer(capacity: 0)
        try reader.read(id, type: .catalogue, into: buffer)
        try CatalogueEntry.forEach(inCatalogue: buffer.bytes, object: "catalogue chunk \(id.hex)", body)
    }

    /// The leaves of the collection `entry`, those of its runs behind them. Which of their documents are live, a
    /// `LayerTable` says.
    public func layers(of entry: CatalogueEntry) -> LayeredCursor {
        LayeredCursor(entry: entry, snapshot: snapshot.id, reader: makeChunkReader())
    }

    /// The leaves that the collection `entry` had before its runs: all there are when it has none.
    public func leaves(of entry: CatalogueEntry) -> LeafCursor {
        LeafCursor(entry: entry, snapshot: snapshot.id, reader: makeChunkReader())
    }
}
