import Bytes
import ObjectStore

/// Writes chunks into new packs as they are encoded, without what stood between them. Confined to one thread.
final class PackRewriter {
    private let repository: Repository
    private let builder: PackBuilder
    private let opener: ChunkOpener
    private let buffer: Buffer
    private let packTarget: Int
    /// What was written.
    private(set) var packs: [PackContents] = []
    /// Bytes of it.
    private(set) var byteCount = 0

    init(_ repository: Repository, packTarget: Int = 16 << 20) {
        self.repository = repository
        self.packTarget = packTarget
        builder = repository.makePackBuilder()
        opener = repository.makeChunkOpener()
        buffer = Buffer(capacity: packTarget + (4 << 20))
    }

    /// Copies a chunk. It is authenticated on the way, so damage does not spread.
    func copy(_ id: ChunkID, at location: ChunkLocation) throws {
        if builder.isOpen, builder.projectedSize >= packTarget { try finishPack() }
        if !builder.isOpen { try builder.begin(in: buffer) }
        let offset = builder.buffer.count
        try opener.openEncoded(id, at: location, into: builder.buffer) { scratch in
            try repository.store.get(Names.pack(location.pack.id), range: location.range, into: scratch)
        }
        try builder.seal(
            from: offset, id: id, type: location.type, encoding: location.encoding, rawCount: location.rawCount)
    }

    /// Makes everything durable and writes the index objects of the new packs.
    func finish() throws {
        if builder.isOpen { try finishPack() }
        try repository.writeIndexes(of: packs)
    }

    private func finishPack() throws {
        let pack = builder.finish()
        try repository.writePack(pack)
        byteCount += pack.buffer.count
        packs.append(pack.contents)
    }
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
