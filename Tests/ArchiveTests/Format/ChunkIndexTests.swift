import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// The index in memory and on disk. format-spec.md §8.
@Suite struct ChunkIndexTests {
    private static func id(_ number: Int) -> ChunkID { SHA256.hash(Array("chunk \(number)".utf8).rawSpan) }

    private static func pack(_ numbers: Range<Int>, random: inout SeededGenerator) -> PackContents {
        let identity = PackIdentity(
            id: RandomID(random.bytes(16).rawSpan), epoch: 0, salt: Digest256(random.bytes(32).rawSpan))
        return PackContents(
            identity: identity,
            entries: numbers.map {
                PackEntry(
                    id: id($0), type: .documents, encoding: .zstd, rawCount: 1_000_000 + $0, storedCount: 300 + $0 % 7)
            })
    }

    @Test func lookup() {
        var random = SeededGenerator(seed: 1)
        let index = ChunkIndex()
        let packs = [Self.pack(0..<100, random: &random), Self.pack(100..<5000, random: &random)]
        packs.forEach(index.insert)
        #expect(index.count == 5000)
        for pack in packs {
            pack.forEachLocation { id, location in #expect(index.lookup(id) == location) }
        }
        #expect(index.lookup(Self.id(5000)) == nil)
        var seen: Set<ChunkID> = []
        index.forEach { id, location in
            seen.insert(id)
            #expect(location.rawCount >= 1_000_000)
        }
        #expect(seen.count == 5000)
        #expect(Set(index.packs) == Set(packs.map(\.identity)))
    }

    /// [I-1] [I-2]: a pack named twice counts once; of two places of a chunk the first is kept.
    @Test func repetitions() {
        var random = SeededGenerator(seed: 2)
        let index = ChunkIndex()
        let (one, two) = (Self.pack(0..<10, random: &random), Self.pack(5..<15, random: &random))
        for pack in [one, two, one] { index.insert(pack) }
        #expect(index.count == 15)
        #expect(index.lookup(Self.id(7))?.pack == one.identity)
        #expect(index.lookup(Self.id(12))?.pack == two.identity)
        index.remove(pack: two.identity.id)
        #expect(index.count == 10)
        #expect(index.lookup(Self.id(12)) == nil)
        #expect(index.lookup(Self.id(7))?.pack == one.identity)
        #expect(!index.contains(pack: two.identity.id) && index.contains(pack: one.identity.id))
        index.insert(two)
        #expect(index.count == 15)
        #expect(index.lookup(Self.id(12))?.pack == two.identity)
    }

    @Test func claims() {
        var random = SeededGenerator(seed: 3)
        let index = ChunkIndex()
        let pack = Self.pack(0..<1, random: &random)
        #expect(index.claim(Self.id(0)) == .claimed)
        #expect(index.claim(Self.id(0)) == .pending)
        #expect(index.lookup(Self.id(0)) == nil)
        #expect(index.count == 0)
        index.abandon(Self.id(0))
        #expect(index.claim(Self.id(0)) == .claimed)
        index.insert(pack)
        guard case .known(let location) = index.claim(Self.id(0)) else { return #expect(Bool(false)) }
        #expect(location.pack == pack.identity)
        index.abandon(Self.id(0))
        #expect(index.count == 1)
    }

    /// Of many threads that want to store the same chunks, one gets each.
    @Test func claimsOfManyThreads() {
        let index = ChunkIndex()
        let claimed = Mutex(0)
        let threads = (0..<4).map { worker in
            OwnedThread(name: "claim") {
                for number in 0..<2000 where index.claim(Self.id((number * 7 + worker) % 2000)) == .claimed {
                    claimed.withLock { $0 += 1 }
                }
            }
        }
        threads.forEach { $0.join() }
        #expect(claimed.withLock { $0 } == 2000)
    }

    /// At most 100 bytes a chunk, also right after the table has grown.
    @Test func memory() {
        #expect(ChunkIndex.bytesPerEntry == 56)
        var random = SeededGenerator(seed: 4)
        let index = ChunkIndex()
        var worst = 0.0
        // Packs of 40 chunks: about 16 MiB, as they are written.
        for number in 0..<10_000 {
            let pack = Self.pack(number * 40..<(number + 1) * 40, random: &random)
            index.insert(pack)
            if number > 1000 { worst = max(worst, Double(index.memoryFootprint) / Double(index.count)) }
        }
        #expect(index.count == 400_000)
        #expect(worst <= 100, "\(worst) bytes a chunk at worst")
    }

    @Test func roundTripOfAnIndexObject() throws {
        var random = SeededGenerator(seed: 5)
        let store = MemoryStore()
        let repository = try Repository.create(store: store, parameters: .cheap, key: .keyFile(1))
        let object = IndexObject(packs: [
            Self.pack(0..<10, random: &random), Self.pack(10..<500, random: &random),
        ])
        let id = try repository.writeIndex(object)
        #expect(try repository.readIndex(id) == object)
        try repository.writeIndex(IndexObject(packs: [Self.pack(500..<600, random: &random)]))
        #expect(try repository.loadIndex().count == 600)
        #expect(object.encode().bytes.count < object.entryCount * 46)
    }

    /// A damaged index object is thrown, or passed to who wants to go on.
    @Test func damagedIndexObjects() throws {
        var random = SeededGenerator(seed: 6)
        let store = MemoryStore()
        let repository = try Repository.create(store: store, parameters: .cheap, key: .keyFile(1))
        let id = try repository.writeIndex(IndexObject(packs: [Self.pack(0..<10, random: &random)]))
        try repository.writeIndex(IndexObject(packs: [Self.pack(10..<30, random: &random)]))
        try store.mutate(Names.object(.index, id)) { $0[100] ^= 1 }
        #expect(throws: CairnError.self) { try repository.loadIndex() }.map { #expect($0.code == .corrupt) }
        var damaged: [RandomID] = []
        let index = try repository.loadIndex { id, _ in damaged.append(id) }
        #expect(damaged == [id])
        #expect(index.count == 20)
    }
}

/// What a merge of index objects by maintenance looks like to those who read them meanwhile.
@Suite struct IndexRaceTests {
    /// A store in which, right after the first listing of index objects, each of them is replaced by another one.
    private final class MergingStore: ObjectStore {
        let base: MemoryStore
        let merge: @Sendable () -> Void
        private let isMerged = Mutex(false)
        var location: String { base.location }

        init(_ base: MemoryStore, merge: @escaping @Sendable () -> Void) {
            self.base = base
            self.merge = merge
        }

        func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
            try base.list(prefix: prefix, body)
            let isFirst =
                prefix == ObjectKind.index.folder
                && isMerged.withLock { merged in
                    defer { merged = true }
                    return !merged
                }
            if isFirst { merge() }
        }

        func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
            try base.put(name, bytes, mode: mode)
        }
        func get(_ name: ObjectName, into buffer: Buffer) throws { try base.get(name, into: buffer) }
        func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
            try base.get(name, range: range, into: buffer)
        }
        func stat(_ name: ObjectName) throws -> ObjectInfo? { try base.stat(name) }
        func delete(_ name: ObjectName) throws { try base.delete(name) }
        func settle(_ names: [ObjectName]) throws { try base.settle(names) }
    }

    @Test func mergedIndexObjectsAreReadWhereTheyWent() throws {
        let base = MemoryStore()
        let repository = try Repository.create(store: base, parameters: .cheap, key: .keyFile(1))
        try Engine.backUp(Engine.sample, to: repository)
        let expected = try repository.loadIndex().count
        for read in [
            { try $0.loadIndex().count }, { try WriterIndex.load($0).chunks.count },
            { try Check.run($0, options: CheckOptions(workers: 1)).chunks },
        ] as [(Repository) throws -> Int] {
            let merging = MergingStore(base) {
                let old = (try? repository.list(.index)) ?? []
                let packs = old.flatMap { (try? repository.readIndex($0).packs) ?? [] }
                _ = try? repository.writeIndex(IndexObject(packs: packs))
                for id in old { try? base.delete(Names.object(.index, id)) }
            }
            #expect(try read(Repository.open(store: merging, key: .keyFile(1))) == expected)
            #expect(try WriterIndex.load(repository).adopted.isEmpty)
        }
    }
}
