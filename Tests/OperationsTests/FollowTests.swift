import Archive
import BSON
import Bytes
import Mongo
import Synchronization
import TestSupport
import Testing

@testable import Operations

/// A follower beside a working server: everything is saved once, in order, whatever happens.
@Suite(.enabled(if: Rig.isAvailable, Comment(rawValue: Rig.absence)))
struct FollowTests {
    /// Writes that the follower must find, at majority.
    private func insert(_ ids: Range<Int>, bytes: Int = 10, _ client: WireClient) throws {
        let text = BSONValue.string(String(repeating: "x", count: bytes))
        for id in ids {
            let document: BSONValue = ["_id": BSONValue(id), "text": text]
            try client.run(
                ["insert": "c", "documents": [document], "writeConcern": ["w": "majority"]], db: "followed")
        }
    }

    /// The `_id`s that the segments insert into followed.c, in order, without the entry that each continues.
    private func ids(_ rig: Rig) throws -> [Int] {
        var found: [Int] = []
        for (segment, _, entries) in try rig.segments() {
            for entry in entries where entry["ns"] == .string("followed.c") && entry["op"] == .string("i") {
                let time: Timestamp = try entry.require("ts", in: "entry")
                guard time > segment.from.timestamp else { continue }
                let object: BSONDocument = try entry.require("o", in: "entry")
                found.append(try object.require("_id", in: "o"))
            }
        }
        return found
    }

    /// Each segment begins where the one before ends, with its last entry.
    private func expectContinuous(_ rig: Rig, from: Timestamp) throws {
        var end = from
        var last: BSONDocument?
        for (segment, _, entries) in try rig.segments() {
            #expect(segment.from.timestamp == end, "\(segment.from) after \(end)")
            if let last, last["ts"] == .timestamp(end) { #expect(entries.first == last) }
            for entry in entries {
                #expect(entry["op"] != .string("n"))
                let namespace: String = try entry.require("ns", in: "entry")
                #expect(!namespace.hasPrefix("config."))
            }
            end = segment.to.timestamp
            last = entries.last ?? last
        }
    }

    @Test func savesWhatIsWrittenAndIsContinued() throws {
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        let client = try rig.sourceClient()
        try insert(0..<10, client)
        let base = try rig.backup([])
        let first = FollowerRun(rig)
        try insert(10..<60, client)
        try first.wait(until: rig.now())
        try insert(60..<80, client)
        // What came since the last segment is saved at the end.
        let report = try first.stop()
        #expect(report.from == base.at && report.segments == first.saved.count && report.gaps.isEmpty)
        try insert(80..<90, client)

        let second = FollowerRun(rig)
        try second.wait(until: rig.now())
        try insert(90..<100, client)
        let time = try rig.now()
        try second.wait(until: time)
        let end = try second.stop()
        #expect(end.from == report.to && end.to >= time)
        #expect(try ids(rig) == Array(10..<100))
        try expectContinuous(rig, from: base.at)
        #expect(try rig.damage() == [])
    }

    @Test func needsSomethingToContinue() throws {
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        let error = #expect(throws: CairnError.self) { try FollowerRun(rig).wait(for: "its end") { _ in false } }
        #expect(error?.code == .usage && error?.message.contains("backup full") == true)
    }

    @Test func anIdleHourCostsLittle() throws {
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        try insert(0..<1, rig.sourceClient())
        try rig.backup([])
        let follower = FollowerRun(rig, { $0.pace.idleSeconds = 2 })
        let before = try rig.packs().count
        try rig.sourceClient().run(["appendOplogNote": 1, "data": ["idle": 1]], db: "admin")
        try follower.wait(until: rig.now())
        try rig.sourceClient().run(["appendOplogNote": 1, "data": ["idle": 2]], db: "admin")
        try follower.wait(until: rig.now())
        let report = try follower.stop()
        // The entry that was continued is the only one; time progress costs no pack.
        #expect(report.segments >= 2 && report.entries <= 1)
        #expect(try rig.packs().count <= before + 1)
    }

    @Test func cutsBySizeAndFetchesHeadsOfTransactions() throws {
        var options = ThrowawayServer.Options()
        options.arguments = ["--setParameter", "maxNumberOfTransactionOperationsInSingleOplogEntry=2"]
        let server = try ThrowawayServer(options)
        let rig = try Rig(source: server.uri)
        let client = try rig.sourceClient()
        try insert(0..<1, client)
        let base = try rig.backup([])
        // One entry a segment, so each commit has its whole chain before its segment.
        let follower = FollowerRun(rig, options: { $0.bytesMax = 1 })
        let session: BSONValue = ["id": .binary(subtype: 4, [UInt8](repeating: 7, count: 16))]
        for id in 1...7 {
            var insert: [(String, BSONValue)] = [
                ("insert", "c"), ("documents", [["_id": BSONValue(id)]]), ("lsid", session), ("txnNumber", .int64(1)),
                ("autocommit", false),
            ]
            if id == 1 { insert.append(("startTransaction", true)) }
            try client.run(BSONDocument(insert), db: "followed")
        }
        try client.run(
            [
                "commitTransaction": 1, "lsid": session, "txnNumber": .int64(1), "autocommit": false,
                "writeConcern": ["w": "majority"],
            ], db: "admin")
        try follower.wait(until: rig.now())
        try follower.stop()
        try expectContinuous(rig, from: base.at)

        let parts = try rig.segments().filter { found in
            found.entries.contains { $0["op"] == .string("c") && $0["ns"] == .string("admin.$cmd") }
        }
        #expect(parts.count >= 4)
        let withHeads = parts.filter { !$0.prelude.isEmpty }
        let commit = try #require(withHeads.first { !$0.segment.prelude.isEmpty })
        let partial = commit.prelude.filter { entry in
            guard case .document(let object)? = entry["o"] else { return false }
            return object["partialTxn"] == .bool(true)
        }
        // The last of four entries commits; the third may be the one that its segment begins with.
        #expect(partial.count == commit.prelude.count && (2...3).contains(partial.count))
        #expect(try rig.damage() == [])
    }

    /// Prepared transactions count at their commit timestamp, which lies before the entry that commits them: perhaps in
    /// an earlier segment, perhaps before a time that is restored.
    @Test func preparedTransactionsAcrossSegments() throws {
        let set = try ThrowawayReplicaSet(
            arguments: ["--setParameter", "maxNumberOfTransactionOperationsInSingleOplogEntry=2"])
        let target = try ThrowawayServer()
        let rig = try Rig(source: set.uri, target: target.uri)
        let client = try set.connect()
        try insert(0..<3, client)
        try rig.backup([])
        let follower = FollowerRun(rig, options: { $0.bytesMax = 1 })
        let session: BSONValue = ["id": .binary(subtype: 4, [UInt8](repeating: 9, count: 16))]
        let identity: [(String, BSONValue)] = [
            ("lsid", session), ("txnNumber", .int64(1)), ("autocommit", false),
        ]
        for id in 10...16 {
            var command: [(String, BSONValue)] = [("insert", "c"), ("documents", [["_id": BSONValue(id)]])]
            command += identity
            if id == 10 { command.append(("startTransaction", true)) }
            try client.run(BSONDocument(command), db: "followed")
        }
        let prepared = try client.run(
            BSONDocument([("prepareTransaction", 1)] + identity + [("writeConcern", ["w": "majority"])]), db: "admin")
        let commit: Timestamp = try prepared.require("prepareTimestamp", in: "reply")
        try insert(20..<25, set.connect())
        let between = try now(set.connect())
        try follower.wait(until: between)
        try client.run(
            BSONDocument(
                [("commitTransaction", 1), ("commitTimestamp", .timestamp(commit))] + identity
                    + [("writeConcern", ["w": "majority"])]), db: "admin")
        try insert(25..<30, set.connect())
        let end = try now(set.connect())
        try follower.wait(until: end)
        try follower.stop()
        #expect(try rig.damage() == [])
        for (time, replay) in [(between, Restore.Replay.fold), (between, .server), (end, .fold), (end, .server)] {
            try rig.restore {
                $0.moment = .time(try! TimeSelection("\(time.t):\(time.i)"), set: nil)
                $0.replay = replay
                $0.drop = true
            }
            let expected = try set.connect().documents(
                of: [
                    "find": "c", "sort": ["_id": 1],
                    "readConcern": ["level": "snapshot", "atClusterTime": .timestamp(time)],
                ], db: "followed")
            #expect(try rig.targetClient().contents("followed", "c") == expected, "\(time) of \(end), \(replay)")
        }
    }

    @Test func recordsAGapAndGoesOn() throws {
        var options = ThrowawayServer.Options()
        options.oplogMebibytes = 1
        options.arguments = ["--syncdelay", "1"]
        let server = try ThrowawayServer(options)
        let rig = try Rig(source: server.uri)
        let client = try rig.sourceClient()
        try insert(0..<5, client)
        let base = try rig.backup([])
        let reader = OplogReader(client: try MongoDeployment.connect(uri: server.uri).checkOut())
        var next = 5
        try ThrowawayReplicaSet.wait(for: "the oplog to be truncated") {
            try insert(next..<(next + 20), bytes: 200_000, client)
            next += 20
            return try reader.bounds().oldest.timestamp > base.at
        }
        let follower = FollowerRun(rig)
        try follower.wait(for: "the gap") { !$0.gaps.isEmpty }
        try insert(next..<(next + 5), client)
        try follower.wait(until: rig.now())
        let report = try follower.stop()
        #expect(report.needsPerson && report.gaps.count == 1)
        let segments = try rig.segments()
        #expect(segments.first?.segment.gap != nil && segments.first?.segment.from.timestamp == base.at)
        try expectContinuous(rig, from: base.at)
        #expect(try Array(ids(rig).suffix(5)) == Array(next..<(next + 5)))
        #expect(try rig.damage() == [])
    }

    @Test func survivesARestartAndTellsOnce() throws {
        let set = try ThrowawayReplicaSet()
        let rig = try Rig(source: set.uri)
        try insert(0..<5, set.connect())
        try rig.backup([])
        let follower = FollowerRun(rig)
        try insert(5..<10, set.connect())
        try follower.wait(until: rig.now())
        set.kill(0)
        try follower.wait(for: "a complaint") { $0.waits > 0 }
        try set.restart(0)
        try ThrowawayReplicaSet.wait(for: "a primary") {
            try set.connect().exchange(["hello": 1], db: "admin")["isWritablePrimary"] == .bool(true)
        }
        try insert(10..<20, set.connect())
        try follower.wait(until: rig.now())
        #expect(follower.waits == follower.resumptions)
        try follower.stop()
        #expect(try ids(rig) == Array(5..<20))
    }

    @Test func survivesElections() throws {
        let set = try ThrowawayReplicaSet(nodes: 3)
        let rig = try Rig(source: set.uri)
        try insert(0..<5, set.connect())
        let base = try rig.backup([])
        let follower = FollowerRun(rig)
        var next = 5
        for dead in [0, 1] {
            set.kill(dead)
            let primary = try primary(of: set, but: dead)
            try insert(next..<(next + 10), set.connect(primary))
            next += 10
            try follower.wait(for: "ten more") { _ in try ids(rig).last == next - 1 }
            try set.restart(dead)
            try ThrowawayReplicaSet.wait(for: "the node to be back") {
                let hello = try set.connect(dead).exchange(["hello": 1], db: "admin")
                return hello["secondary"] == .bool(true) || hello["isWritablePrimary"] == .bool(true)
            }
        }
        let report = try follower.stop()
        #expect(report.gaps.isEmpty)
        #expect(try ids(rig) == Array(5..<next))
        try expectContinuous(rig, from: base.at)
    }

    /// An entry of another term where one was saved: the set was rolled back, or restored from a backup.
    @Test func anotherHistoryIsAGap() throws {
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        let client = try rig.sourceClient()
        try insert(0..<5, client)
        let base = try rig.backup([])
        let fork = try rig.now()
        let repository = try rig.access.open()
        let from = OpTime(timestamp: base.at, term: 1)
        try repository.writeSegment(
            Segment(
                id: repository.newID(), set: ThrowawayServer.setName, host: "h:1", from: from,
                to: OpTime(timestamp: fork, term: 7), created: 0, firstWall: nil, lastWall: nil, entries: 0,
                rawBytes: 0, addedBytes: 0, chunks: []))
        try insert(5..<10, client)
        let follower = FollowerRun(rig)
        try insert(10..<15, client)
        try follower.wait(until: rig.now())
        let report = try follower.stop()
        #expect(report.needsPerson && report.gaps.count == 1 && report.gaps.first?.from == fork)
        #expect(report.gaps.first?.reason.contains("diverged") == true)
        // The first entry behind the fork is where the new stretch begins: known, but not continued.
        #expect(try Array(ids(rig).suffix(9)) == Array(6..<15))
    }

    /// The writer begins anew now and then, so that removing unused chunks need not wait for ever.
    @Test func shiftsJoinWithoutASeam() throws {
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        let client = try rig.sourceClient()
        try insert(0..<5, client)
        let base = try rig.backup([])
        let follower = FollowerRun(rig, { $0.pace.shiftSeconds = 1 })
        var writers: Set<RandomID> = []
        var next = 5
        let repository = try rig.access.open()
        try ThrowawayReplicaSet.wait(for: "three shifts") {
            try insert(next..<(next + 5), client)
            next += 5
            for lease in try repository.leases() where (try? lease.content.get().kind) == .writer {
                writers.insert(lease.id)
            }
            return writers.count >= 3
        }
        try follower.wait(until: rig.now())
        let report = try follower.stop()
        #expect(report.gaps.isEmpty && report.warnings.isEmpty)
        #expect(try ids(rig) == Array(5..<next))
        try expectContinuous(rig, from: base.at)
        #expect(try repository.leases().isEmpty)
        #expect(try rig.damage() == [])
    }

    /// To clients, a network that swallows everything: only a timeout ends the wait.
    @Test func survivesANetworkThatSwallowsAll() throws {
        let set = try ThrowawayReplicaSet()
        let rig = try Rig(source: set.uri + "&socketTimeoutMS=1500")
        let client = try set.connect()
        try insert(0..<5, client)
        try rig.backup([])
        let follower = FollowerRun(rig)
        try insert(5..<10, client)
        let time = try now(client)
        try follower.wait(until: time)
        set.freeze(0)
        try follower.wait(for: "a complaint") { $0.waits > 0 }
        set.thaw(0)
        try ThrowawayReplicaSet.wait(for: "a primary") {
            try set.connect().exchange(["hello": 1], db: "admin")["isWritablePrimary"] == .bool(true)
        }
        try insert(10..<20, set.connect())
        try follower.wait(until: now(set.connect()))
        let report = try follower.stop()
        #expect(report.gaps.isEmpty && follower.waits == follower.resumptions)
        #expect(try ids(rig) == Array(5..<20))
    }

    /// Both write segments of the same time, which share their chunks, and every time on the way can be restored.
    @Test func worksBesideAnIncremental() throws {
        let server = try ThrowawayServer()
        let target = try ThrowawayServer()
        let rig = try Rig(source: server.uri, target: target.uri)
        let client = try rig.sourceClient()
        try insert(0..<10, client)
        try rig.backup([])
        let follower = FollowerRun(rig)
        var times: [Timestamp] = []
        for round in 1...3 {
            try insert((round * 10)..<(round * 10 + 5), client)
            times.append(try rig.now())
            try incremental(rig)
            try insert((round * 10 + 5)..<(round * 10 + 10), client)
        }
        times.append(try rig.now())
        try follower.wait(until: rig.now())
        let report = try follower.stop()
        #expect(report.gaps.isEmpty && report.warnings.isEmpty)
        #expect(try rig.damage() == [])
        let repository = try rig.access.open()
        let timeline = try repository.timeline(of: nil)
        #expect(timeline.ranges.count == 1 && timeline.gaps.isEmpty)
        for time in times {
            try rig.restore {
                $0.moment = .time(try! TimeSelection("\(time.t):\(time.i)"), set: nil)
                $0.drop = true
            }
            let restored = try rig.targetClient().contents("followed", "c").count
            let expected = try rig.sourceClient().documents(
                of: [
                    "find": "c", "readConcern": ["level": "snapshot", "atClusterTime": .timestamp(time)],
                ], db: "followed"
            ).count
            #expect(restored == expected && restored > 0)
        }
    }

    private func incremental(_ rig: Rig) throws {
        var options = FullBackup.Options(repository: rig.access, source: DeploymentAccess(uri: rig.source))
        options.level = 1
        let report = try Backup(
            .incremental, options: options, progress: JobProgress(), cancellation: Cancellation()
        ).run()
        #expect(report.kind == "incremental" && !report.needsPerson, "\(report.warnings)")
    }

    private func now(_ client: WireClient) throws -> Timestamp {
        let hello = try client.run(["hello": 1], db: "admin")
        let write: BSONDocument = try hello.require("lastWrite", in: "hello")
        let point: BSONDocument = try write.require("majorityOpTime", in: "hello")
        return try point.require("ts", in: "hello")
    }

    private func primary(of set: ThrowawayReplicaSet, but dead: Int) throws -> Int {
        var found = 0
        try ThrowawayReplicaSet.wait(for: "a primary") {
            for node in set.hosts.indices where node != dead {
                guard let hello = try? set.connect(node).exchange(["hello": 1], db: "admin") else { continue }
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
