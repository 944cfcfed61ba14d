import BSON
import Bytes
import Mongo
import TestSupport
import Testing

/// Reading collections in ranges.
@Suite(.enabled(if: TestServer.isAvailable, "no mongod: set CAIRN_MONGOD"))
struct ScanTests {
    /// A collection of `count` documents of about 1 KiB, listed with its size.
    private func fill(_ namespace: Namespace, count: Int, _ deployment: MongoDeployment) throws -> CollectionInfo {
        let text = String(repeating: "x", count: 1_000)
        try TestServer.insert(
            (0..<count).map {
                ["_id": .int32(Int32($0 * 7919 % 1_000_003)), "n": BSONValue($0), "text": .string(text)]
            },
            into: namespace)
        return try described(namespace, deployment)
    }

    private func described(_ namespace: Namespace, _ deployment: MongoDeployment) throws -> CollectionInfo {
        var info = try TestServer.info(namespace, deployment)
        info.estimate = try Catalogue.estimate(of: info, deployment.checkOut())
        return info
    }

    private func planner(
        _ deployment: MongoDeployment, _ client: MongoClient, _ time: Timestamp?, _ order: ScanOrder = .natural
    ) -> RangePlanner {
        RangePlanner(client: client, server: deployment.server, at: time, order: order, targetBytes: 1 << 20)
    }

    @Test(arguments: [ScanOrder.natural, .id])
    func rangesTogetherAreTheCollection(order: ScanOrder) throws {
        let deployment = try TestServer.reader()
        let client = try deployment.checkOut()
        let namespace = Namespace(TestServer.database(), "c")
        let info = try fill(namespace, count: 12_000, deployment)
        let time = try TestServer.settledTime(client)
        let plan = try planner(deployment, client, time, order).plan(info)
        #expect(plan.ranges.count >= 8 && plan.ranges.count <= 20, "\(plan.ranges.count) ranges")
        let scanned = try TestServer.scan(plan, client, at: time)
        let largest = scanned.map(\.count).max() ?? 0
        // In `_id` order only the storage engine's random cursor tells where documents are, and it is not even on new
        // data.
        #expect(largest < (order == .natural ? 6_000 : 8_000), "one range has \(largest) documents")
        let ids = scanned.joined().map { $0["_id"] }
        #expect(ids.count == 12_000)
        #expect(Set(ids).count == 12_000)

        // The same again, from what the first plan left.
        let again = try planner(deployment, client, time, order).plan(info, parent: plan.memory)
        #expect(again.reusedCuts == (plan.ranges.count - 1, plan.ranges.count - 1))
        #expect(again.ranges == plan.ranges)
        #expect(try TestServer.scan(again, client, at: time) == scanned)
    }

    @Test func cutsFollowGrowthAndDeletion() throws {
        let deployment = try TestServer.reader()
        let client = try deployment.checkOut()
        let namespace = Namespace(TestServer.database(), "c")
        var info = try fill(namespace, count: 6_000, deployment)
        let first = try planner(deployment, client, TestServer.settledTime(client)).plan(info)
        let text = String(repeating: "y", count: 1_000)
        try TestServer.insert((0..<9_000).map { ["_id": .string("new\($0)"), "text": .string(text)] }, into: namespace)
        guard let gone = first.ranges.first?.end?.id else {
            Issue.record("no cut")
            return
        }
        let delete: BSONValue = ["q": ["_id": gone], "limit": 1]
        try TestServer.source().connect().run(["delete": "c", "deletes": [delete]], db: namespace.db)
        info = try described(namespace, deployment)
        let time = try TestServer.settledTime(client)
        let second = try planner(deployment, client, time).plan(info, parent: first.memory)
        #expect(second.reusedCuts == (first.ranges.count - 2, first.ranges.count - 1))
        #expect(second.ranges.count > first.ranges.count)
        let scanned = try TestServer.scan(second, client, at: time)
        #expect(Set(scanned.joined().map { $0["_id"] }).count == 14_999)
    }

    /// A plan made at one time and read at another, at which the documents at its cuts are gone.
    @Test func anEndThatIsGoneIsFoundByRecordID() throws {
        let deployment = try TestServer.reader()
        let client = try deployment.checkOut()
        let namespace = Namespace(TestServer.database(), "c")
        let info = try fill(namespace, count: 3_000, deployment)
        let before = try TestServer.settledTime(client)
        let plan = try planner(deployment, client, before).plan(info)
        let range = try #require(plan.ranges.first)
        let expected = try #require(TestServer.scan(plan, client, at: before).first).dropLast()
        let delete: BSONValue = ["q": ["_id": try #require(range.end).id], "limit": 1]
        try TestServer.source().connect().run(["delete": "c", "deletes": [delete]], db: namespace.db)
        let after = try TestServer.settledTime(client)
        var documents: [BSONDocument] = []
        try RangeScanner(client: client).scan(range, at: after) { batch in
            try DocumentBatch.forEachDocument(inArray: batch) { documents.append(try BSONDocument(copying: $0)) }
        }
        #expect(documents == Array(expected))

        let next = plan.ranges[1]
        let error = #expect(throws: CairnError.self) { try RangeScanner(client: client).scan(next, at: after) { _ in } }
        #expect(error?.code == .notFound, "\(String(describing: error))")
    }

    @Test func aTimeBeforeTheCollectionIsUnavailable() throws {
        let deployment = try TestServer.reader()
        let client = try deployment.checkOut()
        let before = try TestServer.settledTime(client)
        let namespace = Namespace(TestServer.database(), "c")
        try TestServer.insert([["_id": 1]], into: namespace)
        _ = try TestServer.settledTime(client)
        let plan = try planner(deployment, client, before).plan(try TestServer.info(namespace, deployment))
        let error = #expect(throws: CairnError.self) { try TestServer.scan(plan, client, at: before) }
        #expect(error?.code == .snapshotUnavailable, "\(String(describing: error))")
    }

    @Test func cappedCollectionsComeInInsertionOrder() throws {
        let deployment = try TestServer.reader()
        let client = try deployment.checkOut()
        let namespace = Namespace(TestServer.database(), "capped")
        try TestServer.source().connect().run(
            ["create": "capped", "capped": true, "size": 1_048_576], db: namespace.db)
        try TestServer.insert((0..<5_000).map { ["_id": .int32(Int32(5_000 - $0))] }, into: namespace)
        let info = try described(namespace, deployment)
        let time = try TestServer.settledTime(client)
        let plan = try planner(deployment, client, time).plan(info)
        #expect(plan.ranges.count == 1 && plan.ranges[0].isCapped && !plan.ranges[0].readsAtClusterTime)
        let ids = try TestServer.scan(plan, client, at: time)[0].map { $0["_id"] }
        #expect(ids == (0..<5_000).map { .int32(Int32(5_000 - $0)) })
    }

    @Test(arguments: [ScanOrder.natural, .id])
    func clusteredCollatedAndMixedTypeCollections(order: ScanOrder) throws {
        let deployment = try TestServer.reader()
        let client = try deployment.checkOut()
        let db = TestServer.database()
        let witness = try TestServer.source().connect()
        let clusteredIndex: BSONValue = ["key": ["_id": 1], "unique": true]
        try witness.run(["create": "clustered", "clusteredIndex": clusteredIndex], db: db)
        try witness.run(["create": "collated", "collation": ["locale": "de", "numericOrdering": true]], db: db)
        let text = BSONValue.string(String(repeating: "z", count: 2_000))
        for name in ["clustered", "collated", "plain"] {
            let namespace = Namespace(db, name)
            let documents: [BSONDocument] = (0..<4_000).map { number in
                let id: BSONValue =
                    switch number % 4 {
                    case 0: .int32(Int32(number))
                    case 1: .string("n\(number)")
                    case 2: ["sub": .double(Double(number) + 0.5)]
                    default: .binary(subtype: 0, [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)])
                    }
                return ["_id": id, "n": BSONValue(number), "text": text]
            }
            var seen = Set<BSONValue>()
            let unique = documents.filter { seen.insert($0["_id"]!).inserted }
            try TestServer.insert(unique, into: namespace)
            let info = try described(namespace, deployment)
            let time = try TestServer.settledTime(client)
            let plan = try planner(deployment, client, time, order).plan(info)
            #expect(plan.ranges.count > 3, "\(name): \(plan.ranges.count)")
            let scanned = Array(try TestServer.scan(plan, client, at: time).joined())
            #expect(scanned.count == unique.count, "\(name)")
            #expect(Set(scanned) == Set(unique), "\(name)")
            let again = try planner(deployment, client, time, order).plan(info, parent: plan.memory)
            #expect(again.ranges == plan.ranges, "\(name)")
        }
    }

    @Test func oddNamesEmptyCollectionsAndBigDocuments() throws {
        let deployment = try TestServer.reader()
        let client = try deployment.checkOut()
        let db = "ünï \(TestServer.database())".replacing(" ", with: "_")
        let big = BSONValue.binary(subtype: 0, [UInt8](repeating: 7, count: (16 << 20) - 64))
        for name in ["a.b.c", "with space", "line\nfeed", "ünïcode", "e\u{301}", "\u{E9}", "empty", "big"] {
            let namespace = Namespace(db, name)
            if name == "empty" {
                try TestServer.source().connect().run(["create": .string(name)], db: db)
            } else {
                try TestServer.insert([["_id": .string(name), "": 1, "a": 1, "a": 2]], into: namespace)
            }
            if name == "big" {
                for id in 0..<3 { try TestServer.insert([["_id": BSONValue(id), "b": big]], into: namespace) }
            }
            let info = try described(namespace, deployment)
            let time = try TestServer.settledTime(client)
            let scanned = try TestServer.scan(planner(deployment, client, time).plan(info), client, at: time).joined()
            #expect(scanned.count == (name == "empty" ? 0 : name == "big" ? 4 : 1), "\(name)")
        }
    }
}
