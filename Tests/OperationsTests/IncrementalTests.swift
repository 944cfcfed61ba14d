import Archive
import BSON
import Bytes
import Mongo
import TestSupport
import Testing

@testable import Operations

/// An incremental snapshot is what the server itself shows by a read at its time, whatever happened since the parent.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct IncrementalTests {
    /// An incremental, by the product's own choice of kind.
    private func incremental(
        _ rig: Rig, _ include: [String], _ tuning: BackupTuning = BackupTuning()
    ) throws -> BackupReport {
        let report = try rig.backup(.incremental, include, tuning)
        #expect(report.kind == "incremental", "\(report.warnings)")
        return report
    }

    private func update(_ client: WireClient, _ db: String, _ collection: String, _ id: Int, _ set: BSONDocument) throws
    {
        let change: BSONValue = ["q": ["_id": BSONValue(id)], "u": ["$set": .document(set)]]
        try client.run(["update": .string(collection), "updates": [change]], db: db)
    }

    private func delete(_ client: WireClient, _ db: String, _ collection: String, _ id: BSONValue) throws {
        try client.run(["delete": .string(collection), "deletes": [["q": ["_id": id], "limit": 1]]], db: db)
    }

    @Test func aFewChangesCostAFewBytes() throws {
        // A server of its own: the oplog of what other tests write is stored too.
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.fill(db, "c", 0..<10_000)
        try source.fill(db, "still", 0..<100)
        let full = try rig.backup(["\(db).*"])
        for id in 0..<40 { try update(source, db, "c", id * 250, ["changed": true]) }
        for id in 0..<30 { try delete(source, db, "c", BSONValue(id * 250 + 1)) }
        try source.fill(db, "c", 20_000..<20_030)
        let report = try incremental(rig, ["\(db).*"])
        #expect(report.parent == full.id && report.documents == full.documents && report.scanned.isEmpty)
        #expect(report.addedBytes * 20 < full.addedBytes, "\(report.addedBytes) of \(full.addedBytes)")
        let contents = try SnapshotContents(rig, report.id)
        #expect(try contents.differences(source, [db]) == [])
        let before = try SnapshotContents(rig, full.id)
        #expect(contents.entries["\(db).still"] == before.entries["\(db).still"])
        #expect(contents.entries["\(db).c"]?.runs.count == 1)
        #expect(try rig.damage() == [])
    }

    /// Every definition that can change between two snapshots, and data beside it.
    private func define(_ client: WireClient, _ db: String, _ other: String) throws {
        try client.run(["create": "created"], db: db)
        try client.fill(db, "created", 0..<50)
        try client.run(["drop": "dropped"], db: db)
        try client.run(["drop": "again"], db: db)
        try client.fill(db, "again", 500..<560, seed: 9)
        try client.run(["renameCollection": .string("\(db).renamed"), "to": .string("\(db).newName")], db: "admin")
        try update(client, db, "newName", 3, ["after": "rename"])
        try client.run(
            [
                "renameCollection": .string("\(db).over"), "to": .string("\(db).target"), "dropTarget": true,
            ], db: "admin")
        try client.run(
            ["renameCollection": .string("\(db).moving"), "to": .string("\(other).moved")], db: "admin")
        try client.run(
            ["aggregate": "plain", "pipeline": [["$out": "output"]], "cursor": .document([:])], db: db)
        try client.run(
            [
                "aggregate": "plain", "pipeline": [["$match": ["_id": ["$lt": 10]]], ["$merge": "again"]],
                "cursor": .document([:]),
            ], db: db)
        try client.run(["convertToCapped": "small", "size": 1_000_000], db: db)
        try client.run(["collMod": "plain", "validator": ["_id": ["$exists": true]]], db: db)
        let indexes: [BSONValue] = [["key": ["active": 1], "name": "active_1", "sparse": true]]
        try client.run(["createIndexes": "plain", "indexes": .array(indexes)], db: db)
        try client.run(["dropIndexes": "indexed", "index": "x_1"], db: db)
        try client.run(["dropDatabase": 1], db: other + "gone")
        try client.run(["collMod": "view", "viewOn": "plain", "pipeline": []], db: db)
        try client.run(["create": "view2", "viewOn": "plain", "pipeline": []], db: db)
        try client.run(["drop": "oldView"], db: db)
        try client.run(["create": "series2", "timeseries": ["timeField": "t"]], db: db)
        try measure(client, db, "series2", 0..<40)
        try measure(client, db, "series", 100..<140)
        try client.run(["drop": "oldSeries"], db: db)
        try client.run(["insert": "cap", "documents": .array((90..<130).map { ["_id": BSONValue($0)] })], db: db)
        try client.run(["create": "collated", "collation": ["locale": "en", "strength": 1]], db: db + "c")
        try delete(client, db, "folded", "STRASSE")
        try client.run(["insert": "folded", "documents": [["_id": "Strasse", "n": 2]]], db: db)
        try delete(client, db, "numbers", 1)
        try client.run(["insert": "numbers", "documents": [["_id": 1.0, "as": "double"]]], db: db)
        try delete(client, db, "clustered", 7)
        try client.run(["insert": "clustered", "documents": [["_id": 1_000]]], db: db)
    }

    private func measure(_ client: WireClient, _ db: String, _ collection: String, _ range: Range<Int>) throws {
        let documents = range.map { BSONValue.document(["t": .date(1_700_000_000_000 + Int64($0) * 60_000), "v": 1]) }
        try client.run(["insert": .string(collection), "documents": .array(documents)], db: db)
    }

    private func prepare(_ client: WireClient, _ db: String, _ other: String) throws {
        for name in ["plain", "dropped", "again", "renamed", "over", "target", "moving", "small", "indexed"] {
            try client.fill(db, name, 0..<200, bytes: 200)
        }
        try client.fill(other + "gone", "c", 0..<20)
        try client.run(
            ["createIndexes": "indexed", "indexes": [["key": ["x": 1], "name": "x_1"]]], db: db)
        try client.run(["create": "view", "viewOn": "indexed", "pipeline": []], db: db)
        try client.run(["create": "oldView", "viewOn": "indexed", "pipeline": []], db: db)
        try client.run(["create": "series", "timeseries": ["timeField": "t"]], db: db)
        try client.run(["create": "oldSeries", "timeseries": ["timeField": "t"]], db: db)
        try measure(client, db, "series", 0..<100)
        try measure(client, db, "oldSeries", 0..<10)
        try client.run(["create": "cap", "capped": true, "size": 1_000_000, "max": 50], db: db)
        try client.run(["insert": "cap", "documents": .array((0..<60).map { ["_id": BSONValue($0)] })], db: db)
        try client.run(["create": "folded", "collation": ["locale": "en", "strength": 2]], db: db)
        let words: [BSONValue] = ["STRASSE", "a", "b", "c", "d", "e", "f", "g"].map { ["_id": $0, "n": 1] }
        try client.run(["insert": "folded", "documents": .array(words)], db: db)
        try client.run(
            ["insert": "numbers", "documents": .array((0..<20).map { ["_id": BSONValue($0)] })], db: db)
        try client.run(["create": "clustered", "clusteredIndex": ["key": ["_id": 1], "unique": true]], db: db)
        try client.run(
            ["insert": "clustered", "documents": .array((0..<100).map { ["_id": BSONValue($0)] })], db: db)
    }

    @Test func definitionsChangeInTheWindow() throws {
        let rig = try Rig(source: ThrowawayServer.shared("incremental").uri)
        let (db, other) = (Rig.database(), Rig.database())
        let source = try rig.sourceClient()
        let include = ["\(db)*", "\(other)*"]
        try prepare(source, db, other)
        try rig.backup(include)
        try define(source, db, other)
        let report = try incremental(rig, include)
        #expect(report.warnings == [])
        #expect(try SnapshotContents(rig, report.id).differences(source, [db, other, db + "c", other + "gone"]) == [])
        #expect(!report.scanned.contains { $0.namespace == "\(db).newName" }, "a rename costs no scan")
        #expect(report.scanned.contains { $0.namespace == "\(other).moved" && $0.reason == "new" })

        try rig.restore { $0.verify = true }
        #expect(try rig.differences([db, other]) == [])
        let idle = try incremental(rig, include)
        #expect(idle.documents == report.documents && idle.scanned.isEmpty)
        #expect(try SnapshotContents(rig, idle.id).differences(source, [db, other]) == [])
        #expect(try rig.damage() == [])
    }

    /// More changed `_id`s than the budget holds, several times over, while writes go on.
    @Test func manyChangesInLittleMemory() throws {
        let rig = try Rig(source: ThrowawayServer.shared("incremental").uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        for name in ["a", "b", "c"] { try source.fill(db, name, 0..<12_000, bytes: 200) }
        try rig.backup(["\(db).*"])
        let change: BSONValue = [
            "q": ["_id": ["$mod": [10, 0]]], "u": ["$set": ["changed": 1]], "multi": true,
        ]
        for name in ["a", "b", "c"] { try source.run(["update": .string(name), "updates": [change]], db: db) }
        let writer = Background(rig.source) { client, round in
            let id = round * 37 % 12_000
            switch round % 3 {
            case 0: try update(client, db, "a", id, ["round": BSONValue(round)])
            case 1: try delete(client, db, "b", BSONValue(id))
            default: try client.run(["insert": "c", "documents": [["_id": BSONValue(12_000 + round)]]], db: db)
            }
        }
        writer.awaitRounds(20)
        var tuning = BackupTuning()
        tuning.changeBytes = 40_000
        tuning.segmentBytes = 300_000
        let report = try incremental(rig, ["\(db).*"], tuning)
        try writer.stop()
        let contents = try SnapshotContents(rig, report.id)
        #expect(try contents.differences(source, [db]) == [])
        #expect((contents.entries["\(db).a"]?.runs.count ?? 0) > 1, "one pass was enough")
        #expect(report.segments > 1)
        let next = try incremental(rig, ["\(db).*"], tuning)
        #expect(try SnapshotContents(rig, next.id).differences(source, [db]) == [])
        #expect(try rig.damage() == [])
    }
}
