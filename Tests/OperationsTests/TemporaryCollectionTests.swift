import Archive
import BSON
import Bytes
import Glibc
import TestSupport
import Testing

@testable import Operations

/// Collections that `$out` and its like fill under a passing name are in no snapshot; what becomes of them is data.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct TemporaryCollectionTests {
    /// What `$out` does, step by step, with a snapshot in the middle.
    @Test func aSnapshotInTheMiddleOfAnOutStageIsPassedOver() throws {
        let source = try ThrowawayServer()
        let target = try ThrowawayServer()
        let rig = try Rig(source: source.uri, target: target.uri)
        let client = try rig.sourceClient()
        try client.fill("app", "a", 0..<20)
        let full = try rig.backup([])
        let create: BSONValue = ["op": "c", "ns": "app.$cmd", "o": ["create": "tmp.agg_out.1", "temp": true]]
        try client.run(["applyOps": [create]], db: "admin")
        try client.fill("app", "tmp.agg_out.1", 0..<10)
        let middle = try rig.backup(.incremental, [])
        try client.fill("app", "tmp.agg_out.1", 10..<20)
        try client.run(["renameCollection": "app.tmp.agg_out.1", "to": "app.out"], db: "admin")
        let last = try rig.backup(.incremental, [])
        #expect(middle.kind == "incremental" && last.kind == "incremental")

        let report = try rig.restore { options in
            // The time of the last snapshot would be that snapshot; one before it needs the oplog.
            let text = "\(last.at.t):\(last.at.i)"
            options.moment = .time(try! TimeSelection(text), set: nil)
        }
        #expect(report.documents == 40)
        #expect(try rig.differences(["app"]) == [])
        let repository = try rig.access.open()
        let timeline = try repository.timeline(of: nil)
        let chunks = try repository.loadIndex()
        let base = try repository.snapshot(middle.id)
        let route = Timeline.Route(
            base: base, segments: timeline.segmentsLeading(from: middle.at, to: last.at), time: last.at)
        let state = try repository.state(route, of: timeline, chunks: chunks)
        #expect(state.snapshot.id == full.id)
        #expect(state.collections.map(\.entry.namespace) == ["app.a", "app.out"])
    }

    private static func out(_ client: WireClient, to name: String) throws {
        try client.run(["aggregate": "a", "pipeline": [["$out": .string(name)]], "cursor": [:]], db: "app")
    }

    /// The server's own `$out`, held fast while the first snapshot is taken: before its collection has documents, and
    /// when it has some. With a collection of that name to be replaced, and without.
    @Test(
        arguments: ["outWaitAfterTempCollectionCreation", "hangWhileBuildingDocumentSourceOutBatch"], [false, true])
    func theFirstSnapshotIsTakenBesideAnOutStage(failPoint: String, replaces: Bool) throws {
        var options = ThrowawayServer.Options()
        options.arguments = ["--setParameter", "enableTestCommands=1"]
        let source = try ThrowawayServer(options)
        let target = try ThrowawayServer()
        let rig = try Rig(source: source.uri, target: target.uri)
        let client = try rig.sourceClient()
        // More than one batch, so that the second hold is behind a first one.
        try client.fill("app", "a", 0..<40, bytes: 1_000_000)
        if replaces { try client.fill("app", "out", 500..<510) }
        let mode: BSONValue = failPoint.hasPrefix("hang") ? ["skip": 1] : "alwaysOn"
        try client.run(["configureFailPoint": .string(failPoint), "mode": mode], db: "admin")
        let stage = Background(rig.source) { client, round in
            if round == 0 { try Self.out(client, to: "out") } else { usleep(1_000) }
        }
        let backup = Result {
            while try !isHeld(client, failPoint) { usleep(10_000) }
            return try rig.backup(.full, [])
        }
        try client.run(["configureFailPoint": .string(failPoint), "mode": "off"], db: "admin")
        stage.awaitRounds(1)
        try stage.stop()
        let full = try SnapshotContents(rig, backup.get().id)
        #expect(full.entries.keys.sorted() == (replaces ? ["app.a", "app.out"] : ["app.a"]))
        try client.fill("app", "out", 1_000..<1_010)
        let between = try rig.timeBeforeNext()
        let last = try rig.backup(.incremental, [])
        #expect(last.kind == "incremental" && last.warnings == [])
        #expect(try SnapshotContents(rig, last.id).differences(client, ["app"]) == [])
        try rig.restore { $0.verify = true }
        #expect(try rig.differences(["app"]) == [])
        for pair in try CheckReplay(access: rig.access).run().pairs { #expect(pair.differences.isEmpty, "\(pair)") }
        // What was in the collection when the only snapshot before was taken is nowhere: said, and never left out.
        let error = #expect(throws: CairnError.self) {
            try rig.restore {
                $0.moment = .time(try! TimeSelection("\(between.t):\(between.i)"), set: nil)
                $0.drop = true
            }
        }
        #expect(error?.code == .incomplete && error?.object?.contains("app.") == true, "\(String(describing: error))")
        // From here on everything is known.
        try client.run(["update": "out", "updates": [["q": ["_id": 3], "u": ["$set": ["n": 1]]]]], db: "app")
        let later = try rig.timeBeforeNext()
        try rig.backup(.incremental, [])
        try rig.restore {
            $0.moment = .time(try! TimeSelection("\(later.t):\(later.i)"), set: nil)
            $0.drop = true
        }
        #expect(try rig.differences(["app"]) == [])
    }

    /// Whether some operation waits at the fail point, and the collection that it fills is there.
    private func isHeld(_ client: WireClient, _ failPoint: String) throws -> Bool {
        let wait: BSONDocument = [
            "aggregate": 1, "pipeline": [["$currentOp": [:]], ["$match": ["failpointMsg": .string(failPoint)]]],
            "cursor": [:],
        ]
        guard try !client.documents(of: wait, db: "admin").isEmpty else { return false }
        return try client.collectionNames("app").contains { $0.hasPrefix("tmp.agg_out.") }
    }

    /// Again and again, in the middle of whatever an incremental does.
    @Test func incrementalsBesideOutStages() throws {
        let source = try ThrowawayServer()
        let target = try ThrowawayServer()
        let rig = try Rig(source: source.uri, target: target.uri)
        let client = try rig.sourceClient()
        try client.fill("app", "a", 0..<500)
        try rig.backup(.full, [])
        let stages = Background(rig.source) { client, round in
            try client.fill("app", "a", (10_000 + round)..<(10_001 + round))
            try Self.out(client, to: "out\(round % 3)")
        }
        let backups = Result {
            for _ in 0..<5 {
                stages.awaitRounds(1)
                try rig.backup(.incremental, [])
            }
        }
        try stages.stop()
        try backups.get()
        let last = try rig.backup(.incremental, [])
        #expect(try last.kind == "incremental" && rig.access.open().snapshots().count == 7)
        #expect(try SnapshotContents(rig, last.id).differences(client, ["app"]) == [])
        try rig.restore { $0.verify = true }
        #expect(try rig.differences(["app"]) == [])
        for pair in try CheckReplay(access: rig.access).run().pairs { #expect(pair.differences.isEmpty, "\(pair)") }
    }
}
