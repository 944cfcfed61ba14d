import Archive
import BSON
import Bytes
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
}
