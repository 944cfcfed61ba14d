import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// What the tests of rewriting share: a repository with objects of every kind, and what must come back from it.
struct RewriteFixture {
    static let key = KeySource.keyFile(1)

    let store: MemoryStore
    let data: [(snapshot: Snapshot, data: SampleData)]
    let segment: Segment

    /// Two snapshots and a segment, badly compressed, and a forgotten one; audit records; a condemned pack.
    init() throws {
        store = MemoryStore()
        let repository = try Repository.create(
            store: store,
            parameters: RepositoryParameters(
                documentChunks: Engine.sizes,
                metadataChunks: ChunkSizes(minimum: 256, target: 1 << 10, maximum: 4 << 10), passphraseCost: .cheap),
            key: Self.key)
        let changed: SampleData = ["shop.orders": [Engine.documents(0..<200), Engine.documents(500..<700)]]
        let forgotten = try Engine.backUp(
            ["a.b": [Engine.documents(9_000..<9_100)]], to: repository, options: Self.options, at: 1)
        data = [
            (try Engine.backUp(Engine.sample, to: repository, options: Self.options, at: 2), Engine.sample),
            (try Engine.backUp(changed, to: repository, options: Self.options, at: 3), changed),
        ]
        segment = try SegmentSample.write(from: 10, to: 400, to: repository, options: Self.options)
        for snapshot in [forgotten] + data.map(\.snapshot) {
            try repository.appendAudit(
                operation: "backup", program: "test", details: ["snapshot": .string(snapshot.id.hex)])
        }
        let name = Names.object(.snapshot, forgotten.id)
        try repository.appendAudit(
            operation: "forget", program: "test", details: ["removed": .array([.string(name.path)])])
        try store.delete(name)
        // Condemns what only the forgotten one needed, and leaves it to wait.
        _ = try Prune(repository, options: PruneOptions()).run()
    }

    /// Levels differ, so that there is something to win.
    static let options = WriterOptions(workers: 2, level: 1, streams: 4, packTarget: 1 << 16, packsPerIndex: 3)

    /// A copy that a test may change.
    static func copy(_ store: MemoryStore) throws -> MemoryStore {
        let copy = MemoryStore()
        var names: [ObjectName] = []
        try store.list(prefix: "") { names.append($0.name) }
        for name in names {
            let buffer = Buffer(capacity: 0)
            try store.get(name, into: buffer)
            try copy.put(name, buffer.bytes, mode: .ifAbsent)
        }
        return copy
    }

    /// Rotates the master key.
    static func rotate(_ store: any ObjectStore) throws {
        let repository = try Repository.open(store: store, key: key)
        let lease = try Lease.acquire(.maintenance, in: repository, note: "rotation", renewing: false)
        defer { lease.release() }
        _ = try repository.rotateKeys(keeping: [key], revokesOthers: true, under: lease)
    }

    /// Everything that was committed is there, byte for byte, and nothing is damaged.
    func expectWhole(_ store: any ObjectStore, _ place: Comment, isDeep: Bool = true) throws {
        let repository = try Repository.open(store: store, key: Self.key)
        for (snapshot, data) in data {
            #expect(try repository.snapshot(snapshot.id) == snapshot, place)
            #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(data), place)
        }
        let entries = try SegmentSample.contents(segment, of: repository).entries
        #expect(entries == (10...400).map { SegmentSample.entry($0) }, place)
        let report = try Check.run(repository, options: CheckOptions(data: isDeep ? .all : .none, workers: 1))
        #expect(report.isSound, "\(place): \(report.damage)")
        let audit = try repository.verifyAudit()
        #expect(audit.problems.isEmpty, "\(place): \(audit.problems)")
        // Sorted, since records of one millisecond have no order.
        let operations = audit.records.map(\.operation).filter { $0 != "after" }.sorted()
        #expect(operations == ["backup", "backup", "backup", "forget"], place)
        #expect(audit.heads.count == 1, place)
    }

    /// Prunes without grace until nothing waits.
    static func sweep(_ store: any ObjectStore) throws {
        let repository = try Repository.open(store: store, key: key)
        var options = PruneOptions()
        options.grace = 0
        let reports = try (0..<2).map { _ in try Prune(repository, options: options).run() }
        let left = try repository.condemned()
        // What waits, or is spared, without a writer at work: all that is known of it.
        let leases = try repository.leases().map(\.id.hex)
        #expect(left.isEmpty, "\(left), leases \(leases), now \(repository.now()), \(reports)")
    }

    /// The epochs that the first bytes of each object name. Key objects and `config` name none.
    static func epochs(_ store: any ObjectStore) throws -> [String: UInt32] {
        var epochs: [String: UInt32] = [:]
        try store.list(prefix: "") { info in
            let path = info.name.path
            guard path != "config", !path.hasPrefix("keys/") else { return }
            let bytes = Buffer(capacity: 0)
            try store.get(info.name, into: bytes)
            var reader = ByteReader(bytes.bytes, object: path)
            _ = try reader.bytes(12)
            epochs[path] = try reader.integer(as: UInt32.self)
        }
        return epochs
    }

    /// Bytes of all packs.
    static func packBytes(_ store: any ObjectStore) throws -> Int {
        var sum = 0
        try store.list(prefix: "packs/") { sum += $0.size }
        return sum
    }

    /// Calls `body` with a copy of `start` that stops before its first change, with one that stops before its second,
    /// and so on until it comes through; after each, `verify` gets what is left.
    ///
    /// - Returns: how many changes there are.
    static func interrupting(
        _ start: MemoryStore, _ body: (any ObjectStore) throws -> Void, verify: (MemoryStore, Int) throws -> Void
    ) throws -> Int {
        var allowed = 0
        while true {
            let store = try copy(start)
            let changes = Mutex(0)
            let limit = allowed
            let failing = FaultInjectingStore(store) { call in
                guard call.operation == .put || call.operation == .delete else { return nil }
                return changes.withLock { count in
                    count += 1
                    return count > limit ? .stop : nil
                }
            }
            var isThrough = false
            do {
                try body(failing)
                isThrough = true
            } catch let error as CairnError where error.code == .io {}
            try verify(store, allowed)
            if isThrough { return allowed }
            allowed += 1
        }
    }
}
