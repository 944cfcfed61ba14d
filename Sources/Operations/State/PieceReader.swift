internal import Archive
internal import BSON
internal import Bytes
internal import Oplog

/// Reads leaves and gives out the documents in them that are live. Confined to one thread; its buffers are used again
/// and again.
struct PieceReader {
    private let chunks: ChunkReader
    private let buffer = Buffer(capacity: 4 << 20)
    private let scratch = FoldScratch()

    init(_ reader: SnapshotReader) {
        chunks = reader.makeChunkReader()
    }

    /// Reads the chunk of a leaf, in place of the one read before.
    ///
    /// - Throws: `.corrupt` when it cannot be read.
    func fetch(_ leaf: Leaf) throws {
        let buffer = buffer
        buffer.removeAll()
        try chunks.read(leaf.chunk, type: .documents, into: buffer)
    }

    /// Calls `body` with the chunk that was fetched, as it is stored.
    func withChunk<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result { try body(buffer.bytes) }

    /// Calls `body` with the live documents of the chunk that was fetched, in order, in spans of one or more whole
    /// documents that are borrowed for the call.
    func forEachSpan(layer: Int, through overlay: Overlay?, _ body: (RawSpan) throws -> Void) throws {
        guard let overlay else { return try body(buffer.bytes) }
        try overlay.forEachSpan(of: buffer.bytes, layer: layer, scratch, body)
    }

    /// Calls `body` with each document that came in with the oplog, once all leaves were read.
    ///
    /// - Parameter isComplete: whether every leaf could be read, so that every document which the oplog changed must
    ///   have been met.
    /// - Throws: `.corrupt` when snapshot and oplog do not fit; what `body` throws.
    func forEachNewDocument(of fold: FoldTable, isComplete: Bool, _ body: (RawSpan) throws -> Void) throws {
        if isComplete { try fold.checkAllSeen() }
        try fold.forEachRemaining(into: scratch) { document, _ in try body(document) }
    }

    /// Calls `body` with the documents of a whole collection, in order.
    ///
    /// - Parameters:
    ///   - wanted: leaves that it refuses are not read.
    ///   - damaged: what to do about a leaf, or a list of leaves, that cannot be read: throw to stop, return to go on
    ///     behind it.
    func read(
        _ collection: ArchivedCollection, of reader: SnapshotReader,
        wanted: (Leaf) throws -> Bool = { _ in true },
        damaged: (Leaf?, CairnError) throws -> Void = { throw $1 },
        _ body: (RawSpan) throws -> Void
    ) throws {
        var isComplete = true
        for pass in collection.passes() {
            let overlay = try collection.overlay(pass, chunks)
            var cursor = reader.layers(of: collection.entry)
            while true {
                let next: (leaf: Leaf, layer: Int)?
                do {
                    next = try cursor.next()
                } catch let error as CairnError where error.code == .corrupt {
                    isComplete = false
                    try damaged(nil, error)
                    continue
                }
                guard let (leaf, layer) = next else { break }
                guard try wanted(leaf) else {
                    isComplete = false
                    continue
                }
                do {
                    try fetch(leaf)
                } catch let error as CairnError where error.code == .corrupt {
                    isComplete = false
                    try damaged(leaf, error)
                    continue
                }
                try forEachSpan(layer: layer, through: overlay, body)
            }
        }
        if let fold = collection.fold { try forEachNewDocument(of: fold, isComplete: isComplete, body) }
    }
}
