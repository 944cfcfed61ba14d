import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// Changing the master key. format-spec.md §5.4.
@Suite struct KeyRotationTests {
    private let passphrase = KeySource.passphrase("open sesame")

    private func make(_ store: any ObjectStore) throws -> Repository {
        let repository = try Repository.create(store: store, parameters: .cheap, key: passphrase)
        _ = try repository.addKey(.keyFile(7), label: "vault", cost: .cheap)
        _ = try repository.addKey(.passphrase("leaked"), label: "gone", cost: .cheap)
        return repository
    }

    private func rotate(
        _ repository: Repository, keeping secrets: [KeySource]? = nil, revokesOthers: Bool = true
    ) throws -> KeyRotation {
        let lease = try Lease.acquire(.maintenance, in: repository, note: "rotation", renewing: false)
        defer { lease.release() }
        return try repository.rotateKeys(
            keeping: secrets ?? [passphrase, .keyFile(7)], revokesOthers: revokesOthers, under: lease)
    }

    private func epochs(_ repository: Repository) throws -> Set<UInt32> {
        var epochs: Set<UInt32> = []
        for id in try repository.list(.index) {
            for pack in try repository.readIndex(id).packs { epochs.insert(pack.identity.epoch) }
        }
        return epochs
    }

    /// [K-2] [K-12]: old and new data open with what was kept, nothing with what was revoked.
    @Test func newEpochForNewData() throws {
        let store = MemoryStore()
        let old = try make(store)
        let first = try Engine.backUp(Engine.sample, to: old)
        let rotation = try rotate(old)
        #expect(rotation.added.count == 2 && rotation.replaced.count == 2 && rotation.revoked.count == 1)
        let byFile = try Repository.open(store: store, key: .keyFile(7))
        #expect(byFile.keys.currentEpoch == 1)
        #expect(try byFile.listKeys().map(\.label).sorted() == ["first key", "vault"])
        // Chunk ids stay: what is stored is not stored again.
        let again = try Engine.backUp(Engine.sample, to: byFile, at: 2)
        #expect(try epochs(byFile) == [0])
        let changed: SampleData = ["shop.orders": [Engine.documents(1000..<1200)]]
        let second = try Engine.backUp(changed, to: byFile, at: 3)
        #expect(try epochs(byFile) == [0, 1])
        let opened = try Repository.open(store: store, key: passphrase)
        for (snapshot, data) in [(first, Engine.sample), (again, Engine.sample), (second, changed)] {
            #expect(try Engine.contents(snapshot, of: opened) == Engine.expected(data))
        }
        let report = try Check.run(opened, options: CheckOptions(data: .all, workers: 1))
        #expect(report.isSound)
        let error = #expect(throws: CairnError.self) {
            try Repository.open(store: store, key: .passphrase("leaked"))
        }
        #expect(error?.code == .wrongKey)
    }

    /// Nobody is locked out by an oversight, and nothing is changed when something is amiss.
    @Test func missingSecretsRefuse() throws {
        let store = MemoryStore()
        let repository = try make(store)
        let before = Set(try repository.listKeys().map(\.id))
        let missing = #expect(throws: CairnError.self) {
            try rotate(repository, keeping: [passphrase], revokesOthers: false)
        }
        #expect(missing?.code == .usage)
        for key in try repository.listKeys() where !key.isCurrent {
            #expect(missing?.message.contains(key.id.hex) == true)
        }
        let wrong = #expect(throws: CairnError.self) {
            try rotate(repository, keeping: [passphrase, .keyFile(9)])
        }
        #expect(wrong?.code == .wrongKey)
        #expect(Set(try repository.listKeys().map(\.id)) == before)
    }

    /// [K-13]: stopped before any of its writes and deletions, it leaves what every kept secret opens; run again, it
    /// comes to its end.
    @Test func interruptedAnywhere() throws {
        var steps = 0
        var isThrough = false
        while !isThrough {
            let store = MemoryStore()
            let snapshot = try Engine.backUp(Engine.sample, to: try make(store))
            let changes = Mutex(0)
            let allowed = steps
            let failing = FaultInjectingStore(store) { call in
                guard call.operation == .put || call.operation == .delete else { return nil }
                return changes.withLock { count in
                    count += 1
                    return count > allowed ? .stop : nil
                }
            }
            do {
                _ = try rotate(try Repository.open(store: failing, key: passphrase))
                isThrough = true
            } catch let error as CairnError where error.code == .io {}
            for secret in [passphrase, .keyFile(7)] {
                let opened = try Repository.open(store: store, key: secret)
                #expect(try Engine.contents(snapshot, of: opened) == Engine.expected(Engine.sample))
            }
            let opened = try Repository.open(store: store, key: passphrase)
            try opened.unlock(force: true)
            _ = try Engine.backUp(["a.b": [Engine.documents(5000..<5050)]], to: opened, at: 2)
            let rotation = try rotate(opened)
            #expect(try rotation.repository.listKeys().count == 2, "after \(steps) changes")
            let last = try Repository.open(store: store, key: .keyFile(7))
            #expect(last.keys.currentEpoch == rotation.repository.keys.currentEpoch)
            #expect(try Check.run(last, options: CheckOptions(data: .all, workers: 1)).isSound)
            #expect(throws: CairnError.self) { try Repository.open(store: store, key: .passphrase("leaked")) }
            steps += 1
        }
        #expect(steps == 7, "the lease, two puts, three deletions, and a run in which all of them succeed")
    }

    /// Who opened the repository with the old keys alone neither forks the epochs nor writes under an old one.
    @Test func staleKeysDoNothing() throws {
        let store = MemoryStore()
        let stale = try make(store)
        _ = try rotate(try Repository.open(store: store, key: passphrase), keeping: [passphrase])
        for kind in [LeaseRecord.Kind.maintenance, .writer, .pruner] {
            let error = #expect(throws: CairnError.self) {
                try Lease.acquire(kind, in: stale, note: "", renewing: false)
            }
            #expect(error?.code == .usage)
        }
        #expect(try stale.leases().isEmpty)
    }

    /// Only who has a key can keep others from writing by a key object that looks newer.
    @Test func forgedKeyObjectsBarNobody() throws {
        let store = MemoryStore()
        let repository = try make(store)
        let foreign = KeyRing(
            masters: (1...2).map { SecretBytes(copying: [UInt8](repeating: $0, count: 32).rawSpan) },
            repository: repository.config.id)
        let id = RandomID.random()
        let forged = try KeyObject.make(
            id: id, source: .keyFile(9), keys: foreign, label: "", created: 0, salt: [UInt8](repeating: 1, count: 32),
            cost: .cheap)
        try store.put(Names.key(id), forged.bytes, mode: .ifAbsent)
        try Lease.acquire(.writer, in: repository, note: "", renewing: false).release()
    }

    /// A rotation whose lease ended while the machine slept takes its keys back and removes none.
    @Test func lostLeaseChangesNothing() throws {
        let store = MemoryStore()
        let repository = try make(store)
        let before = Set(try repository.listKeys().map(\.id))
        for puts in 1...2 {
            let lease = Mutex<RandomID?>(nil)
            let failing = FaultInjectingStore(store) { call in
                if call.operation == .put, call.path.hasPrefix(Names.keys), call.number == 1 + puts {
                    try? lease.withLock { id in try id.map { try store.delete(Names.object(.lease, $0)) } }
                }
                return nil
            }
            let own = try Repository.open(store: failing, key: passphrase)
            let held = try Lease.acquire(.maintenance, in: own, note: "rotation", renewing: false)
            lease.withLock { $0 = held.id }
            let error = #expect(throws: CairnError.self) {
                try own.rotateKeys(keeping: [passphrase, .keyFile(7)], revokesOthers: true, under: held)
            }
            #expect(error?.code == .held)
            #expect(Set(try repository.listKeys().map(\.id)) == before)
            held.release()
        }
    }
}
