import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// Two writers, two that forget, prune and compress anew again and again, clocks that differ, jobs that die at any
/// call, or sleep inside one past the end of their lease: no snapshot that counts ever loses a chunk.
///
/// Which guards it proves was seen by taking out one at a time, with 500 seeds:
///
/// ```
/// without                                        goes wrong                                  red
/// writers pass condemned packs over [D-3]        a snapshot rests on a pack that is swept    here
/// who wrote before the list is a suspect [D-2]   the same                                    here, FenceTests
/// leases that ended are fenced off [Y-1]         a commit that lands late counts             here, FenceTests
/// a needed chunk spares its pack [D-2]           it is swept                                 here
/// writers take no pack that is gone [D-8]        a snapshot rests on it                      here, PruneDamageTests
/// suspects are waited for [D-2]                  a writer at work is fenced off              FenceTests
/// void commits do not count [Y-2]                one is listed whose chunks are gone         FenceTests
/// a fence keeps what was in time [Y-1]           it is made void                             FenceTests
/// the lease is held after a commit [W-9]         a void commit is taken for done             FenceTests
/// a lost lease is not given back [G-6]           it looks released: no fence is made         FenceTests
/// a plan takes no pack that is gone [D-8]        the only good place of a chunk is removed   PruneDamageTests
/// ```
/// Nothing turned red here without: copies of what only condemned packs hold [D-6]; spared packs staying condemned
/// [D-7]; keeping the lease when a commit failed, and the fence when a renewal took too long [G-6]; passing over the
/// packs of all lists and sparing every pack that holds a chunk [D-2]; roots before the index [D-2]; a sweep, and a
/// take-over, that take no pack that is gone [D-8]. `PruneGuardTests` and `FenceTests` have a course of events for
/// each. The look at the lease before a commit only saves work, for the one after it decides.
@Suite struct PruneSimulationTests {
    /// What a committed snapshot rests on.
    private typealias Committed = [RandomID: Set<ChunkID>]

    /// How jobs end that were overtaken: a call that they were killed in, and packs that others removed meanwhile, or
    /// whose removal was on its way when they were listed. The next attempt does not find these in the listing, so no
    /// job fails for ever (format-spec.md §11.1): at the end each kind has to come through.
    private static let overtaken: Set<CairnError.Code> = [.unreachable, .corrupt, .notFound]

    @Test func noCommittedSnapshotLosesAChunk() throws {
        let totals = try Parallel.map(Array(UInt64(0)..<500), threads: 4, name: "simulation", context: {}) {
            _, seed in
            try Self.simulate(seed: seed)
        }
        // A world in which little is committed, or little removed, would prove little.
        let committed = totals.reduce(0) { $0 + $1.committed }
        let removed = totals.reduce(0) { $0 + $1.removed }
        let fences = totals.reduce(0) { $0 + $1.fences }
        let rewritten = totals.reduce(0) { $0 + $1.rewritten }
        #expect(
            committed > 500 && removed > 500 && fences > 100 && rewritten > 50,
            """
            \(committed) snapshots committed, \(removed) packs removed, \(fences) leases fenced off, \
            \(rewritten) packs compressed anew
            """)
    }

    /// - Returns: the snapshots that were committed, the packs that were removed, the leases that were fenced off, and
    ///   the packs that were compressed anew.
    private static func simulate(seed: UInt64) throws -> (committed: Int, removed: Int, fences: Int, rewritten: Int) {
        let world = SimulatedWorld(seed: seed, jobs: 4)
        let repository = try Repository.create(
            store: world.store, parameters: .cheap, key: .keyFile(1), surroundings: .system)
        let shared = Shared()
        func job(_ body: @escaping @Sendable (Repository, inout SeededGenerator) throws -> Void, _ salt: UInt64)
            -> @Sendable (GatedStore, Surroundings) -> Void
        {
            { store, surroundings in
                var random = SeededGenerator(seed: seed &* 31 &+ salt)
                let own = repository.seen(through: store, surroundings)
                // A job that dies or finds a lease in its way is started again, as a schedule would.
                for _ in 0..<8 {
                    do {
                        try body(own, &random)
                    } catch let error as CairnError where error.code == .held {
                        world.pass(milliseconds: 200_000)
                    } catch let error as CairnError where Self.overtaken.contains(error.code) {
                        // Who was overtaken while it slept may look for what is gone. What is whole shows in the end.
                    } catch {
                        if !(error is SimulatedWorld.Crash) { shared.surprises.withLock { $0.append("\(error)") } }
                    }
                    store.restart()
                }
            }
        }
        world.run([
            job({ try backUp(&$1, to: $0, shared) }, 1), job({ try backUp(&$1, to: $0, shared) }, 2),
            job({ try forgetAndPrune(&$1, $0, shared) }, 3), job({ try forgetAndPrune(&$1, $0, shared) }, 4),
        ])
        for surprise in shared.surprises.withLock({ $0 }) { Issue.record("seed \(seed): \(surprise)") }
        try expectWhole(repository, shared.committed.withLock { $0 }, seed: seed)
        // Whatever was left behind, the next prune gets on with it, and takes nothing that counts.
        var options = PruneOptions()
        options.grace = 0
        let later = world.now + 10_000_000
        let after = repository.seen(through: world.store, Surroundings(random: Surroundings.system.random) { later })
        _ = try Prune(after, options: options).run()
        try expectWhole(repository, shared.committed.withLock { $0 }, seed: seed)
        // What is spared is copied and let go. No attempt may fail, for nothing is on its way any more.
        _ = try Recompression(after, options: RecompressionOptions(level: 5, workers: 1)).run()
        for _ in 0..<2 { _ = try Prune(after, options: options).run() }
        try expectWhole(repository, shared.committed.withLock { $0 }, seed: seed)
        return (
            shared.commits.withLock { $0 }, shared.removed.withLock { $0 }, try repository.list(.fence).count,
            shared.rewritten.withLock { $0 }
        )
    }

    private final class Shared: Sendable {
        let committed = Mutex(Committed())
        let commits = Mutex(0)
        let removed = Mutex(0)
        let rewritten = Mutex(0)
        let surprises = Mutex<[String]>([])
    }

    /// A backup in small: a few documents out of few, so that writers and dead packs share chunks.
    private static func backUp(_ random: inout SeededGenerator, to repository: Repository, _ shared: Shared) throws {
        let entry = try WriterEntry.acquire(in: repository, note: "writer", duration: 300_000, renewing: false)
        let lease = entry.lease
        defer { lease.release() }
        let parents = Bool.random(using: &random) ? try entry.snapshots() : []
        let index = try entry.loadIndex()
        var needed: Set<ChunkID> = []
        let hasher = ChunkHasher(keys: repository.keys)
        var leaves: [Leaf] = []
        var packs: [PackContents] = index.adopted
        if let parent = parents.randomElement(using: &random) {
            leaves = try self.leaves(of: parent, index, repository)
            needed = Set(leaves.map(\.chunk))
        }
        while leaves.count < 2 {
            let number = Int.random(in: 0..<6, using: &random)
            let document: BSONDocument = [
                "_id": .int32(Int32(number)), "text": .string(String(repeating: "stone ", count: 30)),
            ]
            let id = hasher.id(of: document.bytes.rawSpan, type: .documents)
            leaves.append(
                Leaf(chunk: id, documents: 1, rawBytes: document.bytes.count, firstID: [], lastID: []))
            needed.insert(id)
            if index.chunks.lookup(id) == nil {
                packs.append(try store(document.bytes, id, .documents, in: repository, index.chunks))
            }
        }
        let stored = CatalogueEntry(
            database: "d", collection: "c", kind: .collection, uuid: nil, options: [:], indexes: [], documents: 2,
            rawBytes: leaves.reduce(0) { $0 + $1.rawBytes }, plan: nil, leafCount: 2, leaves: .inline(leaves)
        ).encode()
        let catalogue = hasher.id(of: stored.bytes.rawSpan, type: .catalogue)
        needed.insert(catalogue)
        if index.chunks.lookup(catalogue) == nil {
            packs.append(try store(stored.bytes, catalogue, .catalogue, in: repository, index.chunks))
        }
        try repository.writeIndexes(of: packs)
        if Bool.random(using: &random) { try lease.renew() }
        var snapshot = Engine.draft(
            [catalogue],
            Snapshot.Totals(namespaces: 1, documents: 2, rawBytes: 0, chunks: 2, addedBytes: 0), at: 1)
        snapshot.lease = lease.id
        try lease.committing { [snapshot] in
            try repository.writeSnapshot(snapshot)
        } undo: {
            try repository.store.delete(Names.object(.snapshot, snapshot.id))
        }
        shared.committed.withLock { $0[snapshot.id] = needed }
        shared.commits.withLock { $0 += 1 }
    }

    /// As an incremental: refers to what another snapshot refers to without having it in hand.
    private static func leaves(of parent: Snapshot, _ index: WriterIndex, _ repository: Repository) throws -> [Leaf] {
        var leaves: [Leaf] = []
        do {
            try index.takeOver(parent, repository)
            let reader = SnapshotReader(repository: repository, chunks: index.chunks, snapshot: parent)
            try reader.forEachEntry { entry in
                if case .inline(let own) = entry.leaves { leaves += own }
            }
        } catch let error as CairnError where error.code == .corrupt || error.code == .notFound {
            // Forgotten and removed meanwhile.
            return []
        }
        return leaves
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
            if Bool.random(using: &random) {
                let level = Int.random(in: 1...4, using: &random)
                let options = RecompressionOptions(level: level, workers: 1)
                let report = try Recompression(repository, options: options).run()
                shared.rewritten.withLock { $0 += report.packsRewritten }
            }
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
        let index = ChunkIndex()
        try repository.forEachIndex { _, object in
            for pack in object.packs where packs.contains(pack.identity.id) {
                held.formUnion(pack.entries.map(\.id))
                index.insert(pack)
            }
        }
        let present = Set(try repository.everySnapshot().map(\.id))
        let valid = try repository.snapshots()
        for (id, needed) in committed where present.contains(id) {
            #expect(
                needed.isSubset(of: held), "seed \(seed): snapshot \(id.hex) lost \(needed.subtracting(held).count)")
            #expect(valid.contains { $0.id == id }, "seed \(seed): snapshot \(id.hex) was made void")
        }
        // Also those whose writer never came to say so.
        for snapshot in valid {
            do {
                let needed = try Reachability(Roots(snapshot), repository, index).chunks
                #expect(needed.isSubset(of: held), "seed \(seed): snapshot \(snapshot.id.hex) is there without chunks")
            } catch {
                Issue.record("seed \(seed): snapshot \(snapshot.id.hex) is there and cannot be read: \(error)")
            }
        }
    }
}

extension Repository {
    /// The same repository, for another job.
    fileprivate func seen(through store: any ObjectStore, _ surroundings: Surroundings) -> Repository {
        Repository(store: store, config: config, keys: keys, openedBy: openedBy, surroundings: surroundings)
    }
}
