import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// What is committed under a lease that was lost. format-spec.md §9.10 [Y-2].
@Suite struct FenceTests {
    private let store: HookedStore
    private let repository: Repository

    init() throws {
        let memory = MemoryStore()
        let made = try Repository.create(store: memory, parameters: .cheap, key: .keyFile(1))
        store = HookedStore(memory)
        let time = Clock()
        repository = Repository(
            store: store, config: made.config, keys: made.keys, openedBy: made.openedBy,
            surroundings: Surroundings(random: Surroundings.system.random, now: { time.now }))
        self.time = time
    }

    private let time: Clock

    private final class Clock: Sendable {
        private let value = Mutex(Int64(1_795_000_000_000))
        var now: Int64 { value.withLock { $0 } }
        func advance(_ milliseconds: Int64) { value.withLock { $0 += milliseconds } }
    }

    private func expire() { time.advance(Lease.standardDuration + Lease.clockSkewMargin + 1) }

    private func lease(_ kind: LeaseRecord.Kind = .writer) throws -> Lease {
        try Lease.acquire(
            kind, scope: kind == .follower ? "rs" : nil, in: repository, note: "", duration: Lease.standardDuration,
            renewing: false)
    }

    private func prune() throws -> PruneReport {
        var options = PruneOptions()
        options.grace = 0
        return try Prune(repository, options: options).run()
    }

    private func segment(_ id: RandomID = .random()) -> Segment {
        Segment(
            id: id, set: "rs", host: "a:1", from: OpTime(timestamp: Timestamp(t: 1, i: 0), term: 1),
            to: OpTime(timestamp: Timestamp(t: 2, i: 0), term: 1), created: 0, firstWall: nil,
            lastWall: nil, entries: 0, rawBytes: 0, addedBytes: 0, chunks: [], gap: "a test")
    }

    /// Leaves something for a prune to condemn: packs that no snapshot needs.
    private func litter() throws {
        let snapshot = try Engine.backUp(["a.b": [Engine.documents(0..<50)]], to: repository)
        try store.delete(Names.object(.snapshot, snapshot.id))
    }

    /// The machine slept in the put, and nobody was left to take the object back.
    @Test func aCommitThatLandsLateDoesNotCount() throws {
        let lease = try lease()
        var early = segment()
        early.lease = lease.id
        try repository.writeSegment(early)
        try litter()
        expire()
        #expect(try prune().removedPacks > 0)
        var late = segment()
        late.lease = lease.id
        try repository.writeSegment(late)
        #expect(try repository.segments().map(\.id) == [early.id])
        let error = #expect(throws: CairnError.self) { try repository.segment(late.id) }
        #expect(error?.code == .notFound)
        #expect(try Check.run(repository, options: CheckOptions(workers: 1)).isSound)
        _ = try prune()
        #expect(try repository.segmentIDs() == [early.id])
        withExtendedLifetime(lease) {}
    }

    /// [W-9] goes for segments, too.
    @Test func aSegmentWhoseLeaseEndedInThePutIsTakenBack() throws {
        let lease = try lease()
        store.after { [time] name in
            if name.path.hasPrefix("segments/") { time.advance(Lease.standardDuration) }
        }
        let error = #expect(throws: CairnError.self) { try repository.commit(segment(), under: lease) }
        #expect(error?.code == .held)
        #expect(try repository.segmentIDs().isEmpty)
        // Gone, it would look as if it had been given back.
        lease.release()
        #expect(try repository.leases().map(\.id) == [lease.id])
    }

    /// [G-6] The answer was lost: nobody knows whether the segment will be there. Gone, the lease would say that
    /// nothing comes.
    @Test func aLeaseWhoseCommitFailedIsKept() throws {
        let lease = try lease()
        let late = Mutex<(name: ObjectName, bytes: [UInt8])?>(nil)
        store.instead { name, bytes in
            guard name.path.hasPrefix("segments/") else { return false }
            late.withLock { $0 = (name, bytes) }
            throw CairnError(.unreachable, "no answer")
        }
        #expect(throws: CairnError.self) { try repository.commit(segment(), under: lease) }
        store.instead { _, _ in false }
        lease.release()
        try litter()
        #expect(try prune().removedPacks == 0)
        expire()
        #expect(try prune().removedPacks > 0)
        let (name, bytes) = try #require(late.withLock { $0 })
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        #expect(try repository.segments().isEmpty)
    }

    /// [G-6] The lease looks held again, and its holder must not leave it so; and gone it would look released.
    @Test func aRenewalThatTookTooLongMakesAFence() throws {
        let lease = try lease()
        store.after { [time] name in
            if name.path.hasPrefix("leases/") { time.advance(Lease.standardDuration) }
        }
        let error = #expect(throws: CairnError.self) { try lease.renew() }
        #expect(error?.code == .held)
        store.after { _ in }
        #expect(try repository.leases().isEmpty)
        try litter()
        #expect(try prune().removedPacks > 0)
        var late = segment()
        late.lease = lease.id
        try repository.writeSegment(late)
        #expect(try repository.segments().isEmpty)
    }

    /// A follower may follow for years.
    @Test func aFollowerKeepsNobodyWaiting() throws {
        try litter()
        let follower = try lease(.follower)
        let report = try prune()
        #expect(report.removedPacks > 0 && report.waitingPacks == 0)
        follower.release()
    }

    /// Its packs are no leftovers: condemned, they would be stored again by whoever begins now.
    @Test func packsOfAWriterAtWorkStay() throws {
        let now = Int64(Surroundings.system.now())
        time.advance(now - time.now)
        let lease = try lease()
        try litter()
        #expect(try prune().uselessPacks == 0)
        lease.release()
        #expect(try prune().uselessPacks > 0)
    }

    /// A list that an early program put its suspects into.
    @Test func suspectsInTheListCount() throws {
        try litter()
        let lease = try lease()
        let packs = try repository.packSizes().keys.sorted()
        let record = CondemnedRecord(
            id: repository.newID(), created: repository.now(), packs: packs, suspects: [lease.id])
        try repository.writeSealed(record.encode(), kind: .condemned, id: record.id)
        #expect(try prune().waitingPacks == packs.count)
        lease.release()
        #expect(try prune().removedPacks == packs.count)
        #expect(try repository.condemned().isEmpty && repository.list(.suspects).isEmpty)
    }

    /// Two pruners: the first one sleeps in the put of what it saw, and wakes when the other one is done.
    @Test func suspectsThatLandLateReviveNothing() throws {
        try litter()
        let late = Mutex<(name: ObjectName, bytes: [UInt8])?>(nil)
        store.instead { name, bytes in
            guard name.path.hasPrefix("suspects/") else { return false }
            late.withLock { $0 = (name, bytes) }
            throw CairnError(.unreachable, "asleep")
        }
        #expect(throws: CairnError.self) { try prune() }
        store.instead { _, _ in false }
        #expect(try prune().removedPacks > 0)
        let (name, bytes) = try #require(late.withLock { $0 })
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        #expect(try repository.condemned().isEmpty)
        _ = try prune()
        #expect(try repository.list(.suspects).isEmpty)
    }
}

/// A store that tells of puts.
private final class HookedStore: ObjectStore {
    private let base: MemoryStore
    private let hooks = Mutex(Hooks())

    private struct Hooks {
        var after: @Sendable (ObjectName) -> Void = { _ in }
        var instead: @Sendable (ObjectName, [UInt8]) throws -> Bool = { _, _ in false }
    }

    init(_ base: MemoryStore) { self.base = base }

    func after(_ hook: @escaping @Sendable (ObjectName) -> Void) { hooks.withLock { $0.after = hook } }

    func instead(_ hook: @escaping @Sendable (ObjectName, [UInt8]) throws -> Bool) {
        hooks.withLock { $0.instead = hook }
    }

    var location: String { base.location }

    func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        let hooks = hooks.withLock { $0 }
        if try hooks.instead(name, [UInt8](bytes)) { return }
        try base.put(name, bytes, mode: mode)
        hooks.after(name)
    }

    func get(_ name: ObjectName, into buffer: Buffer) throws { try base.get(name, into: buffer) }

    func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try base.get(name, range: range, into: buffer)
    }

    func stat(_ name: ObjectName) throws -> ObjectInfo? { try base.stat(name) }

    func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws { try base.list(prefix: prefix, body) }

    func delete(_ name: ObjectName) throws { try base.delete(name) }

    func settle(_ names: [ObjectName]) throws { try base.settle(names) }
}
