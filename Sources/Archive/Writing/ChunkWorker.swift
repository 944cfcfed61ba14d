import BSON
import Bytes

/// One worker thread: takes chunks of documents, has them stored, and reports their leaves.
struct ChunkWorker {
    private let intake: ChunkIntake
    private let encoder: ChunkEncoder
    private let statistics: WriterStatistics

    init(intake: ChunkIntake, encoder: ChunkEncoder, statistics: WriterStatistics) {
        self.intake = intake
        self.encoder = encoder
        self.statistics = statistics
    }

    /// Works until the queue is finished.
    func run() throws {
        while let item = try intake.queue.pop() {
            switch item {
            case .chunk(let work): try store(work)
            case .barrier(let barrier):
                if barrier.flushes { try encoder.flush() }
                try barrier.arrive()
            }
        }
    }

    private func store(_ work: ChunkWork) throws {
        let plaintext = work.buffer.bytes
        let (id, isNew) = try encoder.store(plaintext, type: .documents)
        statistics.chunks.raise(by: 1)
        if isNew { statistics.newChunks.raise(by: 1) }
        statistics.rawBytes.raise(by: plaintext.byteCount)
        let leaf = try Self.leaf(id, work)
        intake.chunkPool.give(work.buffer)
        work.tally.add(leaf, ordinal: work.ordinal)
    }

    private static func leaf(_ id: ChunkID, _ work: ChunkWork) throws -> Leaf {
        let bytes = work.buffer.bytes
        let first = bytes.extracting(0..<Int(bytes.integer(at: 0, as: UInt32.self)))
        let last = bytes.extracting(work.lastDocumentOffset..<bytes.byteCount)
        return Leaf(
            chunk: id, documents: work.documents, rawBytes: bytes.byteCount,
            firstID: [UInt8](try DocumentIdentity.idBytes(of: first)),
            lastID: [UInt8](try DocumentIdentity.idBytes(of: last)))
    }
}
