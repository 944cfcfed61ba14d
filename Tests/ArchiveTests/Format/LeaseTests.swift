import BSON
import Bytes
import ObjectStore
import Synchronization
import Testing

@testable import Archive

/// Leases. format-spec.md §9.5.
@Suite struct LeaseTests {
    private let store = MemoryStore()
    private let clock = TestClock()

    private func open() throws -> Repository {
        if try store.stat(Names.config) == nil {
            return try Repository.create(
                store: store, parameters: .cheap, key: .keyFile(1), surroundings: .clock(clock))
        }
        return try Repository.open(store: store, key: .keyFile(1), surroundings: .clock(clock))
    }

    private func acquire(_ kind: LeaseRecord.Kind, _ note: String = "test") throws -> Lease {
        try Lease.acquire(kind, in: try open(), note: note, renewing: false)
    }

    /// [G-2]
    @Test func writersShareMaintenanceDoesNot() throws {
        let (one, two) = (try acquire(.writer, "backup of rs0"), try acquire(.writer))
        let error = #expect(throws: CairnError.self) { try acquire(.maintenance) }
        #expect(error?.code == .held)
        #expect([one.id, two.id].map { "leases/" + $0.hex }.contains(error?.object))
        two.release()
        let second = #expect(throws: CairnError.self) { try acquire(.maintenance) }
        #expect(second?.message.contains("backup of rs0") == true)
        one.release()
        let maintenance = try acquire(.maintenance)
        for kind in [LeaseRecord.Kind.writer, .maintenance] {
            #expect(throws: CairnError.self) { try acquire(kind) }.map { #expect($0.code == .held) }
        }
        #expect(try open().leases().map(\.id) == [maintenance.id])
        maintenance.release()
        maintenance.release()
        #expect(try open().leases().isEmpty)
    }

    /// [G-3] [G-4]: the holder stops when its time is up, the others wait for the margin.
    @Test func expiry() throws {
        let lease = try acquire(.maintenance)
        clock.advance(milliseconds: Lease.standardDuration - 1)
        try lease.requireHeld()
        clock.advance(milliseconds: 1)
        #expect(throws: CairnError.self) { try lease.requireHeld() }.map { #expect($0.code == .held) }
        #expect(throws: CairnError.self) { try acquire(.writer) }.map { #expect($0.code == .held) }
        clock.advance(milliseconds: Lease.clockSkewMargin)
        #expect(throws: CairnError.self) { try acquire(.writer) }
        clock.advance(milliseconds: 1)
        let writer = try acquire(.writer)
        // [G-4]: what is lost stays lost, even if the clock is set back.
        clock.advance(milliseconds: -Lease.standardDuration)
        #expect(throws: CairnError.self) { try lease.requireHeld() }
        #expect(throws: CairnError.self) { try lease.renew() }
        writer.release()
        lease.release()
    }

    @Test func renewal() throws {
        let lease = try acquire(.writer)
        for _ in 0..<5 {
            clock.advance(milliseconds: Lease.standardDuration / 2)
            try lease.renew()
        }
        try lease.requireHeld()
        #expect(throws: CairnError.self) { try acquire(.maintenance) }
        lease.release()
        #expect(try store.stat(Names.object(.lease, lease.id)) == nil)
    }

    @Test func renewalInTheBackground() throws {
        let repository = try Repository.create(store: MemoryStore(), parameters: .cheap, key: .keyFile(1))
        let lease = try Lease.acquire(.writer, in: repository, note: "", duration: 30)
        let acquired = repository.now()
        var renewed = acquired
        while renewed <= acquired {
            if case .success(let record)? = try repository.leases().first?.content { renewed = record.renewed }
        }
        lease.release()
        #expect(try repository.leases().isEmpty)
    }

    /// [G-4]: a lease that somebody removed is not put back by its renewal.
    @Test func removedLeasesStayRemoved() throws {
        let lease = try acquire(.writer)
        #expect(try open().unlock(force: false).isEmpty)
        #expect(try open().unlock(force: true).map(\.id) == [lease.id])
        #expect(throws: CairnError.self) { try lease.renew() }.map { #expect($0.code == .held) }
        #expect(try store.stat(Names.object(.lease, lease.id)) == nil)
        lease.release()
    }

    @Test func unlockRemovesWhatHasExpired() throws {
        let dead = try acquire(.maintenance)
        clock.advance(milliseconds: Lease.standardDuration + Lease.clockSkewMargin + 1)
        let alive = try acquire(.writer)
        #expect(try open().unlock(force: false).map(\.id) == [dead.id])
        #expect(try open().leases().map(\.id) == [alive.id])
        alive.release()
        dead.release()
    }

    /// [G-5]: who cannot read a lease cannot know that it is harmless.
    @Test func unreadableLeasesBarEverybodyForADay() throws {
        let repository = try open()
        let id = RandomID.random()
        try store.put(Names.object(.lease, id), [1, 2, 3].rawSpan, mode: .ifAbsent)
        let modified = try #require(try store.stat(Names.object(.lease, id))).modified * 1000
        clock.advance(milliseconds: modified - clock.now)
        for kind in [LeaseRecord.Kind.writer, .maintenance] {
            let error = #expect(throws: CairnError.self) {
                try Lease.acquire(kind, in: repository, note: "", renewing: false)
            }
            #expect(error?.code == .held && error?.object == "leases/" + id.hex)
        }
        clock.advance(milliseconds: FormatLimits.leaseDurationMax + Lease.clockSkewMargin + 1)
        let lease = try Lease.acquire(.maintenance, in: repository, note: "", renewing: false)
        #expect(try repository.unlock(force: false).map(\.id) == [id])
        lease.release()
    }

    /// [G-1]: a lease of more than a day cannot be made by hand either.
    @Test func durationsAreBounded() {
        let id = RandomID.random()
        for expires in [FormatLimits.leaseDurationMax + 1, -1, Int64.max, Int64.min] {
            let document: BSONDocument = [
                "version": 1, "kind": "writer", "created": .date(0), "renewed": .date(0), "expires": .date(expires),
                "note": "",
            ]
            #expect(throws: CairnError.self) { try LeaseRecord(id: id, document) }.map { #expect($0.code == .corrupt) }
        }
    }

    /// However two that exclude each other are interleaved, they never both go on. Each yields wherever it touches
    /// the store, in all orders that a seed gives.
    @Test func racesNeverEndWithBoth() throws {
        for round in 0..<50 {
            let repository = try Repository.create(store: MemoryStore(), parameters: .cheap, key: .keyFile(1))
            let results = Results()
            let threads = [LeaseRecord.Kind.writer, .maintenance].map { kind in
                OwnedThread(name: "lease race") {
                    let lease = try? Lease.acquire(kind, in: repository, note: "", renewing: false)
                    results.add(lease)
                }
            }
            threads.forEach { $0.join() }
            let held = results.leases
            #expect(held.count <= 1, "round \(round)")
            #expect(try repository.leases().map(\.id) == held.map(\.id))
            held.forEach { $0.release() }
        }
    }
}

/// What the threads of a race got.
private final class Results: Sendable {
    private let held = Mutex<[Lease]>([])

    func add(_ lease: Lease?) {
        guard let lease else { return }
        held.withLock { $0.append(lease) }
    }

    var leases: [Lease] { held.withLock { $0 } }
}
