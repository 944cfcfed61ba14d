import Bytes
import ObjectStore

/// Writes chunks into new packs, encoded as they were or anew, without what stood between them. Confined to one thread.
final class PackRewriter {
    private let repository: Repository
    private let builder: PackBuilder
    private let opener: ChunkOpener
    private let buffer: Buffer
    private let packTarget: Int
    private let packsPerIndex: Int
    /// What was written.
    private(set) var packs: [PackContents] = []
    /// How many of them index objects name.
    private var indexed = 0
    /// The lowest level of the chunks in the open pack; nil when one has none.
    private var level: Int?
    /// What kind of chunks is in the open pack.
    private var holdsMetadata = false
    /// Bytes of the packs that were written.
    private(set) var byteCount = 0

    /// - Parameter packsPerIndex: an index object is written after this many packs, so that what is interrupted has not
    ///   been in vain: chunks that an index object names are not copied again.
    init(_ repository: Repository, packTarget: Int = 16 << 20, packsPerIndex: Int = 64) {
        self.repository = repository
        self.packTarget = packTarget
        self.packsPerIndex = packsPerIndex
        builder = repository.makePackBuilder()
        opener = repository.makeChunkOpener()
        buffer = Buffer(capacity: packTarget + (4 << 20))
    }

    /// Copies a chunk as it is encoded. It is authenticated on the way, so damage does not spread.
    ///
    /// - Parameter level: that of the pack in which it is.
    func copy(_ id: ChunkID, at location: ChunkLocation, level: Int?) throws {
        try makeRoom(for: location.storedCount, location.type, level)
        let offset = builder.buffer.count
        try opener.openEncoded(id, at: location, into: builder.buffer) { scratch in
            try repository.store.get(Names.pack(location.pack.id), range: location.range, into: scratch)
        }
        let chunk = EncodedChunk(
            id: id, type: location.type, encoding: location.encoding, rawCount: location.rawCount)
        try seal(chunk, from: offset)
    }

    /// Writes a chunk that was encoded, and decoded again, by the caller.
    func add(_ chunk: EncodedChunk, _ encoded: RawSpan, level: Int) throws {
        try makeRoom(for: encoded.byteCount, chunk.type, level)
        let offset = builder.buffer.count
        builder.buffer.append(encoded)
        try seal(chunk, from: offset)
    }

    private func seal(_ chunk: EncodedChunk, from offset: Int) throws {
        do {
            try builder.seal(
                from: offset, id: chunk.id, type: chunk.type, encoding: chunk.encoding, rawCount: chunk.rawCount)
        } catch {
            builder.cancel()
            throw error
        }
    }

    private func makeRoom(for encodedCount: Int, _ type: ChunkType, _ level: Int?) throws {
        // The two kinds stay apart, as writers put them: they may lie in different tiers.
        let isOther = type.isMetadata != holdsMetadata
        if builder.isOpen, isOther || builder.projectedSize >= packTarget || !builder.hasRoom(for: encodedCount) {
            try finishPack()
        }
        holdsMetadata = type.isMetadata
        if builder.isOpen {
            self.level = self.level.flatMap { open in level.map { min(open, $0) } }
        } else {
            try builder.begin(in: buffer)
            self.level = level
        }
    }

    /// Makes everything durable and writes the index objects of the new packs.
    func finish() throws {
        if builder.isOpen, builder.count > 0 { try finishPack() }
        try writeIndexes()
    }

    private func finishPack() throws {
        let pack = builder.finish()
        try repository.writePack(pack)
        byteCount += pack.buffer.count
        var contents = pack.contents
        contents.level = level
        packs.append(contents)
        if packs.count - indexed >= packsPerIndex { try writeIndexes() }
    }

    private func writeIndexes() throws {
        try repository.writeIndexes(of: Array(packs[indexed...]))
        indexed = packs.count
    }
}

/// What a pack's directory says of a chunk, but for its size there.
struct EncodedChunk: Sendable {
    let id: ChunkID
    let type: ChunkType
    let encoding: ChunkEncoding
    let rawCount: Int
}

extension Repository {
    /// Writes as many index objects as it takes to name `packs`.
    ///
    /// - Returns: their ids.
    @discardableResult
    func writeIndexes(of packs: [PackContents]) throws -> [RandomID] {
        var written: [RandomID] = []
        var next = IndexObject(packs: [])
        for pack in packs {
            if !next.packs.isEmpty, next.entryCount + pack.entries.count > FormatLimits.indexEntriesMax {
                written.append(try writeIndex(next))
                next = IndexObject(packs: [])
            }
            next.packs.append(pack)
        }
        if !next.packs.isEmpty { written.append(try writeIndex(next)) }
        return written
    }
}
