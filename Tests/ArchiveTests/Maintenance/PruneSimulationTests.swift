import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// Two writers, one that forgets and prunes again and again, clocks that differ, jobs that die at any call or sleep
/// past the end of their lease: no snapshot that was committed ever loses a chunk.
@Suite struct PruneSimulationTests {
    /// What a committed snapshot rests on.
    private typealias Committed = [RandomID: Set<ChunkID>]

    @Test func noCommittedSnapshotLosesAChunk() throws {
        let totals = try Parallel.map(Array(UInt64(0)..<1_500), threads: 4, name: "simulation", context: {}) {
            _, seed in
            try Self.simulate(seed: seed)
        }
        // A world in which little is committed, or little removed, would prove little.
        let committed = totals.reduce(0) { $0 + $1.committed }
        let removed = totals.reduce(0) { $0 + $1.removed }
        #expect(committed > 1_500 && removed > 1_500, "\(committed) snapshots committed, \(removed) packs removed")
    }

    /// - Returns: the snapshots that were committed, and the packs that were removed.
    private static func simulate(seed: UInt64) throws -> (committed: Int, removed: Int) {
        let world = SimulatedWorld(seed: seed, jobs: 3)
        let repository = try Repository.create(
            store: world.store, parameters: .cheap, key: .keyFile(1), surroundings: .system)
        let shared = Shared()
        func job(_ body: @escaping @Sendable (Repository, inout SeededGenerator) throws -> Void, _ salt: UInt64)
            -> @Sendable (any ObjectStore, Surroundings) -> Void
        {
            { store, surroundings in
                var random = SeededGenerator(seed: seed &* 31 &+ salt)
                let own = Repository(
                    store: store, config: repository.config, keys: repository.keys, openedBy: repository.openedBy,
                    surroundings: surroundings)
                // A job that dies or finds a lease in its way is started again, as a schedule would.
                for _ in 0..<6 {
                    do {
                        try body(own, &random)
                    } catch let error as CairnError where error.code == .held {
                        world.pass(milliseconds: 200_000)
                    } catch {}
                }
            }
        }
        world.run([
            job({ try backUp(&$1, to: $0, shared) }, 1), job({ try backUp(&$1, to: $0, shared) }, 2),
            job({ try forgetAndPrune(&$1, $0, shared) }, 3),
        ])
        try expectWhole(repository, shared.committed.withLock { $0 }, seed: seed)
        return (shared.commits.withLock { $0 }, shared.removed.withLock { $0 })
    }

    private final class Shared: Sendable {
        let committed = Mutex(Committed())
        let commits = Mutex(0)
        let removed = Mutex(0)
    }

    /// A backup in small: a few documents out of few, so that writers and dead packs share chunks.
    private static func backUp(_ random: inout SeededGenerator, to repository: Repository, _ shared: Shared) throws {
        let lease = try Lease.acquire(.writer, in: repository, note: "writer", duration: 300_000, renewing: false)
        let index = try WriterIndex.load(repository)
        var needed: Set<ChunkID> = []
        let hasher = ChunkHasher(keys: repository.keys)
        var leaves: [Leaf] = []
        var packs: [PackContents] = index.adopted
        for _ in 0..<2 {
            let number = Int.random(in: 0..<6, using: &random)
            let document: BSONDocument = ["_id": .int32(Int32(number)), "text": "stone"]
            let id = hasher.id(of: document.bytes.rawSpan, type: .documents)
            leaves.append(
                Leaf(chunk: id, documents: 1, rawBytes: document.bytes.count, firstID: [], lastID: []))
            needed.insert(id)
            if index.chunks.lookup(id) == nil {
                packs.append(try store(document.bytes, id, .documents, in: repository, index.chunks))
            }
        }
        let entry = CatalogueEntry(
            database: "d", collection: "c", kind: .collection, uuid: nil, options: [:], indexes: [], documents: 2,
            rawBytes: leaves.reduce(0) { $0 + $1.rawBytes }, plan: nil, leafCount: 2, leaves: .inline(leaves)
        ).encode()
        let catalogue = hasher.id(of: entry.bytes.rawSpan, type: .catalogue)
        needed.insert(catalogue)
        if index.chunks.lookup(catalogue) == nil {
            packs.append(try store(entry.bytes, catalogue, .catalogue, in: repository, index.chunks))
        }
        try repository.writeIndexes(of: packs)
        let snapshot = Engine.draft(
            [catalogue],
            Snapshot.Totals(namespaces: 1, documents: 2, rawBytes: 0, chunks: 2, addedBytes: 0), at: 1)
        try lease.committing {
            try repository.writeSnapshot(snapshot)
        } undo: {
            try repository.store.delete(Names.object(.snapshot, snapshot.id))
        }
        shared.committed.withLock { $0[snapshot.id] = needed }
        shared.commits.withLock { $0 += 1 }
        lease.release()
    }

    private static func store(
        _ bytes: [UInt8], _ id: ChunkID, _ type: ChunkType, in repository: Repository, _ index: ChunkIndex
    ) throws -> PackContents {
        let builder = repository.makePackBuilder()
        try builder.begin(in: Buffer(capacity: 1 << 10))
        let offset = builder.buffer.count
        builder.buffer.append(bytes)
        try builder.seal(from: offset, id: id, type: type, encoding: .raw, rawCount: bytes.count)
        let pack = builder.finish()
        try repository.writePack(pack)
        index.insert(pack.contents)
        return pack.contents
    }

    private static func forgetAndPrune(
        _ random: inout SeededGenerator, _ repository: Repository, _ shared: Shared
    ) throws {
        for id in try repository.snapshotIDs() where Bool.random(using: &random) {
            shared.committed.withLock { $0[id] = nil }
            try repository.store.delete(Names.object(.snapshot, id))
        }
        var options = PruneOptions()
        options.grace = Bool.random(using: &random) ? 0 : 60_000
        options.maxUnused = 0
        for _ in 0..<2 {
            let report = try Prune(repository, options: options).run()
            shared.removed.withLock { $0 += report.removedPacks }
        }
    }

    private static func expectWhole(_ repository: Repository, _ committed: Committed, seed: UInt64) throws {
        var packs: Set<RandomID> = []
        try repository.store.list(prefix: "packs/") { info in
            if let id = Names.id(of: info.name, kind: .chunk) { packs.insert(id) }
        }
        var held: Set<ChunkID> = []
        try repository.forEachIndex { _, object in
            for pack in object.packs where packs.contains(pack.identity.id) { held.formUnion(pack.entries.map(\.id)) }
        }
        let present = Set(try repository.snapshotIDs())
        for (id, needed) in committed where present.contains(id) {
            #expect(
                needed.isSubset(of: held), "seed \(seed): snapshot \(id.hex) lost \(needed.subtracting(held).count)")
        }
    }
}
