import Archive
import BSON
import Bytes
import Mongo
import Oplog
import Synchronization
import TestSupport
import Testing

@testable import Operations

/// Operations of the oplog, applied on a live server to a base that was restored before.
@Suite(.enabled(if: Rig.isAvailable, Comment(rawValue: Rig.absence)))
struct ReplayTests {
    private struct World {
        let server: ThrowawayServer
        let target: ThrowawayServer
        let rig: Rig
        let base: BackupReport

        init(
            _ fill: (WireClient) throws -> Void, target options: ThrowawayServer.Options = ThrowawayServer.Options()
        ) throws {
            server = try ThrowawayServer()
            target = try ThrowawayServer(options)
            rig = try Rig(source: server.uri, target: target.uri)
            try fill(try rig.sourceClient())
            base = try rig.backup([])
        }

        /// Restores the base, then replays what `change` did.
        func replay(
            record: Bool = false, cancellation: Cancellation = Cancellation(), _ change: (WireClient) throws -> Void
        ) throws {
            let follower = FollowerRun(rig)
            try change(try rig.sourceClient())
            let time = try rig.now()
            try follower.wait(until: time)
            try follower.stop()
            try rig.restore()
            try apply(through: time, record: record, cancellation: cancellation)
        }

        func apply(through time: Timestamp, record: Bool, cancellation: Cancellation = Cancellation()) throws {
            let repository = try rig.access.open()
            let snapshot = try repository.snapshot(base.id)
            let chunks = try repository.loadIndex()
            let timeline = Timeline(
                set: ThrowawayServer.setName, snapshots: [snapshot], segments: try repository.segments())
            var targets: [(UUIDKey?, ReplayTarget)] = []
            try SnapshotReader(repository: repository, chunks: chunks, snapshot: snapshot).forEachEntry { entry in
                guard let uuid = entry.uuid.flatMap({ UUIDKey($0.rawSpan) }) else { return }
                let namespace = Namespace(entry.database, entry.collection)
                targets.append((uuid, ReplayTarget(CollectionInfo(entry, as: namespace))))
            }
            let deployment = try MongoDeployment.connect(uri: target.uri, options: MongoOptions(access: .write))
            var replay = try ServerReplay(
                target: deployment, targets: targets, after: base.at, isResumed: record, writeConcern: ["w": 1],
                workers: 3,
                record: record
                    ? ReplayRecord(snapshot: base.id, time: time, targets: ["app.a"], client: deployment.checkOut())
                    : nil,
                progress: JobProgress(), cancellation: cancellation)
            defer { replay.abandon() }
            let window = ReplayWindow(route: try timeline.route(to: time), repository: repository, chunks: chunks)
            try window.forEachOperation({ try replay.take($0, position: $1) }, entryEnd: { try replay.endEntry($0) })
            try replay.finish(time)
        }
    }

    @Test func replaysAllKindsOfWrites() throws {
        let world = try World { client in
            try client.fill("app", "a", 0..<500)
            try client.fill("app", "b", 0..<50, bytes: 20_000)
            try client.run(["create": "capped", "capped": true, "size": 100_000, "max": 20], db: "app")
            try client.run(
                ["create": "collated", "collation": ["locale": "en", "strength": 1]], db: "app")
            try client.run(["insert": "collated", "documents": [["_id": "x", "n": 1]]], db: "app")
            try client.run(["insert": "odd", "documents": [["_id": 1], ["_id": 2]]], db: "app")
        }
        try world.replay { client in
            try client.fill("app", "a", 500..<900)
            for round in 0..<5 {
                try client.run(
                    [
                        "update": "a",
                        "updates": [
                            [
                                "q": ["_id": ["$mod": [3, 1]]], "multi": true,
                                "u": ["$set": ["x.y.\(round)": BSONValue(round)], "$inc": ["n": 1]],
                            ]
                        ],
                    ], db: "app")
                try client.run(
                    ["delete": "a", "deletes": [["q": ["_id": ["$mod": [50, BSONValue(round)]]], "limit": 0]]],
                    db: "app")
                try client.run(
                    ["update": "b", "updates": [["q": ["_id": BSONValue(round)], "u": ["whole": BSONValue(round)]]]],
                    db: "app")
                try client.run(
                    ["insert": "a", "documents": [["_id": BSONValue(50 + round), "again": true]]], db: "app")
            }
            for number in 0..<60 {
                try client.run(["insert": "capped", "documents": [["_id": BSONValue(number)]]], db: "app")
            }
            try client.run(
                ["update": "capped", "updates": [["q": ["_id": 55], "u": ["$set": ["seen": true]]]]], db: "app")
            // Under this collation both are one `_id`.
            try client.run(["delete": "collated", "deletes": [["q": ["_id": "x"], "limit": 1]]], db: "app")
            try client.run(["insert": "collated", "documents": [["_id": "X", "n": 2]]], db: "app")
            // Numbers of different types are one `_id`, and names may begin with a dollar.
            try client.run(["delete": "odd", "deletes": [["q": ["_id": 1], "limit": 1]]], db: "app")
            try client.run(["insert": "odd", "documents": [["_id": .double(1), "kind": "double"]]], db: "app")
            try client.run(["insert": "odd", "documents": [["_id": ["a": 1, "b": 2], "$c": 3]]], db: "app")
            try client.run(["insert": "odd", "documents": [["_id": .null, "$d": 1]]], db: "app")
            try client.run(["insert": "capped", "documents": [["_id": 100, "$e": 1]]], db: "app")
            let three = [UInt8](repeating: 3, count: 12)
            let pointer = BSONValue.dbPointer(namespace: "x.y", ObjectID(three.rawSpan))
            for collection: BSONValue in ["odd", "capped"] {
                try client.run(["insert": collection, "documents": [["_id": pointer], ["_id": 101]]], db: "app")
            }
            // Only an update by pipeline leaves an empty timestamp alone.
            for id: BSONValue in [2, "new"] {
                let stage: BSONValue = ["$set": ["empty": ["$literal": .timestamp(Timestamp(t: 0, i: 0))]]]
                try client.run(
                    ["update": "odd", "updates": [["q": ["_id": id], "u": [stage], "upsert": true]]], db: "app")
            }
        }
        #expect(try world.rig.differences(["app"]) == [])
        #expect(
            try world.rig.sourceClient().run(["dbHash": 1], db: "app")["md5"]
                == world.rig.targetClient().run(["dbHash": 1], db: "app")["md5"])
    }

    @Test func anUpdateOfNothingIsNeverSilent() throws {
        let world = try World { try $0.fill("app", "a", 0..<10) }
        let error = #expect(throws: CairnError.self) {
            let follower = FollowerRun(world.rig)
            try world.rig.sourceClient().run(
                ["update": "a", "updates": [["q": ["_id": 3], "u": ["$set": ["x": 1]]]]], db: "app")
            let time = try world.rig.now()
            try follower.wait(until: time)
            try follower.stop()
            try world.rig.restore()
            try world.rig.targetClient().run(["delete": "a", "deletes": [["q": ["_id": 3], "limit": 1]]], db: "app")
            try world.apply(through: time, record: false)
        }
        #expect(
            error?.code == .corrupt && error?.message.contains("does not fit") == true, "\(String(describing: error))")
    }

    /// Applied twice from the beginning, as after an interruption in the first stretch, it leads to the same.
    @Test func aStretchCanBeAppliedAgain() throws {
        let world = try World { try $0.fill("app", "a", 0..<200) }
        let follower = FollowerRun(world.rig)
        let client = try world.rig.sourceClient()
        for number in 0..<200 {
            try client.run(
                [
                    "update": "a",
                    "updates": [
                        ["q": ["_id": BSONValue(number)], "u": ["$set": ["list.\(number % 7)": BSONValue(number)]]]
                    ],
                ], db: "app")
        }
        try client.run(["delete": "a", "deletes": [["q": ["_id": ["$lt": 50]], "limit": 0]]], db: "app")
        try client.fill("app", "a", 20..<30, seed: 9)
        let time = try world.rig.now()
        try follower.wait(until: time)
        try follower.stop()
        try world.rig.restore()
        try world.apply(through: time, record: false)
        // What an interrupted run leaves: its record says that only the base is done.
        let deployment = try MongoDeployment.connect(uri: world.target.uri, options: MongoOptions(access: .write))
        let record = try ReplayRecord(
            snapshot: world.base.id, time: time, targets: ["app.a"], client: deployment.checkOut())
        try record.save(ReplayRecord.State(done: world.base.at, deltas: [0]))
        #expect(try record.load() == ReplayRecord.State(done: world.base.at, deltas: [0]))
        try world.apply(through: time, record: true)
        #expect(try record.load() == ReplayRecord.State(done: time, deltas: [-40]))
        #expect(try world.rig.differences(["app"]) == [])
        try record.remove()
        #expect(try record.load() == nil)
        #expect(try !world.rig.targetClient().databaseNames().contains("cairn"))
    }

    /// What happens in the window of the tests below: documents and definitions change, collections come and go.
    private func happen(_ client: WireClient) throws {
        try client.fill("app", "a", 500..<600)
        try client.run(
            ["createIndexes": "a", "indexes": [["key": ["n": 1], "name": "n", "unique": false]]], db: "app")
        try client.run(["renameCollection": "app.a", "to": "app.moved"], db: "admin")
        try client.run(
            ["update": "moved", "updates": [["q": [:], "u": ["$set": ["after": 1]], "multi": true]]], db: "app")
        try client.run(["drop": "b"], db: "app")
        try client.fill("app", "b", 0..<20, seed: 5)
        try client.run(["drop": "gone"], db: "app")
        try client.run(["create": "view", "viewOn": "moved", "pipeline": [["$match": ["_id": ["$gt": 3]]]]], db: "app")
        try client.run(["create": "series", "timeseries": ["timeField": "t"]], db: "app")
        for number in 0..<30 {
            try client.run(
                ["insert": "series", "documents": [["t": .date(Int64(number) * 1_000), "v": BSONValue(number)]]],
                db: "app")
        }
        try client.run(
            ["aggregate": "moved", "pipeline": [["$match": ["_id": ["$lt": 100]]], ["$out": "out"]], "cursor": [:]],
            db: "app")
        try client.run(["delete": "moved", "deletes": [["q": ["_id": ["$mod": [4, 0]]], "limit": 0]]], db: "app")
    }

    private func prepare(_ client: WireClient) throws {
        try client.fill("app", "a", 0..<500)
        try client.fill("app", "b", 0..<50)
        try client.fill("app", "gone", 0..<50)
    }

    @Test func leadsToTheSameAsTheFold() throws {
        let world = try World(prepare)
        let follower = FollowerRun(world.rig)
        try happen(world.rig.sourceClient())
        let time = try world.rig.now()
        try follower.wait(until: time)
        try follower.stop()
        for replay in Restore.Replay.allCases {
            let report = try world.rig.restore {
                $0.moment = .time(try! TimeSelection("\(time.t):\(time.i)"), set: nil)
                $0.replay = replay
                $0.drop = true
                $0.verify = true
            }
            #expect(report.failures.isEmpty && report.verification == .documents, "\(replay): \(report.failures)")
            #expect(try world.rig.differences(["app"]) == [], "\(replay)")
            #expect(
                try world.rig.sourceClient().run(["dbHash": 1], db: "app")["md5"]
                    == world.rig.targetClient().run(["dbHash": 1], db: "app")["md5"])
            #expect(try !world.rig.targetClient().databaseNames().contains("cairn"))
            try world.rig.targetClient().run(["dropDatabase": 1], db: "app")
        }
        let part = try world.rig.restore {
            $0.moment = .time(try! TimeSelection("\(time.t):\(time.i)"), set: nil)
            $0.replay = .server
            $0.include = ["app.moved"]
            $0.renames = [Restore.Rename(from: "app.moved", to: "other.place")]
        }
        #expect(part.failures.isEmpty && part.namespaces.map(\.target) == ["other.place"])
        #expect(
            try world.rig.targetClient().contents("other", "place") == world.rig.sourceClient().contents("app", "moved")
        )
    }

    @Test func anInterruptedReplayGoesOn() throws {
        var options = ThrowawayServer.Options()
        options.arguments = ["--setParameter", "enableTestCommands=1"]
        let world = try World(prepare, target: options)
        let follower = FollowerRun(world.rig)
        try happen(world.rig.sourceClient())
        let time = try world.rig.now()
        try follower.wait(until: time)
        try follower.stop()
        let target = try world.rig.targetClient()
        // The replay's writes are refused once the first of them is done.
        let data: BSONValue = ["failCommands": ["delete"], "errorCode": 96]
        try target.run(["configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data], db: "admin")
        func restore() throws -> RestoreReport {
            try world.rig.restore {
                $0.moment = .time(try! TimeSelection("\(time.t):\(time.i)"), set: nil)
                $0.replay = .server
            }
        }
        #expect(throws: CairnError.self) { try restore() }
        try target.run(["configureFailPoint": "failCommand", "mode": "off"], db: "admin")
        let report = try restore()
        #expect(report.failures.isEmpty && report.verification == .counts)
        #expect(try world.rig.differences(["app"]) == [])
        #expect(try !target.databaseNames().contains("cairn"))
    }

    /// Whatever clients do: at every time the replay leads to the documents that the fold knows (`verify` compares with
    /// those), and at the end to the source itself.
    @Test func aRandomWorkloadLeadsToTheSame() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed of the replayed workload: \(seed)")
        let source = try ThrowawayServer()
        let target = try ThrowawayServer()
        let rig = try Rig(source: source.uri, target: target.uri)
        let databases = ["work1", "work2"]
        let workload = Workload(uri: source.uri, databases: databases, seed: seed)
        _ = try workload.run(steps: 40)
        try rig.backup(databases.map { $0 + ".*" })
        let follower = FollowerRun(rig)
        var random = SeededGenerator(seed: seed)
        let times = try workload.run(steps: 150)
        try workload.settle()
        let end = try rig.now()
        try follower.wait(until: end)
        try follower.stop()
        for time in [random.pick(times), random.pick(times), end] {
            for database in databases { try target.connect().run(["dropDatabase": 1], db: database) }
            let report = try rig.restore {
                $0.moment = .time(.operation(time), set: nil)
                $0.replay = .server
                $0.verify = true
            }
            #expect(report.failures.isEmpty, "seed \(seed), \(time): \(report.failures.prefix(5))")
        }
        let differences = try rig.differences(Set(databases))
        #expect(differences == [], "seed \(seed): \(differences.joined(separator: "\n"))")
    }
}
