import Bytes

/// Turns chunks into sealed chunks of packs: hash, look up, compress, decode again, encrypt. Confined to one thread
/// at a time.
///
/// A chunk is compressed from where it lies straight into the pack's buffer and encrypted there. Nothing is copied.
final class ChunkEncoder {
    private let hasher: ChunkHasher
    private let index: ChunkIndex
    private let builder: PackBuilder
    private let compressor: ChunkCompressor
    private let decompressor = ChunkDecompressor()
    /// Receives each chunk as a reader will see it; grows to the largest chunk met.
    private let scratch = Buffer(capacity: 0)
    private let outlet: PackOutlet
    private let statistics: WriterStatistics

    /// Chunks in one pack. It bounds the directory, and what a pack of tiny chunks costs to look at.
    private static let packEntriesMax = 16_384

    init(
        hasher: ChunkHasher, index: ChunkIndex, builder: PackBuilder, compressor: ChunkCompressor, outlet: PackOutlet,
        statistics: WriterStatistics
    ) {
        self.hasher = hasher
        self.index = index
        self.builder = builder
        self.compressor = compressor
        self.outlet = outlet
        self.statistics = statistics
    }

    /// Makes sure that the repository holds the chunk, as far as packs handed over are concerned; its id, and
    /// whether it is new.
    func store(_ plaintext: RawSpan, type: ChunkType) throws -> (id: ChunkID, isNew: Bool) {
        var clock = StageClock()
        let id = hasher.id(of: plaintext, type: type)
        clock.lap(statistics.hash)
        guard case .claimed = index.claim(id) else { return (id, false) }
        try makeRoom(for: plaintext.byteCount)
        let start = builder.buffer.count
        clock.skip()
        let encoding = compressor.encode(plaintext, type: type, appendingTo: builder.buffer)
        clock.lap(statistics.compress)
        if encoding != .raw { try verify(plaintext, encoding, from: start) }
        clock.lap(statistics.verify)
        try builder.seal(
            from: start, id: id, type: type, encoding: encoding, rawCount: plaintext.byteCount)
        clock.lap(statistics.seal)
        if builder.buffer.count >= outlet.packTarget || builder.count >= Self.packEntriesMax { try flush() }
        return (id, true)
    }

    /// Hands the pack over that is under way, however small.
    func flush() throws {
        guard builder.isOpen, builder.count > 0 else { return }
        try outlet.hand(over: builder.finish())
    }

    /// The pack's buffer never grows: a pack ends before a chunk that might not fit, taken at its raw size.
    private func makeRoom(for rawCount: Int) throws {
        let overhead = AESGCM.tagByteCount + PackEntry.size
        if builder.isOpen, builder.projectedSize + rawCount + overhead > outlet.packCapacity { try flush() }
        if !builder.isOpen { try builder.begin(in: outlet.pool.take()) }
    }

    /// Encoders have had bugs, and memory has bit flips: a chunk that would not come back never counts as stored.
    /// format-spec.md §6.3 [C-4].
    private func verify(_ plaintext: RawSpan, _ encoding: ChunkEncoding, from start: Int) throws {
        let scratch = scratch
        scratch.removeAll()
        let frame = builder.buffer.bytes.extracting(start..<builder.buffer.count)
        let decoded = decompressor.decode(
            frame, encoding, rawCount: plaintext.byteCount, appendingTo: scratch)
        let equal = spansEqual(scratch.bytes, plaintext)
        guard decoded, equal else {
            throw CairnError(
                .corrupt,
                """
                a chunk of \(plaintext.byteCount) bytes did not decode to what was compressed, so it was not \
                stored: this machine's memory or its libzstd \(ZstdVersion.text) is faulty; test the memory before \
                the next \
                backup
                """)
        }
    }
}

/// Where an encoder gets pack buffers from and hands finished packs to.
struct PackOutlet: Sendable {
    let pool: BufferPool
    let queue: BoundedQueue<PackItem>
    /// A pack is finished once it has this many bytes.
    let packTarget: Int
    /// The capacity of the pool's buffers.
    let packCapacity: Int

    func hand(over pack: FinishedPack) throws { try queue.push(.pack(pack, pool)) }
}
