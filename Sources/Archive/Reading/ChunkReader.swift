public import Bytes
import ObjectStore

/// Reads chunks by id: look-up, ranged read, decryption, decoding. Confined to one thread, for it owns a cipher, a
/// decompressor and buffers, which it uses again and again; threads share the index.
public final class ChunkReader {
    private let repository: Repository
    private let chunks: ChunkIndex
    private let opener: ChunkOpener
    private let hasher: ChunkHasher

    /// The hash that `LayerTable` keeps identities by. Keyed, so that nobody who writes to the source can make them
    /// collide.
    var identityHash: SipHash { SipHash(key: repository.keys.chunkerKey) }

    /// A reader of `repository`, whose chunks are where `chunks` says.
    public init(repository: Repository, chunks: ChunkIndex) {
        self.repository = repository
        self.chunks = chunks
        opener = repository.makeChunkOpener()
        hasher = ChunkHasher(keys: repository.keys)
    }

    /// Appends the plaintext of a chunk to `output`.
    ///
    /// What it appends is what a holder of the keys sealed under this id and type. That the id is the keyed hash of
    /// the plaintext is implied as long as no writer was faulty; `readVerified` computes it.
    ///
    /// A chunk that is bad at one place is read from another one, when the index came from `Repository.loadIndex`.
    ///
    /// - Throws: `.corrupt` when no index object names the chunk, its pack is missing, or its bytes are damaged;
    ///   the error names the
    ///   pack and the offset. `output` is as before then.
    public func read(_ id: ChunkID, type: ChunkType, into output: Buffer) throws {
        try fromAnyPlace(of: id, type: type) { try read(id, at: $0, into: output) }
    }

    /// Like `read`, and computes the hash of the plaintext.
    public func readVerified(_ id: ChunkID, type: ChunkType, into output: Buffer) throws {
        let start = output.count
        try fromAnyPlace(of: id, type: type) { location in
            try read(id, at: location, into: output)
            try verify(id, type: type, from: start, of: output, at: location)
        }
    }

    private func verify(
        _ id: ChunkID, type: ChunkType, from start: Int, of output: Buffer, at location: ChunkLocation
    ) throws {
        guard hasher.id(of: output.bytes.extracting(start..<output.count), type: type) == id else {
            output.truncate(to: start)
            throw CairnError(
                .corrupt, "chunk \(id.hex) holds something else than its name says: whoever wrote it was faulty",
                object: Names.packText(location.pack.id), offset: location.offset)
        }
    }

    /// Calls `body` with one place of the chunk after the other, until one is good. format-spec.md §8 [I-2].
    ///
    /// - Throws: what was wrong at the first place, when all are bad; anything but damage at once.
    private func fromAnyPlace(of id: ChunkID, type: ChunkType, _ body: (ChunkLocation) throws -> Void) throws {
        let first = try location(of: id, type: type)
        do {
            try body(first)
        } catch let error as CairnError where error.code == .corrupt {
            guard let others = chunks.otherPlaces else { throw error }
            for place in try others.places(of: id, besides: first, in: repository) {
                do {
                    return try body(place)
                } catch let other as CairnError where other.code == .corrupt {}
            }
            throw error
        }
    }

    private func read(_ id: ChunkID, at location: ChunkLocation, into output: Buffer) throws {
        do {
            try open(id, at: location, into: output)
        } catch let error as CairnError where error.code == .corrupt {
            guard location.type.isReadOften, repository.store.forget(Names.pack(location.pack.id)) else { throw error }
            try open(id, at: location, into: output)
        }
    }

    private func open(_ id: ChunkID, at location: ChunkLocation, into output: Buffer) throws {
        let store = repository.store
        let name = Names.pack(location.pack.id)
        do {
            try opener.open(id, at: location, into: output) { buffer in
                guard location.type.isReadOften else {
                    return try store.get(name, range: location.range, into: buffer)
                }
                try store.getOften(name, range: location.range, into: buffer)
            }
        } catch let error as CairnError where error.code == .notFound {
            throw CairnError(
                .corrupt, "the pack with chunk \(id.hex) is missing", object: Names.packText(location.pack.id),
                offset: location.offset, underlying: error)
        }
    }

    private func location(of id: ChunkID, type: ChunkType) throws -> ChunkLocation {
        guard let location = chunks.lookup(id) else {
            throw CairnError(
                .corrupt,
                "chunk \(id.hex) is in no index; if its pack is still there, `cairn check --repair` finds it",
                object: "indexes/")
        }
        guard location.type == type else {
            throw CairnError(
                .corrupt, "chunk \(id.hex) is of type \(location.type) where \(type) belongs",
                object: Names.packText(location.pack.id), offset: location.offset)
        }
        return location
    }
}

extension ChunkType {
    /// Whether each operation on a snapshot reads it again: what leads to its documents, and not these.
    fileprivate var isReadOften: Bool {
        switch self {
        case .leafList, .catalogue, .run: true
        case .documents, .oplog: false
        }
    }
}
