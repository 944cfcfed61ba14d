import Archive
import BSON
import Bytes
import TestSupport
import Testing

@testable import Operations

/// A snapshot beside the live server, read at the snapshot's time: equal, or what was changed is named.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct CheckAgainstTests {
    private static let count = 3_000

    private func check(
        _ rig: Rig, _ moment: Moment = .snapshot("latest"),
        _ configure: (inout CheckAgainst.Options) -> Void = { _ in }
    ) throws -> CheckAgainst.Report {
        var options = CheckAgainst.Options(
            repository: rig.access, server: DeploymentAccess(uri: rig.source, serverSelectionTimeoutSeconds: 20),
            moment: moment)
        configure(&options)
        return try CheckAgainst(options: options, progress: JobProgress(), cancellation: Cancellation()).run()
    }

    private func prepare(_ client: WireClient, _ db: String) throws {
        try client.fill(db, "c", 0..<Self.count, bytes: 300)
        try client.fill(db, "other", 0..<50)
        try client.run(["createIndexes": "c", "indexes": [["key": ["n": 1], "name": "n_1"]]], db: db)
        try client.run(["create": "view", "viewOn": "c", "pipeline": []], db: db)
        try client.run(["create": "capped", "capped": true, "size": 1_000_000], db: db)
        try client.fill(db, "capped", 0..<20)
        try client.run(["create": "series", "timeseries": ["timeField": "t"]], db: db)
        let measured = (0..<40).map { BSONValue.document(["t": .date(1_700_000_000_000 + Int64($0) * 60_000)]) }
        try client.run(["insert": "series", "documents": .array(measured)], db: db)
    }

    private func prepared() throws -> (rig: Rig, db: String, client: WireClient) {
        let rig = try Rig(source: ThrowawayServer.shared("against").uri)
        let (db, client) = (Rig.database(), try rig.sourceClient())
        try prepare(client, db)
        return (rig, db, client)
    }

    @Test func whatTheServerShowsIsEqualWhateverHappensLater() throws {
        let (rig, db, client) = try prepared()
        try rig.backup(["\(db).*"])
        try client.run(["update": "c", "updates": [["q": ["_id": 1], "u": ["$set": ["first": 1]]]]], db: db)
        let report = try rig.backup(.incremental, ["\(db).*"])
        #expect(report.kind == "incremental")
        // Behind the snapshot: none of its business.
        try client.run(["update": "c", "updates": [["q": ["_id": 2], "u": ["$set": ["later": 1]]]]], db: db)
        try client.run(["delete": "other", "deletes": [["q": ["_id": 1], "limit": 1]]], db: db)
        let result = try check(rig)
        #expect(result.isSound && result.isComplete && result.skipped.isEmpty, "\(result)")
        #expect(result.namespaces == 5 && result.documents == report.documents, "\(result)")
        #expect(result.snapshot == report.id)
        let narrow = try check(rig) {
            $0.include = ["\(db).*"]
            $0.exclude = ["\(db).c"]
        }
        #expect(narrow.namespaces == 4 && narrow.documents == report.documents - Self.count, "\(narrow)")
        let first = try check(rig, .snapshot(rig.access.open().snapshots { _, _ in }[0].id.hex))
        #expect(first.isSound && first.time < result.time)
        let between = try check(rig, .time(TimeSelection("\(first.time.t):\(first.time.i)"), set: nil))
        #expect(between.isSound && between.time == first.time)
    }

    /// The archive cannot be changed by a test, so that the other side is: written behind the oplog's back, into the
    /// storage as it was at the time, nothing can be. A restored repository of a copy that was changed before its
    /// backup stands in: the same UUIDs, the same set name, another server.
    private func differences(_ change: (WireClient, String) throws -> Void) throws -> (CheckAgainst.Report, String) {
        let rig = try Rig(source: ThrowawayServer.shared("against").uri, target: ThrowawayServer.shared("copy").uri)
        let db = Rig.database()
        let (client, copy) = (try rig.sourceClient(), try rig.targetClient())
        try prepare(client, db)
        // Buckets get a UUID of their own.
        try client.run(["drop": "series"], db: db)
        try rig.backup(["\(db).*"])
        try rig.restore { $0.preserveUUID = true }
        try change(copy, db)
        // Each server's clock is its own: the copy's snapshot is to be later than what the server was filled with, and
        // the server later than the snapshot.
        try advance(copy, beyond: client.run(["hello": 1], db: "admin").lastWrite())
        let other = try Rig(source: rig.target, target: rig.source, access: rig.access)
        let snapshot = try other.backup(["\(db).*"]).id
        try advance(client, beyond: other.access.open().snapshot(snapshot).at)
        return (try check(rig, .snapshot(snapshot.hex)), db)
    }

    private func advance(_ client: WireClient, beyond time: Timestamp) throws {
        repeat {
            try client.run(["appendOplogNote": 1, "data": ["tick": 1]], db: "admin")
        } while try client.run(["hello": 1], db: "admin").lastWrite() <= time
    }

    @Test func aChangedFieldIsNamed() throws {
        let (report, db) = try differences { copy, db in
            try copy.run(["update": "c", "updates": [["q": ["_id": 7], "u": ["$set": ["active": "x"]]]]], db: db)
        }
        let difference = try #require(report.differences.first)
        #expect(report.differences.count == 1 && difference.namespace == "\(db).c", "\(report)")
        #expect(difference.what == "documents differ: 1 unlike")
        #expect(difference.documents.map(\.change) == [.changed])
        #expect(difference.documents.map(\.identity) == [[0x10, 0x5F, 0x69, 0x64, 0, 7, 0, 0, 0]])
    }

    @Test func missingAndExtraDocumentsAreNamed() throws {
        let (report, db) = try differences { copy, db in
            try copy.run(["delete": "c", "deletes": [["q": ["_id": ["$lt": 30]], "limit": 0]]], db: db)
            try copy.run(["insert": "other", "documents": [["_id": "extra"]]], db: db)
        }
        #expect(report.differences.map(\.namespace) == ["\(db).c", "\(db).other"], "\(report)")
        #expect(
            report.differences.map(\.what) == [
                "documents differ: 30 only on the server", "documents differ: 1 only in the snapshot",
            ])
        #expect(report.differences[0].documents.count == 10, "the list is bounded")
        #expect(report.differences[1].documents.map(\.change) == [.added])
    }

    @Test func definitionsAreNamed() throws {
        let (report, db) = try differences { copy, db in
            try copy.run(["dropIndexes": "c", "index": "n_1"], db: db)
            try copy.run(["collMod": "view", "viewOn": "other", "pipeline": []], db: db)
            try copy.run(["drop": "other"], db: db)
            try copy.fill(db, "only here", 0..<3)
        }
        #expect(
            report.differences.map { "\($0.namespace): \($0.what)" } == [
                "\(db).c: its indexes differ", "\(db).only here: only the snapshot has it",
                "\(db).other: only the server has it", "\(db).view: its options differ",
            ])
    }

    @Test func theOrderOfACappedCollectionCounts() throws {
        let (report, db) = try differences { copy, db in
            let documents = try copy.documents(of: ["find": "capped"], db: db)
            try copy.run(["delete": "capped", "deletes": [["q": [:], "limit": 0]]], db: db)
            try copy.insert([documents[1], documents[0]] + documents[2...], db: db, collection: "capped")
        }
        #expect(
            report.differences.map { "\($0.namespace): \($0.what)" } == [
                "\(db).capped: the order of its documents differs"
            ])
    }

    @Test func whatChangedSinceIsNotComparedAndSaysSo() throws {
        let (rig, db, client) = try prepared()
        try rig.backup(["\(db).*"])
        try client.fill(db, "capped", 20..<25)
        let busy = try check(rig)
        #expect(busy.isSound && busy.isComplete, "\(busy)")
        #expect(busy.skipped.map(\.namespace) == ["\(db).capped"])
        try client.run(["drop": "other"], db: db)
        try client.run(["renameCollection": .string("\(db).c"), "to": .string("\(db).d")], db: "admin")
        let report = try check(rig)
        #expect(report.isSound && !report.isComplete, "\(report)")
        #expect(Set(report.skipped.map(\.namespace)) == ["\(db).c", "\(db).capped", "\(db).d", "\(db).other"])
    }

    @Test func beyondTheWindowTheRemedyIsNamed() throws {
        var options = ThrowawayServer.Options()
        options.arguments = ["--setParameter", "minSnapshotHistoryWindowInSeconds=0"]
        let server = try ThrowawayServer(options)
        let rig = try Rig(source: server.uri)
        let (db, client) = (Rig.database(), try rig.sourceClient())
        try client.fill(db, "c", 0..<100)
        try rig.backup(["\(db).*"])
        var error: CairnError?
        try ThrowawayReplicaSet.wait(for: "the history to be dropped") {
            try client.run(["update": "c", "updates": [["q": [:], "u": ["$inc": ["n": 1]], "multi": true]]], db: db)
            do { _ = try check(rig) } catch let thrown as CairnError { error = thrown }
            return error != nil
        }
        #expect(error?.code == .snapshotTooOld, "\(String(describing: error))")
        let text = error?.description ?? ""
        for word in ["minSnapshotHistoryWindowInSeconds", "keeps 0 s", "cairn backup"] {
            #expect(text.contains(word), "\(text)")
        }
    }

    @Test func anotherSetIsRefusedWithoutSecrets() throws {
        let (rig, db, _) = try prepared()
        try rig.backup(["\(db).c"])
        var alone = ThrowawayServer.Options()
        alone.isReplicaSet = false
        let standalone = try ThrowawayServer(alone)
        let error = #expect(throws: CairnError.self) {
            try check(rig) {
                $0.server = DeploymentAccess(uri: standalone.uri, serverSelectionTimeoutSeconds: 20)
            }
        }
        #expect(error?.code == .usage && !(error?.description.contains("directConnection") ?? true))
    }
}

extension BSONDocument {
    /// The time of the last write that a `hello` reply tells.
    fileprivate func lastWrite() throws -> Timestamp {
        let last: BSONDocument = try require("lastWrite", in: "hello")
        let optime: BSONDocument = try last.require("majorityOpTime", in: "hello")
        return try optime.require("ts", in: "hello")
    }
}
