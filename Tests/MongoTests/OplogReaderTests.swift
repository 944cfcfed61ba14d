import BSON
import Bytes
import Mongo
import Synchronization
import TestSupport
import Testing

/// Reading the oplog from a known entry: nothing missing, nothing twice, gaps named.
@Suite(.enabled(if: ThrowawayServer.isAvailable, "no mongod: set CAIRN_MONGOD"))
struct OplogReaderTests {
    private func insert(_ ids: Range<Int>, bytes: Int = 10, _ witness: WireClient) throws {
        let text = BSONValue.string(String(repeating: "x", count: bytes))
        for id in ids {
            try witness.run(
                [
                    "insert": "c", "documents": [["_id": BSONValue(id), "text": text]],
                    "writeConcern": ["w": "majority"],
                ], db: "d")
        }
    }

    /// The `_id`s inserted into d.c that a batch holds, but 0: the server may have written an entry of its own between
    /// that one and the question for the newest.
    private func ids(in batch: RawSpan) throws -> [Int] {
        var found: [Int] = []
        try DocumentBatch.forEachDocument(inArray: batch) { bytes in
            let entry = try BSONDocument(copying: bytes)
            guard entry["op"] == .string("i"), entry["ns"] == .string("d.c") else { return }
            let inserted = try entry.require("o", as: BSONDocument.self, in: "entry")
            let id = try inserted.require("_id", as: Int.self, in: "o")
            if id > 0 { found.append(id) }
        }
        return found
    }

    private func count(of batch: RawSpan) throws -> Int {
        var count = 0
        try DocumentBatch.forEachDocument(inArray: batch) { _ in count += 1 }
        return count
    }

    @Test func readsFromAnEntryThroughATime() throws {
        let server = try ThrowawayServer()
        let witness = try server.connect()
        let client = try MongoDeployment.connect(uri: server.uri).checkOut()
        try insert(0..<1, witness)
        let start = try client.lastWrite().majority
        try insert(1..<50, witness)
        let end = try client.lastWrite().majority
        try insert(50..<60, witness)

        let reader = OplogReader(client: client, replyBytes: 2_048)
        var found: [Int] = []
        var batches = 0
        let reached = try reader.read(from: start, through: end.timestamp) { batch in
            if batches == 0 {
                var entries = try DocumentBatch.Array(batch)
                guard let bytes = try entries.next() else { return false }
                let first = try BSONDocument(copying: bytes)
                #expect(first["ts"] == .timestamp(start.timestamp) && first["t"] == .int64(start.term))
            }
            batches += 1
            found += try ids(in: batch)
            return true
        }
        #expect(found == Array(1..<50) && batches > 3)
        #expect(reached == end)

        #expect(try reader.read(from: end, through: end.timestamp) { try count(of: $0) == 1 } == end)
        #expect(try reader.entry(at: start.timestamp)?["t"] == .int64(start.term))
        #expect(try reader.opTime(at: end.timestamp) == end)
        #expect(try reader.entry(at: Timestamp(t: 1, i: 1)) == nil)
        let bounds = try reader.bounds()
        #expect(bounds.oldest < start && bounds.newest >= end)
    }

    @Test func theStartMustBeThereWithItsTerm() throws {
        let server = try ThrowawayServer()
        let witness = try server.connect()
        let client = try MongoDeployment.connect(uri: server.uri).checkOut()
        try insert(0..<3, witness)
        let newest = try client.lastWrite().majority
        let reader = OplogReader(client: client)
        func gap(_ start: OpTime) -> CairnError? {
            #expect(throws: CairnError.self) { try reader.read(from: start, through: newest.timestamp) { _ in true } }
        }
        let old = gap(OpTime(timestamp: Timestamp(t: 100, i: 1), term: 1))
        #expect(
            old?.code == .oplogGap && old?.message.contains("is gone: the oldest") == true, "\(String(describing: old))"
        )
        let other = gap(OpTime(timestamp: newest.timestamp, term: newest.term + 1))
        #expect(
            other?.code == .oplogGap && other?.message.contains("an entry of term") == true,
            "\(String(describing: other))")
        let later = OpTime(timestamp: Timestamp(t: newest.timestamp.t, i: newest.timestamp.i + 1_000), term: 1)
        let behind = #expect(throws: CairnError.self) {
            try OplogReader(client: client, retries: false).follow(from: later, waitMilliseconds: 10) { _ in true }
        }
        #expect(behind?.code == .unreachable, "\(String(describing: behind))")
        var newer = newest
        var next = 10
        try ThrowawayReplicaSet.wait(for: "a newer second") {
            try insert(next..<(next + 1), witness)
            next += 1
            newer = try client.lastWrite().majority
            return newer.timestamp.t > newest.timestamp.t
        }
        let hole = #expect(throws: CairnError.self) {
            try reader.read(from: later, through: newer.timestamp) { _ in true }
        }
        #expect(hole?.code == .oplogGap && hole?.message.contains("no entry") == true)
    }

    @Test func aTruncatedOplogIsAGap() throws {
        var options = ThrowawayServer.Options()
        options.oplogMebibytes = 1
        // The oplog is truncated up to the last checkpoint.
        options.arguments = ["--syncdelay", "1"]
        let server = try ThrowawayServer(options)
        let witness = try server.connect()
        let client = try MongoDeployment.connect(uri: server.uri).checkOut()
        try insert(0..<1, witness)
        let start = try client.lastWrite().majority
        var next = 1
        try ThrowawayReplicaSet.wait(for: "the oplog to be truncated") {
            try insert(next..<(next + 20), bytes: 200_000, witness)
            next += 20
            return try OplogReader(client: client).bounds().oldest > start
        }
        let error = #expect(throws: CairnError.self) {
            try OplogReader(client: client).follow(from: start, waitMilliseconds: 100) { _ in false }
        }
        #expect(error?.code == .oplogGap && error?.message.contains("is gone") == true)
    }

    @Test func followsAndSaysWhenNothingComes() throws {
        let server = try ThrowawayServer()
        let witness = try server.connect()
        let client = try MongoDeployment.connect(uri: server.uri).checkOut()
        try insert(0..<1, witness)
        let start = try client.lastWrite().majority
        var found: [Int] = []
        var quiet = 0
        try OplogReader(client: client).follow(from: start, waitMilliseconds: 50) { batch in
            let batch = try (ids: ids(in: batch), count: count(of: batch))
            found += batch.ids
            if batch.count == 0 {
                quiet += 1
                if quiet == 2 { try insert(1..<10, witness) }
            }
            return found.count < 9
        }
        #expect(found == Array(1..<10) && quiet >= 2)
    }

    @Test func resumesBehindTheLastEntry() throws {
        let set = try ThrowawayReplicaSet()
        let witness = try set.connect()
        try insert(0..<1, witness)
        let client = try MongoDeployment.connect(uri: set.uri).checkOut()
        let start = try client.lastWrite().majority
        try insert(1..<200, witness)
        let end = try client.lastWrite().majority
        let reader = OplogReader(client: client, replyBytes: 4_096)
        var found: [Int] = []
        var disturbed = 0
        try reader.read(from: start, through: end.timestamp) { batch in
            found += try ids(in: batch)
            disturbed += 1
            switch disturbed {
            case 1: try witness.run(["killAllSessions": []], db: "admin")
            case 3:
                let data: BSONValue = ["failCommands": ["getMore", "find"], "closeConnection": true]
                try witness.run(["configureFailPoint": "failCommand", "mode": ["times": 3], "data": data], db: "admin")
            case 5:
                set.kill(0)
                try set.restart(0)
            default: break
            }
            return true
        }
        #expect(found == Array(1..<200) && reader.resumptions >= 4, "\(found), \(reader.resumptions)")
    }

    @Test func goesOnWithAnotherMember() throws {
        let set = try ThrowawayReplicaSet(nodes: 3)
        try insert(0..<1, set.connect())
        let deployment = try MongoDeployment.connect(uri: set.uri)
        let client = try deployment.checkOut()
        let start = try client.lastWrite().majority
        let first = client.host
        let reader = OplogReader(client: client, failover: .anyMember)
        var found: [Int] = []
        var isKilled = false
        try reader.follow(from: start, waitMilliseconds: 200) { batch in
            found += try ids(in: batch)
            if !isKilled {
                isKilled = true
                let victim = try #require(set.hosts.firstIndex(of: first))
                set.kill(victim)
                let primary = try primary(of: set, but: victim)
                try insert(1..<20, set.connect(primary))
            }
            return found.count < 19
        }
        #expect(found == Array(1..<20) && client.host != first && reader.resumptions > 0)
    }

    /// A primary dies while it is read from: the others elect, and the reading goes on where it was.
    @Test func survivesAnElection() throws {
        let set = try ThrowawayReplicaSet(nodes: 3)
        try insert(0..<1, set.connect())
        var options = MongoOptions()
        options.readPreference = "primaryPreferred"
        let client = try MongoDeployment.connect(uri: set.uri, options: options).checkOut()
        let start = try client.lastWrite().majority
        var found: [Int] = []
        var isKilled = false
        var terms: Set<Int64> = []
        let reader = OplogReader(client: client, failover: .anyMember)
        let reached = try reader.follow(from: start, waitMilliseconds: 200) { batch in
            found += try ids(in: batch)
            if !isKilled {
                isKilled = true
                set.kill(0)
                try insert(1..<20, set.connect(try primary(of: set, but: 0)))
            }
            return found.count < 19
        }
        terms.insert(start.term)
        terms.insert(reached.term)
        #expect(found == Array(1..<20) && terms.count == 2)
    }

    private func primary(of set: ThrowawayReplicaSet, but dead: Int) throws -> Int {
        var found = 0
        try ThrowawayReplicaSet.wait(for: "a primary") {
            for node in set.hosts.indices where node != dead {
                let hello = try set.connect(node).exchange(["hello": 1], db: "admin")
                if hello["isWritablePrimary"] == .bool(true) {
                    found = node
                    return true
                }
            }
            return false
        }
        return found
    }
}
