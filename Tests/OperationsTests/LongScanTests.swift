import Archive
import BSON
import Bytes
import Mongo
import TestSupport
import Testing

@testable import Operations

/// A full backup whose ranges were read at different times is exact at one all the same.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct LongScanTests {
    /// Every range starts at a time of its own, while documents come, change, go, and come again under the same `_id`.
    @Test(arguments: [FullBackup.ScanOrder.natural, .id], [false, true])
    func everyRangeAtATimeOfItsOwn(order: FullBackup.ScanOrder, joins: Bool) throws {
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        for name in ["a", "b"] { try source.fill(db, name, 0..<6_000, bytes: 400) }
        try source.run(["create": "cap", "capped": true, "size": 1_000_000, "max": 500], db: db)
        if joins { try rig.backup(["\(db).*"], order: order) }
        let writer = Background(rig.source) { client, round in try LongScanTests.write(client, db, round) }
        writer.awaitRounds(600)
        var tuning = BackupTuning()
        tuning.windowSeconds = 0
        tuning.rangeBytes = 100_000
        var report = try rig.backup(.full, ["\(db).*"], tuning, order: order)
        // Whether a write falls between two ranges' times is up to the machine: one of a few backups meets it.
        for _ in 0..<9 where try SnapshotContents(rig, report.id).entries["\(db).a"]?.runs.isEmpty ?? true {
            report = try rig.backup(.full, ["\(db).*"], tuning, order: order)
        }
        writer.awaitRounds(50)
        try writer.stop()
        #expect(report.warnings == [] && report.kind == "full")
        let contents = try SnapshotContents(rig, report.id)
        let capped = contents.rows["\(db).cap"] ?? []
        #expect(try capped == LongScanTests.capped(source, db, at: report.at), "\(capped.count) rows")
        // The capped collection was compared with its oplog, for it cannot be read at a past time.
        let differences = try contents.differences(source, [db]).filter { !$0.hasPrefix("\(db).cap") }
        #expect(differences == [])
        #expect((contents.entries["\(db).a"]?.runs.count ?? 0) > 0, "nothing was left for a closing run")
        let next = try rig.backup(.incremental, ["\(db).*"])
        #expect(next.kind == "incremental" && next.warnings == [])
        #expect(try SnapshotContents(rig, next.id).differences(source, [db]) == [])
        #expect(try rig.damage() == [])
    }

    private static func write(_ client: WireClient, _ db: String, _ round: Int) throws {
        let id = BSONValue(round * 389 % 6_000)
        let one: BSONValue = ["q": ["_id": id], "limit": 1]
        switch round % 4 {
        case 0:
            let change: BSONValue = ["q": ["_id": id], "u": ["$set": ["round": BSONValue(round)]]]
            try client.run(["update": "a", "updates": [change]], db: db)
        case 1:
            try client.run(["delete": "a", "deletes": [one]], db: db)
            if round % 8 == 1 { try client.run(["insert": "a", "documents": [["_id": id, "again": true]]], db: db) }
        case 2: try client.run(["delete": "b", "deletes": [one]], db: db)
        default: try client.run(["insert": "b", "documents": [["_id": BSONValue(10_000 + round)]]], db: db)
        }
        try client.run(["insert": "cap", "documents": [["_id": BSONValue(round)]]], db: db)
    }

    /// What the oplog says that the capped collection held: the test's own fold.
    private static func capped(_ client: WireClient, _ db: String, at time: Timestamp) throws -> [BSONDocument] {
        let find: BSONDocument = [
            "find": "oplog.rs",
            "filter": ["ns": .string("\(db).cap"), "op": ["$in": ["i", "d"]], "ts": ["$lte": .timestamp(time)]],
        ]
        var rows: [BSONDocument] = []
        for entry in try client.documents(of: find, db: "local") {
            let object: BSONDocument = try entry.require("o", in: "entry")
            if entry["op"] == .string("i") {
                rows.append(object)
            } else {
                rows.removeAll { $0["_id"] == object["_id"] }
            }
        }
        return rows
    }
}
