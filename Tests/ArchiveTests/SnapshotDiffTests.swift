import Archive
import BSON
import Bytes
import Testing

@Suite struct SnapshotDiffTests {
    private func diff(
        _ first: Snapshot, _ second: Snapshot, _ repository: Repository, partition: Int = 1 << 20,
        visitor: SnapshotDiff.Visitor? = nil
    ) throws -> [String: SnapshotDiff.Collection] {
        let index = try repository.loadIndex()
        let readers = [first, second].map { SnapshotReader(repository: repository, chunks: index, snapshot: $0) }
        var result: [String: SnapshotDiff.Collection] = [:]
        try SnapshotDiff(from: readers[0], to: readers[1], partitionDocuments: partition, visitor: visitor)
            .forEachCollection { result[$0.namespace] = $0 }
        return result
    }

    @Test func equalSnapshotsAreEqual() throws {
        let repository = try Engine.makeRepository()
        let first = try Engine.backUp(Engine.sample, to: repository)
        let second = try Engine.backUp(Engine.sample, to: repository, at: 2)
        let collections = try diff(first, second, repository)
        #expect(collections.count == 3 && collections.values.allSatisfy { $0.isEqual })
    }

    @Test(arguments: [1 << 20, 100])
    func differencesAreCountedAndNamed(partition: Int) throws {
        let repository = try Engine.makeRepository()
        var data = Engine.sample
        data["shop.gone"] = [Engine.documents(0..<5)]
        let first = try Engine.backUp(data, to: repository)
        data["shop.gone"] = nil
        data["shop.new"] = [Engine.documents(0..<7)]
        data["shop.orders"]![0].remove(at: 20)
        data["shop.orders"]![0][50] = Engine.document(51, version: 9)
        data["shop.orders"]![1].append(contentsOf: Engine.documents(900..<903))
        let second = try Engine.backUp(data, to: repository, at: 2)

        var named: [SnapshotDiff.Change: [[UInt8]]] = [:]
        let collections = try diff(first, second, repository, partition: partition) { namespace, change, identity in
            if namespace == "shop.orders" { named[change, default: []].append([UInt8](identity)) }
        }
        #expect(try diff(first, second, repository, partition: partition) == collections)
        #expect(collections["shop.users"]?.isEqual == true)
        let orders = try #require(collections["shop.orders"])
        #expect(orders.added == 3 && orders.removed == 1 && orders.changed == 1)
        #expect(try named[.removed] == [Engine.identity(Engine.document(20))])
        #expect(try named[.changed] == [Engine.identity(Engine.document(51))])
        #expect(try named[.added].map(Set.init) == Set((900..<903).map { try Engine.identity(Engine.document($0)) }))
        let gone = try #require(collections["shop.gone"])
        #expect(gone.isGone && gone.removed == 5 && gone.added == 0)
        let new = try #require(collections["shop.new"])
        #expect(new.isNew && new.added == 7)
    }

    @Test func documentsWithoutIdentityAreCounted() throws {
        let repository = try Engine.makeRepository()
        let bare: [BSONDocument] = (0..<300).map { ["value": .int32(Int32($0 / 2))] }
        let first = try Engine.backUp(["a.a": [bare]], to: repository)
        var changed = bare
        changed.remove(at: 10)
        changed.append(["value": .int32(77)])
        changed.append(["value": .string("new")])
        let second = try Engine.backUp(["a.a": [changed]], to: repository, at: 2)
        let collection = try #require(try diff(first, second, repository)["a.a"])
        #expect(collection.added == 2 && collection.removed == 1 && collection.changed == 0)
    }
}
