import Archive
import BSON
import Bytes
import Mongo
import TestSupport
import Testing

@testable import Operations

/// When what is stored cannot be continued, the backup takes everything by itself, and says what is lost.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct GapTests {
    @Test func anOplogThatIsTooSmall() throws {
        var options = ThrowawayServer.Options()
        options.oplogMebibytes = 1
        let server = try ThrowawayServer(options)
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.fill(db, "c", 0..<100)
        let first = try rig.backup(.automatic, ["\(db).*"])
        #expect(first.kind == "full" && first.warnings == [] && !first.needsPerson)
        var number = 0
        try ThrowawayReplicaSet.wait(for: "the oplog to lose what it had") {
            try source.fill(db, "noise", (number * 500)..<(number * 500 + 500), bytes: 2_000)
            number += 1
            return try source.documents(
                of: ["find": "oplog.rs", "filter": ["ts": ["$lte": .timestamp(first.at)]], "limit": 1], db: "local"
            ).isEmpty
        }
        let second = try rig.backup(.incremental, ["\(db).*"])
        #expect(second.kind == "full" && second.needsPerson)
        #expect(second.warnings.contains { $0.contains("gap") } && second.warnings.contains { $0.contains("restored") })
        #expect(try SnapshotContents(rig, second.id).differences(source, [db]) == [])
        let gaps = try rig.access.open().segments().filter { $0.gap != nil }
        #expect(gaps.map(\.from.timestamp) == [first.at] && gaps.map(\.to.timestamp) == [second.at])

        let third = try rig.backup(.automatic, ["\(db).*"])
        #expect(third.kind == "incremental" && third.parent == second.id && !third.needsPerson)
        #expect(try rig.damage() == [])
    }

    /// The same time in another term: the set was rolled back, or restored to an earlier state and lived on.
    @Test func aHistoryThatDiverged() throws {
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.fill(db, "c", 0..<100)
        let first = try rig.backup(.automatic, ["\(db).*"])
        let repository = try rig.access.open()
        var other = try repository.snapshot(first.id)
        other.id = .random()
        other.started += 1
        other.term = (other.term ?? 0) + 7
        try repository.writeSnapshot(other)
        try source.fill(db, "c", 100..<200)
        let second = try rig.backup(.automatic, ["\(db).*"])
        #expect(second.kind == "full" && second.needsPerson, "\(second.warnings)")
        #expect(second.warnings.contains { $0.contains("diverged") }, "\(second.warnings)")
        #expect(try repository.segments().count { $0.gap != nil } == 1)
        let third = try rig.backup(.automatic, ["\(db).*"])
        #expect(third.kind == "incremental" && third.parent == second.id)
        #expect(try SnapshotContents(rig, third.id).differences(source, [db]) == [])
    }

    @Test func anotherSelectionIsTakenInFull() throws {
        let rig = try Rig(source: ThrowawayServer.shared("incremental").uri)
        let (db, other) = (Rig.database(), Rig.database())
        let source = try rig.sourceClient()
        for name in [db, other] { try source.fill(name, "c", 0..<100) }
        let first = try rig.backup(.automatic, ["\(db).*"])
        let second = try rig.backup(.incremental, ["\(other).*"])
        #expect(second.kind == "full" && !second.needsPerson && second.warnings.count == 1)
        let third = try rig.backup(.incremental, ["\(db).*"])
        #expect(third.kind == "incremental" && third.parent == first.id)
        #expect(try SnapshotContents(rig, third.id).differences(source, [db]) == [])
    }

    /// A follower's segments are read instead of an oplog that the server has lost, and are not stored again.
    @Test func segmentsStandInForTheOplog() throws {
        var options = ThrowawayServer.Options()
        options.oplogMebibytes = 1
        let server = try ThrowawayServer(options)
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.fill(db, "c", 0..<3_000)
        let first = try rig.backup(.automatic, ["\(db).*"])
        try source.run(["delete": "c", "deletes": [["q": ["_id": 17], "limit": 1]]], db: db)
        // Of another selection, so it is no parent; it stores the oplog all the same.
        try rig.backup(.full, ["nothing.*"])
        var number = 0
        try ThrowawayReplicaSet.wait(for: "the oplog to lose what it had") {
            try source.fill("noise", "c", (number * 500)..<(number * 500 + 500), bytes: 2_000)
            number += 1
            let last = try rig.backup(.full, ["nothing.*"])
            #expect(!last.needsPerson)
            return try source.documents(
                of: ["find": "oplog.rs", "filter": ["ts": ["$lte": .timestamp(first.at)]], "limit": 1], db: "local"
            ).isEmpty
        }
        let report = try rig.backup(.incremental, ["\(db).*"])
        #expect(report.kind == "incremental" && report.parent == first.id, "\(report.warnings)")
        #expect(report.documents == 2_999 && report.scanned.isEmpty)
        #expect(try SnapshotContents(rig, report.id).differences(source, [db]) == [])
    }
}
