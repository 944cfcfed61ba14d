import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// Packs: what a builder makes, an opener opens. format-spec.md §7.
@Suite struct PackTests {
    private let keys = KeyRing(masters: [.random(32)], repository: .random())

    private struct Plain {
        let id: ChunkID
        let type: ChunkType
        let bytes: [UInt8]
    }

    private func chunks(_ count: Int, seed: UInt64 = 1) -> [Plain] {
        var random = SeededGenerator(seed: seed)
        let hasher = ChunkHasher(keys: keys)
        return (0..<count).map { number in
            // Every other one compresses.
            let bytes =
                number % 2 == 0
                ? random.bytes(random.integer(1..<3000))
                : [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 2000 + number)
            let type = random.pick([ChunkType.documents, .leafList, .catalogue])
            return Plain(id: hasher.id(of: bytes.rawSpan, type: type), type: type, bytes: bytes)
        }
    }

    private func build(_ chunks: [Plain], keys: KeyRing? = nil) throws -> FinishedPack {
        let builder = PackBuilder(keys: keys ?? self.keys, surroundings: .system)
        let compressor = ZstdCompressor(level: 3)
        try builder.begin(in: Buffer(capacity: 1 << 16))
        for chunk in chunks {
            let start = builder.buffer.count
            var encoding = ChunkEncoding.zstd
            if compressor.compress(chunk.bytes.rawSpan, appendingTo: builder.buffer) == nil {
                encoding = .raw
                builder.buffer.append(chunk.bytes)
            }
            try builder.seal(
                from: start, id: chunk.id, type: chunk.type, encoding: encoding, rawCount: chunk.bytes.count)
        }
        #expect(builder.count == chunks.count)
        return builder.finish()
    }

    private func store(_ pack: FinishedPack) throws -> (MemoryStore, Repository) {
        let store = MemoryStore()
        let config = RepositoryConfig(
            id: keys.repository, created: 0, documentChunks: .documents, metadataChunks: .metadata)
        let repository = Repository(
            store: store, config: config, keys: keys, openedBy: .random(), surroundings: .system)
        try repository.writePack(pack)
        return (store, repository)
    }

    /// [P-2] [P-3] [P-7] [C-3]
    @Test func roundTrip() throws {
        let plain = chunks(40)
        let pack = try build(plain)
        let (_, repository) = try store(pack)
        let opener = repository.makeChunkOpener()
        let output = Buffer(capacity: 4096)
        var number = 0
        try pack.contents.forEachLocation { id, location in
            output.removeAll()
            try repository.readChunk(id, at: location, opener: opener, into: output)
            #expect(output.array == plain[number].bytes)
            #expect(location.slot == number)
            #expect(id == plain[number].id)
            number += 1
        }
        #expect(number == 40)
        #expect(Set(pack.contents.entries.map(\.encoding)) == [.raw, .zstd])
    }

    /// [P-4] [P-6] [P-8] [P-9]: the index can be rebuilt from the pack alone, however long its directory is.
    @Test(arguments: [1, 2, 40, 3000])
    func theDirectorySaysWhatTheIndexSays(count: Int) throws {
        let pack = try build(chunks(count))
        let (_, repository) = try store(pack)
        #expect(try repository.readPackDirectory(pack.id) == pack.contents)
        #expect(pack.contents.objectSize == pack.buffer.count)
        let inMemory = try repository.packDirectory(of: pack.buffer.bytes, id: pack.id)
        #expect(inMemory == pack.contents)
    }

    /// every bit of a pack is covered by some tag or check.
    @Test func everyFlippedByteIsFound() throws {
        let pack = try build(chunks(5))
        let (store, repository) = try store(pack)
        let opener = repository.makeChunkOpener()
        let output = Buffer(capacity: 4096)
        for offset in 0..<pack.buffer.count {
            try store.mutate(pack.name) { $0[offset] ^= 0x04 }
            var found = false
            do { _ = try repository.readPackDirectory(pack.id) } catch let error as CairnError {
                found = true
                #expect(error.object == pack.name.path)
            }
            pack.contents.forEachLocation { id, location in
                do { try repository.readChunk(id, at: location, opener: opener, into: output) } catch {
                    found = true
                    #expect((error as? CairnError)?.code == .corrupt)
                    #expect(location.range.contains(offset))
                }
            }
            #expect(found, "a flip at \(offset) of \(pack.buffer.count)")
            try store.mutate(pack.name) { $0[offset] ^= 0x04 }
        }
    }

    /// [A-1] [K-11] [F-6]: a chunk opens only as itself, in its slot, of its type, encoding and size, in its pack.
    @Test func nothingOpensElsewhere() throws {
        let plain = chunks(4)
        let (one, other) = (try build(plain), try build(plain))
        let opener = ChunkOpener(keys: keys)
        let output = Buffer(capacity: 4096)
        func isOpened(_ id: ChunkID, _ location: ChunkLocation, _ pack: FinishedPack) -> Bool {
            let stored = pack.buffer.bytes.extracting(location.range)
            do { try opener.open(id, at: location, stored: stored, into: output) } catch { return false }
            return true
        }
        var locations: [(ChunkID, ChunkLocation)] = []
        one.contents.forEachLocation { locations.append(($0, $1)) }
        for (id, location) in locations { #expect(isOpened(id, location, one)) }
        let (id, right) = locations[1]
        var wrong = right
        wrong.slot = 2
        #expect(!isOpened(id, wrong, one))
        wrong = right
        wrong.type = right.type == .documents ? .leafList : .documents
        #expect(!isOpened(id, wrong, one))
        wrong = right
        wrong.encoding = .raw
        #expect(!isOpened(id, wrong, one))
        wrong = right
        wrong.rawCount += 1
        #expect(!isOpened(id, wrong, one))
        wrong = right
        wrong.pack.id = other.id
        #expect(!isOpened(id, wrong, one))
        wrong = right
        wrong.pack = other.contents.identity
        #expect(!isOpened(id, wrong, one))
        wrong = right
        wrong.pack.epoch = 1
        #expect(!isOpened(id, wrong, one))
        #expect(!isOpened(locations[2].0, right, one))
        #expect(!isOpened(id, right, other))
        let foreign = ChunkOpener(keys: KeyRing(masters: keys.masters, repository: .random()))
        let stored = [UInt8](one.buffer.bytes.extracting(right.range))
        #expect(throws: CairnError.self) {
            try foreign.open(id, at: right, stored: stored.rawSpan, into: output)
        }
    }

    /// [P-8]: a pack that was cut or that has bytes after its end.
    @Test func sizesAreChecked() throws {
        let pack = try build(chunks(3))
        let (store, repository) = try store(pack)
        for cut in [1, 15, 16, 17, 100, pack.buffer.count - 60, pack.buffer.count - 1] {
            try store.put(pack.name, pack.buffer.bytes.extracting(droppingLast: cut), mode: .replace)
            #expect(throws: CairnError.self) { try repository.readPackDirectory(pack.id) }
        }
        // A whole trailer and directory, but a chunk less in front of them.
        var shifted = pack.buffer.array
        shifted.removeSubrange(48..<(48 + pack.contents.entries[0].storedCount))
        try store.put(pack.name, shifted.rawSpan, mode: .replace)
        #expect(throws: CairnError.self) { try repository.readPackDirectory(pack.id) }
        try store.put(pack.name, (pack.buffer.array + [0]).rawSpan, mode: .replace)
        #expect(throws: CairnError.self) { try repository.readPackDirectory(pack.id) }
    }

    /// [P-5]
    @Test func entriesAreChecked() {
        let id = keys.repository.bytes
        let chunk = SHA256.hash(id.rawSpan)
        for (raw, stored, encoding) in [
            (0, 20, ChunkEncoding.zstd), (1, 16, .zstd), (FormatLimits.chunkSizeMax + 1, 100, .zstd),
            (100, FormatLimits.chunkSizeMax + 17, .zstd), (100, 115, .raw), (100, 117, .raw),
        ] {
            let entry = PackEntry(id: chunk, type: .documents, encoding: encoding, rawCount: raw, storedCount: stored)
            #expect(throws: CairnError.self) { try entry.validate(object: "packs/x") }
        }
    }

    /// One worker makes pack after pack, in buffers that come and go.
    @Test func aBuilderIsUsedAgain() throws {
        let builder = PackBuilder(keys: keys, surroundings: .system)
        var ids: Set<RandomID> = []
        for round in 0..<3 {
            try builder.begin(in: Buffer(capacity: 64))
            builder.buffer.append([UInt8](repeating: 9, count: 100))
            try builder.seal(
                from: PackHeader.size, id: ChunkHasher(keys: keys).id(of: [1].rawSpan, type: .documents),
                type: .documents, encoding: .raw, rawCount: 100)
            if round == 1 {
                #expect(builder.cancel() != nil)
                #expect(!builder.isOpen)
            } else {
                #expect(builder.projectedSize == builder.finish().buffer.count)
            }
            ids.insert(builder.id)
        }
        #expect(ids.count == 3)
    }
}
