import BSON
import Bytes
import Mongo
import TestSupport
import Testing

/// Writing raw documents.
@Suite(.enabled(if: TestServer.isAvailable, "no mongod: set CAIRN_MONGOD"))
struct InsertTests {
    private func chunk(_ documents: [BSONDocument]) -> [UInt8] { documents.flatMap(\.bytes) }

    private func read(_ namespace: Namespace) throws -> [BSONDocument] {
        let deployment = try TestServer.reader()
        let client = try deployment.checkOut()
        let time = try TestServer.settledTime(client)
        let planner = RangePlanner(client: client, server: deployment.server, at: time)
        return try TestServer.scan(planner.plan(TestServer.info(namespace, deployment)), client, at: time).flatMap {
            $0
        }
    }

    @Test func documentsArriveByteForByteInSeveralBatches() throws {
        let namespace = Namespace(TestServer.database(), "c")
        let documents: [BSONDocument] = (0..<12_345).map {
            [
                "_id": BSONValue($0), "": .null, "a": 1, "a": 2, "t": .timestamp(Timestamp(t: 1, i: UInt32($0))),
                "d": .double(-0.0),
            ]
        }
        let inserter = try BulkInserter(client: TestServer.writer().checkOut(), namespace: namespace)
        try inserter.insert(documents: chunk(documents).rawSpan)
        try inserter.flush()
        #expect(inserter.insertedDocuments == 12_345)
        #expect(inserter.insertedBytes == chunk(documents).count)
        #expect(inserter.failureCount == 0)
        #expect(try read(namespace) == documents)
    }

    @Test func theLargestDocument() throws {
        let namespace = Namespace(TestServer.database(), "c")
        let frame = BSONDocument([("_id", 1), ("b", .binary(subtype: 0, []))]).bytes.count
        let document: BSONDocument = [
            "_id": 1, "b": .binary(subtype: 0, [UInt8](repeating: 9, count: (16 << 20) - frame)),
        ]
        #expect(document.bytes.count == 16 << 20)
        let inserter = try BulkInserter(client: TestServer.writer().checkOut(), namespace: namespace)
        try inserter.insert(documents: document.bytes.rawSpan)
        try inserter.insert(documents: chunk([["_id": 2]]).rawSpan)
        try inserter.flush()
        #expect(inserter.insertedDocuments == 2)
        #expect(try read(namespace).first == document)
    }

    @Test func refusedDocumentsAreNamedAndTheOthersArrive() throws {
        let namespace = Namespace(TestServer.database(), "c")
        try TestServer.insert([["_id": 3], ["_id": 1_500]], into: namespace)
        var options = BulkInserter.Options()
        options.batchDocuments = 1_000
        let inserter = try BulkInserter(client: TestServer.writer().checkOut(), namespace: namespace, options: options)
        try inserter.insert(documents: chunk((0..<2_000).map { ["_id": BSONValue($0)] }).rawSpan)
        try inserter.flush()
        #expect(inserter.insertedDocuments == 1_998)
        #expect(inserter.failures.map(\.index) == [3, 1_500])
        #expect(inserter.failures.map(\.id) == [["_id": 3], ["_id": 1_500]])
        #expect(inserter.failures.allSatisfy { $0.code == 11000 })
    }

    @Test func validatorsAndEmptyTimestampsDoNotStandInTheWay() throws {
        let db = TestServer.database()
        try TestServer.source().connect().run(["create": "c", "validator": ["x": ["$type": "string"]]], db: db)
        let documents: [BSONDocument] = [
            ["_id": 1, "x": 5], ["_id": 2, "ts": .timestamp(Timestamp(t: 0, i: 0))],
            ["_id": 3, "sub": ["ts": .timestamp(Timestamp(t: 0, i: 0))]],
        ]
        let inserter = try BulkInserter(client: TestServer.writer().checkOut(), namespace: Namespace(db, "c"))
        try inserter.insert(documents: chunk(documents).rawSpan)
        try inserter.flush()
        #expect(inserter.failureCount == 0 && inserter.insertedDocuments == 3)
        let found = try read(Namespace(db, "c"))
        #expect(Set(found) == Set(documents), "\(found.map { try? ExtendedJSON.canonical($0) })")
    }

    @Test func timeSeriesBucketsGoThroughTheirCollection() throws {
        let db = TestServer.database()
        let witness = try TestServer.source().connect()
        let series: BSONValue = ["timeField": "t", "metaField": "m"]
        try witness.run(["create": "s", "timeseries": series], db: db)
        let points: [BSONValue] = (0..<200).map {
            ["t": .date(1_700_000_000_000 + Int64($0)), "m": BSONValue($0 % 5), "v": .double(0.5)]
        }
        try witness.run(["insert": "s", "documents": .array(points)], db: db)
        let buckets = try read(Namespace(db, "s"))
        #expect(buckets.count == 5)
        let copy = TestServer.database()
        try witness.run(["create": "s", "timeseries": series], db: copy)
        let inserter = try BulkInserter(
            client: TestServer.writer().checkOut(), namespace: Namespace(copy, "system.buckets.s"))
        try inserter.insert(documents: chunk(buckets).rawSpan)
        try inserter.flush()
        #expect(inserter.failureCount == 0)
        #expect(try read(Namespace(copy, "s")) == buckets)
        let client = try TestServer.reader().checkOut()
        #expect(try client.exactCount(Namespace(copy, "s")) == 200)
        #expect(
            try client.dbHash(copy).collections["system.buckets.s"] == client.dbHash(db).collections["system.buckets.s"]
        )
    }

    @Test func writeConcernsThatCannotBeMetAreErrors() throws {
        var options = BulkInserter.Options()
        options.writeConcern = ["w": 5, "wtimeout": 50]
        let inserter = try BulkInserter(
            client: TestServer.writer().checkOut(), namespace: Namespace(TestServer.database(), "c"), options: options)
        try inserter.insert(documents: chunk([["_id": 1]]).rawSpan)
        let error = #expect(throws: CairnError.self) { try inserter.flush() }
        #expect(error?.code == .server)
    }
}
