import BSON
import Bytes
import Glibc
import Mongo
import Synchronization
import TestSupport
import Testing

/// Killed cursors, dead nodes, lost connections and elections, while reading and writing.
@Suite(.enabled(if: TestServer.isAvailable, "no mongod: set CAIRN_MONGOD"), .serialized)
struct FailureTests {
    private let namespace = Namespace("d", "c")

    private func fill(_ witness: WireClient, count: Int) throws {
        let text = BSONValue.string(String(repeating: "x", count: 20_000))
        for start in stride(from: 0, to: count, by: 500) {
            let batch: [BSONValue] = (start..<(start + 500)).map { ["_id": BSONValue($0), "text": text] }
            try witness.run(["insert": "c", "documents": .array(batch), "writeConcern": ["w": "majority"]], db: "d")
        }
    }

    /// Scans the collection and calls `disturb` once, after the first batch.
    private func scan(
        _ deployment: MongoDeployment, _ order: ScanOrder, _ disturb: () throws -> Void
    ) throws -> (ids: Set<BSONValue>, count: Int, resumptions: Int) {
        let client = try deployment.checkOut()
        let time = try TestServer.settledTime(client)
        var info = try TestServer.info(namespace, deployment)
        info.estimate = try Catalogue.estimate(of: info, client)
        let planner = RangePlanner(client: client, server: deployment.server, at: time, order: order)
        let scanner = RangeScanner(client: client)
        var ids: [BSONValue] = []
        var isDisturbed = false
        for range in try planner.plan(info).ranges {
            try scanner.scan(range, at: time) { batch in
                try DocumentBatch.forEachDocument(inArray: batch) { document in
                    ids.append(try BSONDocument(copying: document)["_id"] ?? .null)
                }
                if !isDisturbed {
                    isDisturbed = true
                    try disturb()
                }
            }
        }
        return (Set(ids), ids.count, scanner.resumptions)
    }

    @Test(arguments: [ScanOrder.natural, .id])
    func scansResumeBehindTheLastBatch(order: ScanOrder) throws {
        let set = try ThrowawayReplicaSet()
        let witness = try set.connect()
        try fill(witness, count: 2_000)
        let deployment = try MongoDeployment.connect(uri: set.uri)
        let all = Set((0..<2_000).map { BSONValue($0) })

        let killed = try scan(deployment, order) {
            try witness.run(["killAllSessions": []], db: "admin")
        }
        #expect(killed.ids == all && killed.count == 2_000)
        #expect(killed.resumptions > 0, "the cursor was not killed")

        for error: BSONValue in [
            ["failCommands": ["getMore"], "closeConnection": true],
            ["failCommands": ["getMore", "find"], "errorCode": 11_602],
        ] {
            let failed = try scan(deployment, order) {
                try witness.run(
                    ["configureFailPoint": "failCommand", "mode": ["times": 3], "data": error], db: "admin")
            }
            #expect(failed.ids == all && failed.count == 2_000)
            #expect(failed.resumptions == 3)
        }

        // A restart changes record ids, so natural order must not go on; `_id` order may, as long as the server has
        // the time.
        do {
            let restarted = try scan(deployment, order) {
                set.kill(0)
                try set.restart(0)
            }
            #expect(order == .id && restarted.ids == all && restarted.count == 2_000)
        } catch let error as CairnError {
            #expect(error.code == .snapshotUnavailable || error.code == .snapshotTooOld, "\(error)")
        }
        try ThrowawayReplicaSet.wait(for: "a primary") {
            try set.connect().exchange(["hello": 1], db: "admin")["isWritablePrimary"] == .bool(true)
        }
        try deployment.repin()
        let again = try scan(deployment, order) {}
        #expect(again.ids == all && again.count == 2_000)
    }

    @Test func lastingFailuresEndWithAMessage() throws {
        let set = try ThrowawayReplicaSet()
        let witness = try set.connect()
        try fill(witness, count: 500)
        let deployment = try MongoDeployment.connect(uri: set.uri)
        let error = #expect(throws: CairnError.self) {
            try scan(deployment, .natural) {
                let data: BSONValue = ["failCommands": ["getMore", "find"], "errorCode": 96]
                try witness.run(["configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data], db: "admin")
            }
        }
        #expect(error?.code == .server && error?.object == "d.c", "\(String(describing: error))")
    }

    @Test func insertsAreRepeatedWithoutDoubles() throws {
        let set = try ThrowawayReplicaSet(nodes: 3)
        let deployment = try MongoDeployment.connect(uri: set.uri, options: MongoOptions(access: .write))
        var options = BulkInserter.Options()
        options.writeConcern = ["w": "majority"]
        let inserter = try BulkInserter(client: deployment.checkOut(), namespace: namespace, options: options)
        let witness = try set.connect()
        func insert(_ range: Range<Int>) throws {
            let documents: [BSONDocument] = range.map {
                ["_id": BSONValue($0), "ts": .timestamp(Timestamp(t: 1, i: 1))]
            }
            let bytes = documents.flatMap(\.bytes)
            try inserter.insert(documents: bytes.rawSpan)
            try inserter.flush()
        }
        try insert(0..<100)
        // The server applies the batch, then the connection breaks before the reply: the batch comes twice.
        let data: BSONValue = ["failCommands": ["insert"], "writeConcernError": ["code": 91, "errmsg": "x"]]
        try witness.run(["configureFailPoint": "failCommand", "mode": ["times": 1], "data": data], db: "admin")
        try insert(100..<200)
        #expect(inserter.failureCount == 0)
        #expect(inserter.insertedDocuments == 200)
        // The primary dies; another is elected.
        set.kill(0)
        try insert(200..<300)
        #expect(inserter.failureCount == 0)
        #expect(deployment.host != set.hosts[0])
        #expect(try deployment.checkOut().exactCount(namespace) == 300)
    }

    @Test func backupsReadASecondaryUnlessToldOtherwise() throws {
        let set = try ThrowawayReplicaSet(nodes: 3)
        try fill(set.connect(), count: 500)
        let deployment = try MongoDeployment.connect(uri: set.uri)
        #expect(deployment.host != set.hosts[0])
        let read = try scan(deployment, .natural) {}
        #expect(read.count == 500)
        var options = MongoOptions()
        options.readPreference = "primary"
        #expect(try MongoDeployment.connect(uri: set.uri, options: options).host == set.hosts[0])
        options.readPreference = nil
        for host in set.hosts {
            options.preferredHost = host
            let pinned = try MongoDeployment.connect(uri: set.uri, options: options).host
            #expect(pinned == host, "primary is \(set.hosts[0])")
        }
        #expect(try MongoDeployment.connect(uri: set.uri + "&readPreference=primary").host == set.hosts[0])
    }

    /// The server forgets old states; how soon is a parameter.
    @Test func aTimeThatLeftTheHistoryWindowIsToldApart() throws {
        let set = try ThrowawayReplicaSet(arguments: ["--setParameter", "minSnapshotHistoryWindowInSeconds=1"])
        let witness = try set.connect()
        try fill(witness, count: 500)
        let deployment = try MongoDeployment.connect(uri: set.uri)
        #expect(deployment.server.snapshotWindowSeconds == 1)
        let client = try deployment.checkOut()
        let time = try TestServer.settledTime(client)
        let info = try TestServer.info(namespace, deployment)
        let plan = try RangePlanner(client: client, server: deployment.server, at: time).plan(info)
        var failure: CairnError?
        try ThrowawayReplicaSet.wait(for: "the window to pass") {
            try witness.run(["appendOplogNote": 1, "data": .document(BSONDocument())], db: "admin")
            do {
                _ = try TestServer.scan(plan, client, at: time)
            } catch let error as CairnError {
                failure = error
            }
            return failure != nil
        }
        #expect(failure?.code == .snapshotTooOld, "\(String(describing: failure))")
        #expect(failure?.description.contains("minSnapshotHistoryWindowInSeconds") == true)
    }
}
