import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// Encrypting everything anew. format-spec.md §11.2.
@Suite struct ReencryptionTests {
    private func open(_ store: any ObjectStore) throws -> Repository {
        try Repository.open(store: store, key: RewriteFixture.key)
    }

    /// after a run and a sweep nothing is under an old epoch, and everything is there.
    @Test func nothingStaysUnderAnOldEpoch() throws {
        let fixture = try RewriteFixture()
        let store = fixture.store
        try RewriteFixture.rotate(store)
        #expect(try RewriteFixture.epochs(store).values.allSatisfy { $0 == 0 })
        let kinds = Set(try RewriteFixture.epochs(store).keys.map { $0.prefix { $0 != "/" } })
        #expect(kinds == ["packs", "indexes", "snapshots", "segments", "audit", "condemned", "suspects"])
        let report = try Reencryption(try open(store)).run()
        #expect(report.epoch == 1 && report.replaced == 5 && report.auditRecords == 4 && report.unreadable.isEmpty)
        #expect(report.packs > 0 && report.indexes > 0 && report.waitingPacks >= report.packs)
        let old = try RewriteFixture.epochs(store).filter { $0.value == 0 }.keys
        #expect(old.count == report.waitingPacks && old.allSatisfy { $0.hasPrefix("packs/") })
        try fixture.expectWhole(store, "before the sweep")
        try RewriteFixture.sweep(store)
        #expect(try RewriteFixture.epochs(store).values.allSatisfy { $0 == 1 })
        try fixture.expectWhole(store, "after the sweep")
        // A second run finds nothing to do, and a second rotation makes all of it old again.
        let again = try Reencryption(try open(store)).run()
        #expect(again.packs + again.replaced + again.auditRecords + again.indexes + again.waitingPacks == 0)
        try RewriteFixture.rotate(store)
        _ = try Reencryption(try open(store)).run()
        try RewriteFixture.sweep(store)
        #expect(try RewriteFixture.epochs(store).values.allSatisfy { $0 == 2 })
        try fixture.expectWhole(store, "after a second rotation")
    }

    /// Chunk ids stay: a backup afterwards stores nothing again.
    @Test func chunksAreFoundAgain() throws {
        let fixture = try RewriteFixture()
        try RewriteFixture.rotate(fixture.store)
        _ = try Reencryption(try open(fixture.store)).run()
        let repository = try open(fixture.store)
        let writer = ArchiveWriter(
            repository: repository, index: try .load(repository), options: RewriteFixture.options)
        _ = try Engine.backUp(Engine.sample, with: writer, at: 9)
        #expect(writer.progress.newChunks == 0)
    }

    /// Stopped before any of its changes, nothing is lost, and the next run comes to the same end.
    @Test func interruptedAnywhere() throws {
        let fixture = try RewriteFixture()
        try RewriteFixture.rotate(fixture.store)
        let changes = try RewriteFixture.interrupting(fixture.store) { store in
            _ = try Reencryption(try open(store)).run()
        } verify: { store, changes in
            try fixture.expectWhole(store, "after \(changes) changes", isDeep: false)
            let repository = try open(store)
            try repository.unlock(force: true)
            try repository.appendAudit(operation: "after", program: "test", details: [:])
            try fixture.expectWhole(store, "after \(changes) changes and a record", isDeep: false)
            _ = try Reencryption(repository).run()
            try RewriteFixture.sweep(store)
            #expect(try RewriteFixture.epochs(store).values.allSatisfy { $0 == 1 }, "after \(changes) changes")
            try fixture.expectWhole(store, "gone on with after \(changes) changes")
        }
        #expect(changes > 15)
    }

    /// [D-5]: what cannot be read stops it before it changes anything.
    @Test func damageStopsIt() throws {
        let fixture = try RewriteFixture()
        let store = fixture.store
        try RewriteFixture.rotate(store)
        let index = try open(store).loadIndex()
        let needed = try #require(fixture.data.first?.snapshot.catalogue.first.flatMap { index.lookup($0) })
        try store.delete(Names.pack(needed.pack.id))
        let before = try RewriteFixture.epochs(store)
        let error = #expect(throws: CairnError.self) { try Reencryption(try open(store)).run() }
        #expect(error?.code == .corrupt)
        #expect(try RewriteFixture.epochs(store) == before)
    }

    /// [H-5]: a record that is removed is missed, whether it was encrypted anew or not.
    @Test func removedRecordsAreMissed() throws {
        let fixture = try RewriteFixture()
        let store = fixture.store
        try RewriteFixture.rotate(store)
        let repository = try open(store)
        _ = try Reencryption(repository).run()
        let report = try repository.verifyAudit()
        #expect(report.records.count == 4 && report.records.allSatisfy { $0.replaces.count == 1 })
        let named = try #require(report.records.first { !report.heads.contains($0.id) })
        try store.delete(Names.object(.audit, named.id))
        #expect(try repository.verifyAudit().problems.map(\.object) == ["audit/" + named.replaces[0].id.hex])
    }
}
