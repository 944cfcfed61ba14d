import Archive
import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@Suite struct HealingTests {
    private static let all = CheckOptions(data: .all, workers: 2)

    private struct Subject {
        let repository: Repository
        let tampering: Tampering
        let replica: MemoryStore
        let data: SampleData
        let snapshot: Snapshot

        var sources: [Healing.Source] { [Healing.Source(name: "west", store: replica)] }
    }

    /// A repository of several packs, indexes and audit records, and a replica of it.
    private static func makeSubject() throws -> Subject {
        let repository = try Engine.makeRepository()
        let documents: [BSONDocument] = (0..<600).map {
            ["_id": .int32(Int32($0)), "x": .binary(subtype: 0, SecureRandom.bytes(400))]
        }
        let data: SampleData = ["shop.orders": [documents], "shop.users": [Engine.documents(0..<3)]]
        let options = WriterOptions(workers: 1, streams: 1, packTarget: 1 << 16, packsPerIndex: 2)
        let snapshot = try Engine.backUp(data, to: repository, options: options)
        for number in 0..<2 {
            try repository.appendAudit(
                operation: number == 0 ? "init" : "backup", program: "test",
                details: number == 0 ? [:] : ["snapshot": .string(snapshot.id.hex)])
        }
        return Subject(
            repository: repository, tampering: Tampering(store: repository.store),
            replica: try copy(repository.store), data: data, snapshot: snapshot)
    }

    private static func copy(_ store: any ObjectStore) throws -> MemoryStore {
        let copy = MemoryStore(location: "replica")
        for name in try Tampering(store: store).names() {
            let bytes = try Tampering(store: store).bytes(name)
            try copy.put(name, bytes.rawSpan, mode: .ifAbsent)
        }
        return copy
    }

    private func expectWhole(_ subject: Subject, _ report: Repair.Report, _ name: ObjectName) throws {
        #expect(report.after.isSound, "\(name): \(report.after.damage)")
        let check = try Check.run(subject.repository, options: Self.all)
        #expect(check.isSound && check.incompleteSnapshots.isEmpty && check.unknownObjects.isEmpty, "\(name)")
        #expect(try Engine.contents(subject.snapshot, of: subject.repository) == Engine.expected(subject.data))
    }

    /// Each object in turn: with a bit flipped at its start, in its middle and at its end, cut, and gone.
    @Test func everyObjectIsHealed() throws {
        let subject = try Self.makeSubject()
        let names = try subject.tampering.names()
        #expect(names.count > 9)
        let indexed = try Check.run(subject.repository, options: Self.all).unindexed.count
        #expect(indexed == 0)
        for name in names where name.path != "config" {
            let good = try subject.tampering.bytes(name)
            let places = [0, good.count / 2, good.count - 1]
            let damaged: [[UInt8]?] = places.map { Self.flipped(good, at: $0) } + [Array(good.dropLast(7)), nil]
            for bytes in damaged {
                // The newest audit record, the only key and an index can be gone without anybody missing them.
                let heads = ["audit/", "keys/", "indexes/"]
                if bytes == nil, heads.contains(where: { name.path.hasPrefix($0) }) { continue }
                if let bytes {
                    try subject.tampering.replace(name, bytes)
                } else {
                    try subject.repository.store.delete(name)
                }
                let report = try Repair.run(subject.repository, options: Self.all, replicas: subject.sources)
                let outcome = try #require(report.healed.first { $0.name == name }, "\(name)")
                #expect(report.healed.count == 1 && outcome.from == "west" && outcome.failure == nil, "\(outcome)")
                #expect(outcome.wasThere == (bytes != nil) && report.removed.isEmpty && report.indexedPacks == 0)
                #expect(try subject.tampering.bytes(name) == good)
                if let bytes {
                    let copy = try #require(outcome.copy)
                    #expect(try subject.tampering.bytes(copy) == bytes)
                }
                try expectWhole(subject, report, name)
            }
        }
    }

    private static func flipped(_ bytes: [UInt8], at offset: Int) -> [UInt8] {
        var bytes = bytes
        bytes[offset] ^= 0x10
        return bytes
    }

    /// Nothing refers to a snapshot or a segment: the replica tells that one is lost, the audit records that another
    /// was removed.
    @Test func lostCommitsAreFoundInTheReplica() throws {
        let repository = try Engine.makeRepository()
        let first = try Engine.backUp(["shop.users": [Engine.documents(0..<3)]], to: repository)
        let second = try Engine.backUp(["shop.users": [Engine.documents(0..<9)]], to: repository, at: 2)
        var segments: [Segment] = []
        for start in [UInt32(10), 20, 30] {
            segments.append(try SegmentSample.write(from: start, to: start + 10, to: repository))
        }
        let replica = try Self.copy(repository.store)
        for name in try Tampering(store: repository.store).names("packs/") { try repository.store.delete(name) }
        let gone = [Names.object(.snapshot, first.id), Names.object(.segment, segments[1].id)]
        let forgotten: [ObjectName] = [Names.object(.snapshot, second.id), Names.object(.segment, segments[2].id)]
        let removed = forgotten.map { BSONValue.string($0.path) }
        try repository.appendAudit(operation: "forget", program: "test", details: ["removed": .array(removed)])
        for name in gone + forgotten { try repository.store.delete(name) }

        let sources = [Healing.Source(name: "west", store: replica)]
        let report = try Repair.run(repository, options: Self.all, replicas: sources)
        #expect(report.after.isSound, "\(report.after.damage)")
        let healed = Set(report.healed.filter { $0.failure == nil }.map(\.name))
        #expect(healed.isSuperset(of: gone) && healed.isDisjoint(with: forgotten))
        #expect(try repository.snapshotIDs() == [first.id])
        #expect(Set(try repository.segmentIDs()) == [segments[0].id, segments[1].id])
        #expect(try SegmentSample.contents(segments[1], of: repository).entries.count == 11)
        #expect(try !Repair.run(repository, options: Self.all, replicas: sources).changed)
    }

    /// Nothing tells any more which packs there were: the replica's index does.
    @Test func packsAreFoundWithoutAnyIndex() throws {
        let subject = try Self.makeSubject()
        for folder in ["packs/", "indexes/"] {
            for name in try subject.tampering.names(folder) { try subject.repository.store.delete(name) }
        }
        let report = try Repair.run(subject.repository, options: Self.all, replicas: subject.sources)
        #expect(report.healed.allSatisfy { $0.failure == nil && !$0.wasThere })
        try expectWhole(subject, report, Names.config)
    }

    /// A store that checks what it keeps gives nothing of a damaged object, so there is nothing to put aside.
    @Test func whatTheStoreItselfFindsDamagedIsHealed() throws {
        let subject = try Self.makeSubject()
        let pack = try #require(try subject.tampering.names("packs/").first)
        let isHealed = Atomic(false)
        let checking = FaultInjectingStore(subject.repository.store) { call in
            guard call.path == pack.path else { return nil }
            if call.operation == .put { isHealed.store(true, ordering: .relaxed) }
            guard [.get, .getRange].contains(call.operation), !isHealed.load(ordering: .relaxed) else { return nil }
            return .fail(CairnError(.corrupt, "the store's own checksum does not fit", object: pack.path))
        }
        let repository = try Repository.open(store: checking, key: Engine.key)
        let report = try Repair.run(repository, options: Self.all, replicas: subject.sources)
        #expect(report.healed.map(\.name) == [pack] && report.healed[0].wasThere && report.healed[0].copy == nil)
        try expectWhole(subject, report, pack)
    }

    @Test func damagedCopiesHealNothingAndOthersAreAsked() throws {
        let subject = try Self.makeSubject()
        let pack = try #require(
            try subject.tampering.names("packs/").first { try subject.tampering.bytes($0).count > 60_000 })
        let good = try subject.tampering.bytes(pack)
        try subject.tampering.replace(pack, Self.flipped(good, at: 30_000))
        try Tampering(store: subject.replica).replace(pack, Self.flipped(good, at: 20_000))
        let alone = try Repair.run(subject.repository, options: Self.all, replicas: subject.sources)
        #expect(alone.healed.map(\.name) == [pack])
        #expect(alone.healed.first?.failure?.contains("`west` has it damaged") == true)
        #expect(alone.salvagedChunks > 0 && alone.lostChunks > 0 && !alone.after.isSound)

        let east = MemoryStore()
        let config = try subject.tampering.bytes(Names.config)
        try east.put(Names.config, config.rawSpan, mode: .ifAbsent)
        try east.put(pack, good.rawSpan, mode: .ifAbsent)
        for index in try Tampering(store: subject.replica).names("indexes/") {
            let bytes = try Tampering(store: subject.replica).bytes(index)
            try east.put(index, bytes.rawSpan, mode: .ifAbsent)
        }
        // By now the chunks are in no pack of the repository at all.
        let both = try Repair.run(
            subject.repository, options: Self.all,
            replicas: subject.sources + [Healing.Source(name: "east", store: east)])
        // The pack, and an index object that names it; both replicas have that.
        #expect(both.healed.map(\.from) == ["east", "west"] && both.healed.first?.name == pack, "\(both.healed)")
        try expectWhole(subject, both, pack)
    }

    @Test func anotherRepositoryHealsNothing() throws {
        let subject = try Self.makeSubject()
        let other = try Engine.makeRepository()
        let strangers = [Healing.Source(name: "other", store: other.store)]
        expectError(.usage) { _ = try Repair.run(subject.repository, options: Self.all, replicas: strangers) }
        let failure = CairnError(.noRepository, "gone")
        expectError(.noRepository) {
            _ = try Healing.restoreEntrance(of: MemoryStore(), from: strangers, key: Engine.key, failure: failure)
        }
        expectError(.usage) {
            _ = try Healing.restoreEntrance(
                of: subject.repository.store, from: strangers, key: Engine.key, failure: failure)
        }
    }

    @Test(arguments: ["lost", "flipped"])
    func theEntranceIsRestored(kind: String) throws {
        let subject = try Self.makeSubject()
        let key = try #require(try subject.tampering.names("keys/").first)
        let names = [Names.config, key]
        let good = try names.map { try subject.tampering.bytes($0) }
        for (name, bytes) in zip(names, good) {
            try subject.repository.store.delete(name)
            if kind == "flipped" {
                let damaged = Self.flipped(bytes, at: 30)
                try subject.repository.store.put(name, damaged.rawSpan, mode: .ifAbsent)
            }
        }
        let healed = try Healing.restoreEntrance(
            of: subject.repository.store, from: subject.sources, key: Engine.key,
            failure: CairnError(.corrupt, "not open"))
        #expect(healed.map(\.name) == names && healed.allSatisfy { $0.failure == nil })
        #expect(healed.allSatisfy { ($0.copy != nil) == (kind == "flipped") })
        let now = try names.map { try subject.tampering.bytes($0) }
        #expect(now == good)
        _ = try Repository.open(store: subject.repository.store, key: Engine.key)
    }
}
