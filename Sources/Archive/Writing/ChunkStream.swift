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
        let size = document.byteCount
        if chunker.mustEnd(beforeDocumentOf: size) { try endChunk() }
        let buffer = try self.buffer ?? begin()
        lastDocumentOffset = buffer.count
        buffer.append(document)
        documentsInChunk += 1
        rawBytes += size
        if chunker.endsChunk(after: identity.isEmpty ? document : identity, size: size) { try endChunk() }
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
