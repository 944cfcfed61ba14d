public import BSON
import Bytes

/// Entries of the oplog on their way into chunks. Confined to one thread.
///
/// Where a chunk ends depends on the times of the entries near by alone. So two segments that overlap, one of a
/// follower and one of an incremental, share the chunks in between.
public final class OplogStream {
    private let intake: ChunkIntake
    private let tally: StreamTally<OplogChunk>
    private var chunker: Chunker
    private var buffer: Buffer?
    private var entriesInChunk = 0
    private var first = Timestamp(rawValue: 0)
    private var last = Timestamp(rawValue: 0)
    private var chunks = 0
    private var finished = false
    /// The time of the newest entry as the eight bytes that the chunker hashes.
    private let timeBytes = Buffer(capacity: 8)

    /// Entries taken so far.
    public private(set) var entries = 0
    /// Bytes of the entries taken so far.
    public private(set) var rawBytes = 0

    init(intake: ChunkIntake, chunker: Chunker) {
        self.intake = intake
        self.chunker = chunker
        tally = StreamTally(failure: intake.failure)
    }

    /// Takes a copy of `entry`, whose `ts` is `time`.
    ///
    /// - Throws: `.corrupt` when `time` is not behind that of the entry before; the writer's first error, after which
    ///   the stream is of no use any more.
    public func append(entry: RawSpan, time: Timestamp) throws {
        precondition(!finished, "append after finish")
        guard time > last else {
            throw CairnError(.corrupt, "the oplog goes back from \(last) to \(time)", object: "local.oplog.rs")
        }
        let size = entry.byteCount
        if chunker.mustEnd(beforeDocumentOf: size) { try endChunk() }
        let buffer = try self.buffer ?? begin()
        buffer.append(entry)
        if entriesInChunk == 0 { first = time }
        last = time
        entriesInChunk += 1
        entries += 1
        rawBytes += size
        let timeBytes = timeBytes
        timeBytes.removeAll()
        timeBytes.append(littleEndian: time.rawValue)
        if chunker.endsChunk(after: timeBytes.bytes, size: size) { try endChunk() }
    }

    /// Ends the stream and waits until the workers have stored its chunks. Durable they are after
    /// `ArchiveWriter.flush`.
    ///
    /// - Throws: the writer's first error.
    public func finish() throws -> [OplogChunk] {
        precondition(!finished, "finish once")
        finished = true
        try endChunk()
        tally.finish(chunks: chunks)
        return try tally.wait()
    }

    /// A stream that is dropped half-way gives its buffer back.
    deinit {
        if let buffer { intake.chunkPool.give(buffer) }
    }

    private func begin() throws -> Buffer {
        let taken = try intake.chunkPool.take()
        buffer = taken
        return taken
    }

    private func endChunk() throws {
        guard let buffer = buffer.take() else { return }
        let work = ChunkWork(
            buffer: buffer, ordinal: chunks,
            content: .oplog(count: entriesInChunk, first: first, last: last, tally))
        entriesInChunk = 0
        chunks += 1
        try intake.queue.push(.chunk(work))
    }
}
