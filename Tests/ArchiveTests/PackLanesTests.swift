import BSON
import Bytes
import Glibc
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// Several packs on their way at once: what the order of writes promises holds all the same.
@Suite struct PackLanesTests {
    private static let options = WriterOptions(
        workers: 2, level: 1, streams: 2, packTarget: 1 << 16, packsPerIndex: 5, puts: 4)
    /// Incompressible, in many packs.
    private static let sample: SampleData = [
        "a.a": [
            (0..<600).map { ["_id": .int32(Int32($0)), "x": .binary(subtype: 0, SecureRandom.bytes(4_000))] }
        ]
    ]

    @Test func packsArePutTogetherAndIndexedAfterwards() throws {
        let store = CrowdedStore()
        let repository = try Engine.makeRepository(store)
        store.expect(together: 3)
        let snapshot = try Engine.backUp(Self.sample, to: repository, options: Self.options)
        let seen = store.log
        #expect((3...4).contains(seen.packsAtOnce), "\(seen.packsAtOnce) packs at once")
        #expect(seen.indexes.count > 3)
        var named: Set<ObjectName> = []
        for (index, durable) in seen.indexes {
            let id = try #require(Names.id(of: index, kind: .index))
            let packs = try repository.readIndex(id).packs.map { Names.pack($0.identity.id) }
            #expect(durable.isSuperset(of: packs), "an index object names a pack that is still on its way")
            named.formUnion(packs)
        }
        #expect(named == seen.durable)
        #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(Self.sample))
    }

    @Test func theFirstErrorStopsAllLanes() throws {
        let store = CrowdedStore()
        let repository = try Engine.makeRepository(store)
        store.fail(pack: 7)
        expectError(.noSpace) { _ = try Engine.backUp(Self.sample, to: repository, options: Self.options) }
        #expect(try repository.snapshotIDs().isEmpty)
        for id in try repository.list(.index) {
            for pack in try repository.readIndex(id).packs {
                #expect(store.log.durable.contains(Names.pack(pack.identity.id)))
            }
        }
        store.fail(pack: nil)
        let snapshot = try Engine.backUp(Self.sample, to: repository, options: Self.options)
        #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(Self.sample))
    }
}

/// A memory store that keeps packs on their way until several are, and notes what was durable when.
private final class CrowdedStore: ObjectStore {
    struct Log {
        var packsAtOnce = 0
        var durable: Set<ObjectName> = []
        /// Index objects with the packs that were durable when their put began.
        var indexes: [(name: ObjectName, durable: Set<ObjectName>)] = []
    }

    private struct State {
        var log = Log()
        var underWay = 0
        var together = 1
        var packs = 0
        var failing: Int?
    }

    private let inner = MemoryStore()
    private let state = Mutex(State())

    var location: String { "crowded memory" }
    var parallelism: Int { 4 }
    var log: Log { state.withLock { $0.log } }
    func expect(together: Int) { state.withLock { $0.together = together } }
    func fail(pack: Int?) { state.withLock { ($0.failing, $0.packs) = (pack, 0) } }

    func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        guard name.path.hasPrefix("packs/") else {
            if name.path.hasPrefix("indexes/") { state.withLock { $0.log.indexes.append((name, $0.log.durable)) } }
            return try inner.put(name, bytes, mode: mode)
        }
        let fails = state.withLock { state in
            state.underWay += 1
            state.packs += 1
            state.log.packsAtOnce = max(state.log.packsAtOnce, state.underWay)
            return state.packs == state.failing
        }
        defer { state.withLock { $0.underWay -= 1 } }
        // The last packs are fewer: so nobody waits for ever, nor once it was seen.
        for _ in 0..<2_000 where state.withLock({ $0.log.packsAtOnce < $0.together }) { usleep(1_000) }
        if fails { throw CairnError(.noSpace, "the disk is full", object: name.path) }
        try inner.put(name, bytes, mode: mode)
        state.withLock { _ = $0.log.durable.insert(name) }
    }

    func get(_ name: ObjectName, into buffer: Buffer) throws { try inner.get(name, into: buffer) }
    func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try inner.get(name, range: range, into: buffer)
    }
    func stat(_ name: ObjectName) throws -> ObjectInfo? { try inner.stat(name) }
    func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws { try inner.list(prefix: prefix, body) }
    func delete(_ name: ObjectName) throws { try inner.delete(name) }
    func settle(_ names: [ObjectName]) throws { try inner.settle(names) }
}
