import BSON
import Bytes

/// The documents of one scan range on their way into chunks. Confined to one thread.
///
/// Each document is copied once, into the chunk that it becomes part of; a full chunk goes to the workers, and the
/// stream blocks while they are busy. Nothing is allocated per document.
public final class ChunkStream {
    private let intake: ChunkIntake
    private let tally: StreamTally<Leaf>
    private var chunker: Chunker
    private var buffer: Buffer?
    private var documentsInChunk = 0
    private var lastDocumentOffset = 0
    private var chunks = 0
    private var finished = false

    /// Documents taken so far.
    public private(set) var documents = 0
    /// Bytes of the documents taken so far.
    public private(set) var rawBytes = 0

    init(intake: ChunkIntake, chunker: Chunker) {
        self.intake = intake
        self.chunker = chunker
        tally = StreamTally(failure: intake.failure)
    }

    /// Takes a copy of `document`.
    ///
    /// - Parameter identity: the bytes of its `_id` (`DocumentIdentity.idBytes`), empty when it has none.
    /// - Throws: the writer's first error; the stream is of no use any more then.
    public func append(document: RawSpan, identity: RawSpan) throws {
        precondition(!finished, "append after finish")
        // A copy and back: properties of classes that are changed in place are checked at run time for overlapping
        // accesses, here for every document.
        var chunker = chunker
        if chunker.mustEnd(beforeDocumentOf: document.byteCount) { try endChunk() }
        try take(document, count: 1, last: 0)
        let ends = chunker.endsChunk(after: identity.isEmpty ? document : identity, size: document.byteCount)
        self.chunker = chunker
        if ends { try endChunk() }
    }

    /// Takes copies of documents that lie one behind the other, as in a chunk: what comes into the same chunk is copied
    /// at once.
    ///
    /// - Throws: `.corrupt` for a document that is malformed; as the other `append`.
    public func append(contentsOf documents: RawSpan) throws {
        precondition(!finished, "append after finish")
        var chunker = chunker
        defer { self.chunker = chunker }
        var walk = DocumentBatch.Chunk(documents)
        // Documents that are in this chunk, and not copied yet: `count` of them, the last one at `last`.
        var (start, last, end, count) = (0, 0, 0, 0)
        while let document = try walk.next() {
            if chunker.mustEnd(beforeDocumentOf: document.byteCount) {
                try take(documents.extracting(start..<end), count: count, last: last - start)
                try endChunk()
                (start, count) = (end, 0)
            }
            (last, end, count) = (end, end + document.byteCount, count + 1)
            let identity = try DocumentIdentity.idBytes(of: document)
            if chunker.endsChunk(after: identity.isEmpty ? document : identity, size: document.byteCount) {
                try take(documents.extracting(start..<end), count: count, last: last - start)
                try endChunk()
                (start, count) = (end, 0)
            }
        }
        try take(documents.extracting(start..<end), count: count, last: last - start)
    }

    /// Copies `count` documents, the last of which is at `last`.
    private func take(_ bytes: RawSpan, count: Int, last: Int) throws {
        guard count > 0 else { return }
        let buffer = try self.buffer ?? begin()
        lastDocumentOffset = buffer.count + last
        buffer.append(bytes)
        documentsInChunk += count
        rawBytes += bytes.byteCount
    }

    /// Whether everything taken so far is in chunks that ended by their content: what follows is cut as it would be by
    /// a stream that begins here.
    public var isBetweenChunks: Bool { buffer == nil }

    /// Ends the stream. Its last chunk goes to the workers; `wait()` gives the leaves.
    public func finish() throws {
        precondition(!finished, "finish once")
        finished = true
        try endChunk()
        tally.finish(chunks: chunks)
    }

    /// Waits until the workers have stored every chunk of the finished stream.
    ///
    /// - Throws: the writer's first error.
    public func wait() throws -> StoredStream {
        StoredStream(leaves: try tally.wait(), documents: documents, rawBytes: rawBytes)
    }

    /// A stream that is dropped half-way (its range failed and will be read again) gives its buffer back. Chunks
    /// that were cut already stay in the repository: reading the range again finds them.
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
        documents += documentsInChunk
        let work = ChunkWork(
            buffer: buffer, ordinal: chunks,
            content: .documents(count: documentsInChunk, lastDocumentOffset: lastDocumentOffset, tally))
        documentsInChunk = 0
        chunks += 1
        try intake.queue.push(.chunk(work))
    }
}
