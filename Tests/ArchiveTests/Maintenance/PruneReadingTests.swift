import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// What prune costs: of a repository of terabytes it reads what it rewrites, and metadata.
@Suite struct PruneReadingTests {
    private final class Reads: Sendable {
        private let packs = Mutex<Set<String>>([])

        func note(_ call: FaultInjectingStore.Call) {
            guard call.operation == .get || call.operation == .getRange, call.path.hasPrefix("packs/") else { return }
            _ = packs.withLock { $0.insert(call.path) }
        }

        /// What was read since it was last asked for.
        func take() -> Set<String> {
            packs.withLock { packs in
                defer { packs = [] }
                return packs
            }
        }
    }

    private let reads = Reads()
    private let repository: Repository

    init() throws {
        let made = try Engine.makeRepository()
        let store = FaultInjectingStore(made.store) { [reads] call in
            reads.note(call)
            return nil
        }
        repository = Repository(
            store: store, config: made.config, keys: made.keys, openedBy: made.openedBy, surroundings: .system)
    }

    /// Documents of which chunks stay as large as they are.
    private static func documents(_ ids: Range<Int>) -> [BSONDocument] {
        ids.map { id in
            var random = SeededGenerator(seed: UInt64(id))
            let noise = (0..<50).flatMap { _ in Self.bytes(of: random.next()) }
            return ["_id": .int64(Int64(id)), "noise": .binary(subtype: 0, noise)]
        }
    }

    private static func bytes(of word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
    }

    /// Packs with documents that something needs, and with documents at all.
    private func documentPacks() throws -> (needed: Set<String>, all: Set<String>) {
        let index = try repository.loadIndex()
        var all: Set<String> = []
        index.forEach { if $1.type == .documents { all.insert(Names.pack($1.pack.id).path) } }
        var needed: Set<String> = []
        for chunk in try Reachability(try Roots(repository), repository, index).chunks {
            guard let location = index.lookup(chunk), location.type == .documents else { continue }
            needed.insert(Names.pack(location.pack.id).path)
        }
        return (needed, all)
    }

    @Test func onlyWhatIsRewrittenIsRead() throws {
        let kept = Self.documents(0..<600)
        let changing = Self.documents(10_000..<10_900)
        try Engine.backUp(["a.kept": [kept]], to: repository)
        let old = try Engine.backUp(
            ["a.kept": [kept], "a.changing": [changing], "a.dropped": [Self.documents(20_000..<20_600)]],
            to: repository, at: 2)
        // A stretch of every pack goes.
        let rest = changing.enumerated().filter { $0.offset / 60 % 2 == 0 }.map(\.element)
        try Engine.backUp(["a.kept": [kept], "a.changing": [rest]], to: repository, at: 3)
        try repository.store.delete(Names.object(.snapshot, old.id))
        let before = try documentPacks()
        _ = reads.take()

        var options = PruneOptions()
        options.maxUnused = 0
        options.dryRun = true
        let plan = try Prune(repository, options: options).run()
        #expect(reads.take().isDisjoint(with: before.all))
        #expect(plan.repackedPacks > 1 && plan.uselessPacks > 1)

        options.dryRun = false
        _ = try Prune(repository, options: options).run()
        let read = reads.take().intersection(before.all)
        let condemned = Set(try repository.condemned().flatMap(\.packs).map { Names.pack($0).path })
        let rewritten = condemned.intersection(before.needed)
        #expect(read == rewritten && !rewritten.isEmpty)
        #expect(before.needed.count > rewritten.count, "there must be packs that are left alone")

        _ = reads.take()
        options.grace = 0
        #expect(try Prune(repository, options: options).run().removedPacks == condemned.count)
        #expect(reads.take().isDisjoint(with: before.all))
    }
}
