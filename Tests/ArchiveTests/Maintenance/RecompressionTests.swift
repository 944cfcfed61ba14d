import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Archive

/// Compressing what is stored at another level.
@Suite struct RecompressionTests {
    private func recompress(
        _ store: any ObjectStore, level: Int = 12, dryRun: Bool = false
    ) throws -> RecompressionReport {
        var options = RecompressionOptions(level: level, workers: 2)
        options.dryRun = dryRun
        options.packTarget = 1 << 16
        return try Recompression(try Repository.open(store: store, key: RewriteFixture.key), options: options).run()
    }

    private func levels(_ store: any ObjectStore) throws -> [Int?] {
        var levels: [RandomID: Int?] = [:]
        try Repository.open(store: store, key: RewriteFixture.key).forEachIndex { _, object in
            for pack in object.packs { levels[pack.identity.id] = pack.level }
        }
        return Array(levels.values)
    }

    /// What is stored gets smaller, and nothing else changes; a second run does nothing.
    @Test func smallerAndTheSame() throws {
        let fixture = try RewriteFixture()
        let store = fixture.store
        #expect(try levels(store).allSatisfy { $0 == 33 })
        try RewriteFixture.sweep(store)
        let before = try RewriteFixture.packBytes(store)
        let asked = try recompress(store, dryRun: true)
        #expect(try RewriteFixture.packBytes(store) == before)
        let report = try recompress(store)
        #expect(report.packsRewritten > 0 && asked.packsRewritten > 0)
        #expect(report.bytesAfter < report.bytesBefore && report.packsAtLevel == 0)
        try fixture.expectWhole(store, "before the sweep")
        let again = try recompress(store)
        #expect(again.packsRewritten + again.packsKept + again.packsUseless == 0 && again.packsAtLevel == again.packs)
        try RewriteFixture.sweep(store)
        #expect(try RewriteFixture.packBytes(store) < before)
        #expect(try levels(store).allSatisfy { $0 == 44 })
        try fixture.expectWhole(store, "after the sweep")
        // A lower level wins nothing that is not there already.
        let lower = try recompress(store, level: 3)
        #expect(lower.packsRewritten + lower.packsKept == 0)
    }

    /// Packs in which too little is to be won stay, and are remembered as tried.
    @Test func packsThatAreNotWorthItStay() throws {
        let store = MemoryStore()
        let repository = try Repository.create(
            store: store,
            parameters: RepositoryParameters(documentChunks: Engine.sizes, passphraseCost: .cheap),
            key: RewriteFixture.key)
        var random = SeededGenerator(seed: 4)
        let noise: [BSONDocument] = (0..<200).map { id in
            let filling = (0..<900).map { _ in UInt8.random(in: 0...255, using: &random) }
            return ["_id": .int32(Int32(id)), "filling": .binary(subtype: 0, filling)]
        }
        let data: SampleData = ["a.noise": [noise]]
        let snapshot = try Engine.backUp(data, to: repository, options: RewriteFixture.options)
        let packs = Set(try repository.list(.chunk))
        let report = try recompress(store)
        #expect(report.packsKept >= packs.count - 1)
        #expect(packs.subtracting(try repository.condemned().flatMap(\.packs)).count == report.packsKept)
        let again = try recompress(store)
        #expect(again.packsKept + again.packsRewritten == 0)
        #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(data))
        #expect(try Check.run(repository, options: CheckOptions(data: .all, workers: 1)).isSound)
    }

    /// Stopped before any of its changes, nothing is lost, and the next run comes to the same end.
    @Test func interruptedAnywhere() throws {
        let fixture = try RewriteFixture()
        let changes = try RewriteFixture.interrupting(fixture.store) { store in
            _ = try recompress(store)
        } verify: { store, changes in
            try fixture.expectWhole(store, "after \(changes) changes", isDeep: false)
            try Repository.open(store: store, key: RewriteFixture.key).unlock(force: true)
            _ = try recompress(store)
            try RewriteFixture.sweep(store)
            #expect(try levels(store).allSatisfy { $0 == 44 }, "after \(changes) changes")
            try fixture.expectWhole(store, "gone on with after \(changes) changes")
        }
        #expect(changes > 5)
    }

    /// A chunk that is not what its id says is not passed on.
    @Test func faultyChunksStopIt() throws {
        let fixture = try RewriteFixture()
        let store = fixture.store
        let repository = try Repository.open(store: store, key: RewriteFixture.key)
        let index = try repository.loadIndex()
        let needed = try #require(fixture.data.first?.snapshot.catalogue.first.flatMap { index.lookup($0) })
        let bytes = Buffer(capacity: 0)
        try store.get(Names.pack(needed.pack.id), into: bytes)
        var altered = bytes.array
        altered[needed.offset + 20] ^= 1
        try store.put(Names.pack(needed.pack.id), altered.rawSpan, mode: .replace)
        let error = #expect(throws: CairnError.self) { try recompress(store) }
        #expect(error?.code == .corrupt)
        #expect(try repository.condemned().count == 1)
    }
}
