import BSON
import Bytes
import Synchronization

/// Stores leaf lists and catalogues on the thread that asks for it, into packs of their own: a cold storage tier
/// may take the packs of documents and leave what every listing and comparison reads.
final class MetadataLane: Sendable {
    private let encoder: Mutex<ChunkEncoder>

    init(_ encoder: sending ChunkEncoder) { self.encoder = Mutex(encoder) }

    func store(_ chunk: Buffer, type: ChunkType) throws -> ChunkID {
        try encoder.withLock { try $0.store(chunk.bytes, type: type).id }
    }

    func flush() throws {
        try encoder.withLock { try $0.flush() }
    }
}

/// A row of small documents (leaves, catalogue entries) on its way into chunks. Confined to one thread.
struct MetadataStream {
    private let lane: MetadataLane
    private let type: ChunkType
    private var chunker: Chunker
    private let buffer = Buffer(capacity: 4 << 10)
    private var ids: [ChunkID] = []

    init(lane: MetadataLane, type: ChunkType, chunker: Chunker) {
        self.lane = lane
        self.type = type
        self.chunker = chunker
    }

    /// Takes one document. They have no `_id`: their bytes decide where chunks end.
    mutating func append(_ document: RawSpan) throws {
        if chunker.mustEnd(beforeDocumentOf: document.byteCount) { try endChunk() }
        buffer.append(document)
        if chunker.endsChunk(after: document, size: document.byteCount) { try endChunk() }
    }

    /// Ends the last chunk; all ids in order.
    mutating func finish() throws -> [ChunkID] {
        if buffer.count > 0 { try endChunk() }
        return ids
    }

    private mutating func endChunk() throws {
        ids.append(try lane.store(buffer, type: type))
        buffer.removeAll()
    }
}
