import Archive
import BSON
import Bytes
import Glibc
import Mongo
import TestSupport
import Testing

@testable import Operations

/// Transactions that begin before a snapshot's time and end after it.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct TransactionWindowTests {
    /// One transaction, command by command.
    private struct Transaction: Sendable {
        private let session: BSONValue = ["id": .binary(subtype: 4, RandomID.random().bytes)]

        @discardableResult
        func run(_ client: WireClient, _ command: BSONDocument, _ db: String, begins: Bool = false) throws
            -> BSONDocument
        {
            var fields = command.fields.map { ($0.name, $0.value) }
            fields += [("lsid", session), ("txnNumber", .int64(1)), ("autocommit", false)]
            if begins { fields.append(("startTransaction", true)) }
            return try client.run(BSONDocument(fields), db: db)
        }
    }

    private func server() throws -> ThrowawayServer {
        var options = ThrowawayServer.Options()
        options.arguments = ["--setParameter", "enableTestCommands=1"]
        return try ThrowawayServer(options)
    }

    /// Prepared before the parent's time, committed or aborted behind it; and of several oplog entries.
    @Test(arguments: ["commit", "abort"]) func preparedAcrossTheParent(end: String) throws {
        let server = try server()
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.fill(db, "c", 0..<100)
        try source.run(["create": "new"], db: db)
        let transaction = Transaction()
        try transaction.run(source, ["insert": "new", "documents": [["_id": 1]]], db, begins: true)
        try transaction.run(source, ["delete": "c", "deletes": [["q": ["_id": 5], "limit": 1]]], db)
        let change: BSONValue = ["q": ["_id": 6], "u": ["$set": ["in": "transaction"]]]
        try transaction.run(source, ["update": "c", "updates": [change]], db)
        let large = String(repeating: "x", count: 9 << 20)
        for id in [1_000, 1_001, 1_002] {
            try transaction.run(
                source, ["insert": "c", "documents": [["_id": BSONValue(id), "x": .string(large)]]], db)
        }
        let prepared = try transaction.run(
            source, ["prepareTransaction": 1, "writeConcern": ["w": "majority"]], "admin")
        let time: Timestamp = try prepared.require("prepareTimestamp", in: "reply")
        // A selection without the documents, whose readers would wait for the transaction's end.
        try rig.backup(.full, ["other.*"])
        try source.run(["insert": "beside", "documents": [["_id": 1]]], db: db)
        // The parent: its segments hold the head of the transaction, and its readers wait for the end of it.
        let progress = JobProgress()
        let ender = Background(rig.source) { client, round in
            guard round == 0 else { return _ = usleep(1_000) }
            while progress.reading().phase != "scan" { usleep(1_000) }
            usleep(200_000)
            let commit: BSONDocument = ["commitTransaction": 1, "commitTimestamp": .timestamp(time)]
            try transaction.run(client, end == "commit" ? commit : ["abortTransaction": 1], "admin")
        }
        let parent = try rig.backup(["\(db).*"], progress: progress)
        ender.awaitRounds(1)
        try ender.stop()
        #expect(try SnapshotContents(rig, parent.id).differences(source, [db]) == [])
        let report = try rig.backup(.incremental, ["\(db).*"])
        #expect(report.kind == "incremental" && report.warnings == [])
        #expect(try SnapshotContents(rig, report.id).differences(source, [db]) == [])
        #expect(try rig.damage() == [])
    }

    /// 27 MiB in one transaction: several oplog entries, of which only the last counts.
    @Test func manyEntries() throws {
        var options = ThrowawayServer.Options()
        options.cacheMebibytes = 1_024
        let server = try ThrowawayServer(options)
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.fill(db, "c", 0..<300)
        try rig.backup(["\(db).*"])
        let transaction = Transaction()
        let large = String(repeating: "x", count: 9 << 20)
        try transaction.run(source, ["insert": "c", "documents": [["_id": 1_000]]], db, begins: true)
        for id in 1..<4 {
            let change: BSONValue = ["q": ["_id": BSONValue(id)], "u": ["$set": ["large": .string(large)]]]
            try transaction.run(source, ["update": "c", "updates": [change]], db)
        }
        try transaction.run(source, ["delete": "c", "deletes": [["q": ["_id": 9], "limit": 1]]], db)
        try transaction.run(source, ["commitTransaction": 1], "admin")
        var tuning = BackupTuning()
        tuning.segmentBytes = 1 << 20
        let report = try rig.backup(.incremental, ["\(db).*"], tuning)
        #expect(report.kind == "incremental" && report.documents == 300)
        #expect(try SnapshotContents(rig, report.id).differences(source, [db]) == [])
        #expect(try rig.damage() == [])
    }
}
