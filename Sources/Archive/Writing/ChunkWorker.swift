import BSON
import Bytes

/// One worker thread: takes chunks, has them stored, and reports where they are.
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
        let buffer = work.buffer
        switch work.content {
        case .documents(let count, let lastDocumentOffset, let tally):
            let (id, isNew) = try encoder.store(buffer.bytes, type: .documents)
            statistics.chunks.raise(by: 1)
            if isNew { statistics.newChunks.raise(by: 1) }
            statistics.rawBytes.raise(by: buffer.count)
            let leaf = try Self.leaf(id, buffer.bytes, count, lastDocumentOffset)
            intake.chunkPool.give(buffer)
            tally.add(leaf, ordinal: work.ordinal)
        case .oplog(let count, let first, let last, let tally):
            let id = try encoder.store(buffer.bytes, type: .oplog).id
            let chunk = OplogChunk(chunk: id, entries: count, rawBytes: buffer.count, first: first, last: last)
            intake.chunkPool.give(buffer)
            tally.add(chunk, ordinal: work.ordinal)
        }
    }

    private static func leaf(_ id: ChunkID, _ bytes: RawSpan, _ count: Int, _ lastOffset: Int) throws -> Leaf {
        let first = bytes.extracting(0..<Int(bytes.integer(at: 0, as: UInt32.self)))
        let last = bytes.extracting(lastOffset..<bytes.byteCount)
        return Leaf(
            chunk: id, documents: count, rawBytes: bytes.byteCount,
            firstID: [UInt8](try DocumentIdentity.idBytes(of: first)),
            lastID: [UInt8](try DocumentIdentity.idBytes(of: last)))
    }
}
