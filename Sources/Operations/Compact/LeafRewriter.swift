internal import Archive
internal import BSON
internal import Bytes

/// The new leaves of one collection: some taken over as they are, others made of documents, in order. Confined to one
/// thread.
final class LeafRewriter {
    private enum Piece {
        case kept(Leaf)
        case made(ChunkStream)
    }

    private let writer: ArchiveWriter
    private let list: LeafListWriter
    private var stream: ChunkStream?
    /// What was not handed on yet, for its chunks may still be with the workers.
    private var pending: [Piece] = []
    private var documents = 0
    private var rawBytes = 0

    /// Pieces that may wait for the workers.
    private static let pendingMax = 8

    init(_ writer: ArchiveWriter) {
        self.writer = writer
        list = writer.makeLeafList()
    }

    /// Whether a leaf may be taken over here: what was made before it ended by its content. Otherwise each compaction
    /// would leave chunks that are too small, and no scan would make them.
    var canKeep: Bool { stream?.isBetweenChunks ?? true }

    /// Takes over a leaf, with its chunk.
    func keep(_ leaf: Leaf) throws {
        try endStream()
        pending.append(.kept(leaf))
        try settle(leaving: LeafRewriter.pendingMax)
    }

    /// Takes copies of the documents of a span, which lie one behind the other.
    func append(contentsOf documents: RawSpan) throws {
        guard !documents.isEmpty else { return }
        let stream = self.stream ?? writer.makeStream()
        self.stream = stream
        try stream.append(contentsOf: documents)
    }

    /// The entry of the collection that `entry` describes, with the new leaves in place of its own.
    func finish(_ entry: CatalogueEntry) throws -> CatalogueEntry {
        try endStream()
        try settle(leaving: 0)
        var compacted = entry
        compacted.documents = documents
        compacted.rawBytes = rawBytes
        compacted.leafCount = list.count
        compacted.leaves = try list.finish()
        compacted.runs = []
        return compacted
    }

    /// Gives back what other collections need to go on.
    func pause() throws { try endStream() }

    private func endStream() throws {
        guard let ended = stream else { return }
        stream = nil
        try ended.finish()
        pending.append(.made(ended))
    }

    private func settle(leaving rest: Int) throws {
        while pending.count > rest {
            switch pending.removeFirst() {
            case .kept(let leaf):
                documents += leaf.documents
                rawBytes += leaf.rawBytes
                try list.append([leaf])
            case .made(let stream):
                let stored = try stream.wait()
                documents += stored.documents
                rawBytes += stored.rawBytes
                try list.append(stored.leaves)
            }
        }
    }
}
