import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// One test for each guard of format-spec.md §11.1 that the simulation hardly ever needs: the course of events in which
/// it alone stands between a snapshot and a loss.
@Suite struct PruneGuardTests {
    private let store = MemoryStore()
    private let repository: Repository

    init() throws {
        repository = try Engine.makeRepository(store)
    }

    /// By how much the clock of jobs is ahead, in milliseconds.
    private final class Ahead: Sendable {
        private let value = Mutex(Int64(0))
        var now: Int64 { value.withLock { $0 } }
        func advance(_ milliseconds: Int64) { value.withLock { $0 += milliseconds } }
    }

    /// The same repository for a job whose calls `before` is told of.
    private func seen(
        _ ahead: Ahead = Ahead(), before: @escaping @Sendable (FaultInjectingStore.Call) -> Void = { _ in }
    ) -> Repository {
        let watched = FaultInjectingStore(store) { call in
            before(call)
            return nil
        }
        return Repository(
            store: watched, config: repository.config, keys: repository.keys, openedBy: repository.openedBy,
            surroundings: Surroundings(random: Surroundings.system.random) { Surroundings.system.now() + ahead.now })
    }

    @discardableResult
    private static func prune(_ repository: Repository, grace: Int64 = 0) throws -> PruneReport {
        var options = PruneOptions()
        options.grace = grace
        return try Prune(repository, options: options).run()
    }

    /// A list as a pruner leaves it that was killed before it swept. Nobody wrote at that time.
    private static func condemn(_ packs: [RandomID], in repository: Repository, created: Int64 = 0) throws {
        let record = CondemnedRecord(id: repository.newID(), created: created, packs: packs.sorted())
        try repository.writeSealed(record.encode(), kind: .condemned, id: record.id)
        try repository.writeSealed(SuspectsRecord(id: record.id, leases: []).encode(), kind: .suspects, id: record.id)
    }

    private func condemn(_ packs: [RandomID], created: Int64 = 0) throws {
        try Self.condemn(packs, in: repository, created: created)
    }

    private func packs() throws -> [RandomID] { try repository.packSizes().keys.sorted() }

    /// Puts every chunk into a second pack.
    private func double() throws -> (old: [RandomID], new: [RandomID]) {
        let old = try packs()
        let rewriter = PackRewriter(repository)
        for id in old {
            try repository.readPackDirectory(id).forEachLocation { chunk, location in
                try rewriter.copy(chunk, at: location, level: nil)
            }
        }
        try rewriter.finish()
        return (old, rewriter.packs.map(\.identity.id))
    }

    private func expectWhole(_ snapshot: Snapshot) throws {
        // By what writers and pruners rely on, so that a pack that is gone is none.
        let sizes = try repository.packSizes()
        let index = ChunkIndex()
        try repository.forEachIndex { _, object in
            for pack in object.packs where sizes[pack.identity.id] == pack.objectSize { index.insert(pack) }
        }
        for chunk in try Reachability(Roots(snapshot), repository, index).chunks {
            #expect(index.lookup(chunk) != nil, "chunk \(chunk.hex) is lost")
        }
        #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(Engine.sample))
    }

    /// [D-6] An incremental refers to what its parent refers to, all of it condemned; then the parent is forgotten.
    @Test func whatIsTakenFromAnotherSnapshotIsStoredAnew() throws {
        let parent = try Engine.backUp(Engine.sample, to: repository)
        let old = try packs()
        try condemn(old)
        let entry = try WriterEntry.acquire(in: repository, note: "incremental")
        defer { entry.lease.release() }
        try entry.loadIndex().takeOver(parent, repository)
        try store.delete(Names.object(.snapshot, parent.id))
        #expect(try Self.prune(repository).removedPacks == old.count)
        var child = parent
        child.id = .random()
        child.lease = entry.lease.id
        try repository.writeSnapshot(child)
        try expectWhole(child)
    }

    /// [D-7] A pack was needed after all and was spared. A removal of it that a pruner slept in lands later.
    @Test func aSparedPackStaysCondemned() throws {
        let first = try Engine.backUp(Engine.sample, to: repository)
        let old = try packs()
        try condemn(old)
        let report = try Self.prune(repository)
        #expect(report.rescuedPacks == old.count && report.removedPacks == 0)
        let second = try Engine.backUp(Engine.sample, to: repository, at: 2)
        for id in old { try store.delete(Names.pack(id)) }
        try expectWhole(first)
        try expectWhole(second)
    }

    /// [D-2] The sweeps of two lists each rely on a pack that the other one removes: the first pruner slept in a call
    /// when the second list landed, which another one had been long in putting.
    @Test func packsOfOtherListsAreNoPlaces() throws {
        let snapshot = try Engine.backUp(Engine.sample, to: repository)
        let (old, new) = try double()
        let now = Surroundings.system.now()
        try condemn(old, created: now)
        // All but the last call of the sleeper are refused: its lease has ended.
        let asleep = Lease.standardDuration + Lease.clockSkewMargin + 1
        let ahead = Ahead()
        let failure = Mutex<(any Error)?>(nil)
        let other = seen(ahead)
        let sleeper = seen(ahead) { call in
            guard call.operation == .delete, call.path.hasPrefix("indexes/"), ahead.now == 0 else { return }
            ahead.advance(asleep)
            do {
                try Self.condemn(new, in: other, created: now - 3_600_000)
                try Self.prune(other)
            } catch { failure.withLock { $0 = error } }
        }
        let error = #expect(throws: CairnError.self) { try Self.prune(sleeper) }
        #expect(error?.code == .held)
        if let error = failure.withLock({ $0 }) { throw error }
        ahead.advance(asleep)
        try Self.prune(other)
        try expectWhole(snapshot)
    }

    /// [D-2] Of two condemned packs with the same chunk both are spared: a pruner that was overtaken may have chosen
    /// the other one.
    @Test func everyPackWithANeededChunkIsSpared() throws {
        try Engine.backUp(Engine.sample, to: repository)
        let (old, new) = try double()
        try condemn(old + new)
        let report = try Self.prune(repository)
        #expect(report.rescuedPacks == old.count + new.count && report.removedPacks == 0)
    }

    /// [D-2] A writer commits while a pruner looks around: what a snapshot needs is in an index that is read later.
    @Test(arguments: 0..<4) func snapshotsAreReadBeforeTheIndex(listing: Int) throws {
        let forgotten = try Engine.backUp(["a.b": [Engine.documents(7000..<7300)]], to: repository)
        try store.delete(Names.object(.snapshot, forgotten.id))
        let number = Mutex(0)
        let snapshot = Mutex<Snapshot?>(nil)
        let repository = repository
        let watching = seen { call in
            guard call.operation == .list, call.path == "snapshots/",
                number.withLock({ number in exchange(&number, with: number + 1) == listing })
            else { return }
            snapshot.withLock { $0 = try? Engine.backUp(Engine.sample, to: repository, at: 2) }
        }
        try Self.prune(watching)
        try expectWhole(#require(snapshot.withLock { $0 }))
    }

    /// [D-8] An index object of an overtaken job names packs that are gone and hold what only condemned packs hold.
    @Test func aSweepTakesNoPackThatIsGone() throws {
        for _ in 0..<4 {
            let snapshot = try Engine.backUp(Engine.sample, to: repository)
            let (old, new) = try double()
            for id in new { try store.delete(Names.pack(id)) }
            try condemn(old)
            try Self.prune(repository)
            try expectWhole(snapshot)
        }
    }

    /// [D-8] The same for who takes over another snapshot's chunks.
    @Test func aTakeOverReadsNoPackThatIsGone() throws {
        for _ in 0..<8 {
            let repository = try Engine.makeRepository()
            let snapshot = try Engine.backUp(Engine.sample, to: repository)
            let guarded = PruneGuardTests(repository)
            let (old, new) = try guarded.double()
            for id in new { try repository.store.delete(Names.pack(id)) }
            try guarded.condemn(old)
            let index = try WriterIndex.load(repository)
            try index.takeOver(snapshot, repository)
            for chunk in try Reachability(Roots(snapshot), repository, repository.loadIndex()).chunks {
                #expect(index.chunks.lookup(chunk) != nil)
            }
        }
    }

    private init(_ repository: Repository) { self.repository = repository }
}
