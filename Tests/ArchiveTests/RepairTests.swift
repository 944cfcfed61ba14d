import Archive
import BSON
import Bytes
import ObjectStore
import Testing

@Suite struct RepairTests {
    private static let all = CheckOptions(data: .all, workers: 2)

    private struct Subject {
        let repository: Repository
        let tampering: Tampering
        let data: SampleData
        let snapshot: Snapshot
    }

    private static func makeSubject() throws -> Subject {
        let repository = try Engine.makeRepository()
        let documents: [BSONDocument] = (0..<1_000).map {
            ["_id": .int32(Int32($0)), "x": .binary(subtype: 0, SecureRandom.bytes(400))]
        }
        let data: SampleData = ["shop.orders": [documents], "shop.users": [Engine.documents(0..<3)]]
        let options = WriterOptions(workers: 1, streams: 1, packTarget: 1 << 16, packsPerIndex: 3)
        let snapshot = try Engine.backUp(data, to: repository, options: options)
        return Subject(
            repository: repository, tampering: Tampering(store: repository.store), data: data, snapshot: snapshot)
    }

    private func expectCopies(_ report: Repair.Report, _ originals: [ObjectName: [UInt8]], _ store: any ObjectStore)
        throws
    {
        #expect(report.copies.count == report.removed.count)
        for (copy, name) in zip(report.copies, report.removed) {
            #expect(copy.path.hasPrefix(Repair.folder) && copy.path.hasSuffix(name.path))
            #expect(try Tampering(store: store).bytes(copy) == originals[name])
        }
    }

    private func originals(_ subject: Subject) throws -> [ObjectName: [UInt8]] {
        var all: [ObjectName: [UInt8]] = [:]
        for name in try subject.tampering.names() { all[name] = try subject.tampering.bytes(name) }
        return all
    }

    @Test func aSoundRepositoryIsLeftAlone() throws {
        let subject = try Self.makeSubject()
        let before = try originals(subject)
        let report = try Repair.run(subject.repository, options: Self.all)
        #expect(!report.changed && report.copies.isEmpty)
        #expect(try originals(subject) == before)
    }

    @Test func lostIndexesAreMadeFromPacks() throws {
        let subject = try Self.makeSubject()
        let indexes = try subject.tampering.names("indexes/")
        #expect(indexes.count > 2)
        for index in indexes { try subject.repository.store.delete(index) }
        let report = try Repair.run(subject.repository, options: Self.all)
        #expect(!report.before.isSound && report.after.isSound && report.removed.isEmpty)
        #expect(report.indexedPacks == report.before.packs)
        #expect(try Engine.contents(subject.snapshot, of: subject.repository) == Engine.expected(subject.data))
    }

    @Test func damagedIndexesAreReplaced() throws {
        let subject = try Self.makeSubject()
        let name = try #require(try subject.tampering.names("indexes/").first)
        var bytes = try subject.tampering.bytes(name)
        bytes[bytes.count / 2] ^= 1
        try subject.tampering.replace(name, bytes)
        let before = try originals(subject)
        let report = try Repair.run(subject.repository, options: CheckOptions(workers: 1))
        #expect(report.removed == [name])
        try expectCopies(report, before, subject.repository.store)
        #expect(report.after.isSound)
        #expect(try Check.run(subject.repository, options: Self.all).unknownObjects.isEmpty)
        #expect(try Engine.contents(subject.snapshot, of: subject.repository) == Engine.expected(subject.data))
    }

    @Test func missingPacksLeaveTheIndexAndAreReported() throws {
        let subject = try Self.makeSubject()
        let packs = try subject.tampering.names("packs/")
        try subject.repository.store.delete(packs[1])
        let report = try Repair.run(subject.repository, options: Self.all)
        #expect(report.after.incompleteSnapshots == [subject.snapshot.id])
        // What is wrong afterwards is only that a snapshot misses chunks, no longer that the index is wrong.
        #expect(report.after.damage.allSatisfy { $0.object == "packs/" })
        // The next backup of the same data brings them back.
        try Engine.backUp(subject.data, to: subject.repository, at: 2)
        let check = try Check.run(subject.repository, options: Self.all)
        #expect(check.isSound && check.incompleteSnapshots.isEmpty)
        #expect(try Engine.contents(subject.snapshot, of: subject.repository) == Engine.expected(subject.data))
    }

    @Test(arguments: ["flip", "truncate", "directory"])
    func wholeChunksOfADamagedPackAreSaved(kind: String) throws {
        let subject = try Self.makeSubject()
        let name = try #require(
            try subject.tampering.names("packs/").first { try subject.tampering.bytes($0).count > 60_000 })
        var bytes = try subject.tampering.bytes(name)
        switch kind {
        case "flip": bytes[30_000] ^= 1
        case "truncate": bytes.removeLast(30_000)
        default: bytes[bytes.count - 40] ^= 1
        }
        try subject.tampering.replace(name, bytes)
        let before = try originals(subject)
        let copies = MemoryStore()
        let report = try Repair.run(subject.repository, options: Self.all, copies: copies)
        try expectCopies(report, before, copies)
        #expect(report.removed.contains(name))
        #expect(report.salvagedChunks > 0)
        if kind == "directory" { #expect(report.lostChunks == 0 && report.after.isSound) }
        if kind == "flip" { #expect(report.lostChunks == 1) }
        #expect(try subject.tampering.names(Repair.folder).isEmpty)
        try Engine.backUp(subject.data, to: subject.repository, at: 2)
        #expect(try Check.run(subject.repository, options: Self.all).isSound)
        #expect(try Engine.contents(subject.snapshot, of: subject.repository) == Engine.expected(subject.data))
    }

    @Test func anUnreadableSnapshotIsPutAside() throws {
        let subject = try Self.makeSubject()
        let second = try Engine.backUp(subject.data, to: subject.repository, at: 2)
        let name = Names.object(.snapshot, subject.snapshot.id)
        let details: BSONDocument = ["snapshot": .string(subject.snapshot.id.hex)]
        try subject.repository.appendAudit(operation: "backup full", program: "test", details: details)
        try subject.tampering.replace(name, [1, 2, 3])
        #expect(throws: CairnError.self) { try subject.repository.snapshots() }
        let report = try Repair.run(subject.repository, options: CheckOptions(workers: 1))
        #expect(report.removed == [name])
        #expect(report.after.isSound && report.after.soundSnapshots == [second.id])
        #expect(try subject.repository.snapshots().map(\.id) == [second.id])
        // From now on the audit record of the repair tells where it went.
        #expect(try !Check.run(subject.repository, options: CheckOptions(workers: 1)).isSound)
        let removed: BSONDocument = ["removed": .array(report.removed.map { .string($0.path) })]
        try subject.repository.appendAudit(operation: "repair", program: "test", details: removed)
        #expect(try Check.run(subject.repository, options: CheckOptions(workers: 1)).isSound)
    }

    @Test func nothingChangesWhenCopiesCannotBeMade() throws {
        let subject = try Self.makeSubject()
        let name = try #require(try subject.tampering.names("indexes/").first)
        try subject.tampering.replace(name, [0])
        let before = try originals(subject)
        let full = FailingStore(failingPut: 0)
        full.arm()
        #expect { try Repair.run(subject.repository, options: Self.all, copies: full) } throws: {
            ($0 as? CairnError)?.code == .noSpace
        }
        #expect(try originals(subject) == before)
    }
}
