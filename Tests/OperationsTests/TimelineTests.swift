import Archive
import BSON
import Bytes
import TestSupport
import Testing

@testable import Operations

/// The model alone: what leads where. That it restores is shown on real servers.
@Suite struct TimelineTests {
    @Test func segmentsJoinSnapshotsToRanges() throws {
        let timeline = Timeline(
            set: "rs", snapshots: [Self.snapshot(10), Self.snapshot(20), Self.snapshot(50)],
            segments: [Self.segment(10, 20), Self.segment(20, 30), Self.gap(30, 45), Self.segment(45, 60)])
        #expect(timeline.ranges.map { [$0.from.t, $0.to.t] } == [[10, 30], [50, 60]])
        #expect(timeline.ranges.map(\.snapshots) == [2, 1])
        #expect(timeline.gaps.map { [$0.from.t, $0.to.t] } == [[30, 45]])
        #expect(timeline.latest == Timestamp(t: 60, i: 0))
    }

    @Test func theNewestSnapshotBeforeATimeIsItsBase() throws {
        let timeline = Timeline(
            set: "rs", snapshots: [Self.snapshot(10), Self.snapshot(20)],
            segments: [Self.segment(10, 20), Self.segment(20, 30)])
        let route = try timeline.route(to: Timestamp(t: 25, i: 3))
        #expect(route.base.at.t == 20)
        #expect(route.segments.map(\.from.timestamp.t) == [20])
        let exact = try timeline.route(to: Timestamp(t: 20, i: 0))
        #expect(exact.base.at.t == 20 && exact.segments.isEmpty)
        let between = try timeline.route(to: Timestamp(t: 15, i: 0))
        #expect(between.base.at.t == 10 && between.segments.count == 1)
    }

    /// A snapshot in the middle of a segment: the operations behind it are in that segment.
    @Test func aSegmentMayBeginBeforeTheSnapshot() throws {
        let timeline = Timeline(set: "rs", snapshots: [Self.snapshot(15)], segments: [Self.segment(10, 20)])
        #expect(timeline.ranges.map { [$0.from.t, $0.to.t] } == [[15, 20]])
        #expect(try timeline.route(to: Timestamp(t: 18, i: 0)).segments.count == 1)
    }

    @Test func overlappingSegmentsAreTakenOnceEach() throws {
        let timeline = Timeline(
            set: "rs", snapshots: [Self.snapshot(10)],
            segments: [Self.segment(10, 20), Self.segment(10, 14), Self.segment(12, 30), Self.segment(18, 25)])
        let route = try timeline.route(to: Timestamp(t: 30, i: 0))
        #expect(route.segments.map { [$0.from.timestamp.t, $0.to.timestamp.t] } == [[10, 20], [12, 30]])
    }

    @Test func aTimeOutsideNamesTheNearest() throws {
        let timeline = Timeline(
            set: "rs", snapshots: [Self.snapshot(10), Self.snapshot(50)],
            segments: [Self.segment(10, 20), Self.segment(50, 60)])
        for (time, words) in [(5, ["10:0"]), (30, ["20:0", "50:0"]), (70, ["60:0"])] {
            let error = #expect(throws: CairnError.self) { try timeline.route(to: Timestamp(t: UInt32(time), i: 0)) }
            #expect(error?.code == .usage)
            // As people write times, and as `--at` takes the very operation.
            #expect(error?.message.contains("1970-01-01T00:") == true, "\(String(describing: error))")
            for word in words { #expect(error?.message.contains(word) == true) }
        }
    }

    /// Against a model that looks at every second: a time is restorable when a walk from some snapshot gets there.
    @Test func rangesAgreeWithAWalk() throws {
        for seed in 0..<500 {
            var random = SeededGenerator(seed: UInt64(seed))
            let snapshots = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                Self.snapshot(.random(in: 0..<40, using: &random))
            }
            let segments = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                let from = UInt32.random(in: 0..<40, using: &random)
                return Self.segment(from, from + .random(in: 0..<10, using: &random))
            }
            let timeline = Timeline(set: "rs", snapshots: snapshots, segments: segments)
            for second in UInt32(0)..<60 {
                let time = Timestamp(t: second, i: 0)
                let reachable = snapshots.contains { Self.leads($0.at.t, second, segments) }
                let route = try? timeline.route(to: time)
                #expect((route != nil) == reachable, "seed \(seed), second \(second)")
                guard let route else { continue }
                var reached = route.base.at
                for segment in route.segments {
                    #expect(segment.from.timestamp <= reached && segment.to.timestamp > reached)
                    reached = segment.to.timestamp
                }
                #expect(reached >= time && route.base.at <= time)
            }
        }
    }

    private static func leads(_ start: UInt32, _ end: UInt32, _ segments: [Segment]) -> Bool {
        guard start <= end else { return false }
        return start == end
            || (start..<end).allSatisfy { second in
                segments.contains { $0.from.timestamp.t <= second && second < $0.to.timestamp.t }
            }
    }

    private static func snapshot(_ t: UInt32) -> Snapshot {
        Snapshot(
            id: .random(), kind: .full, parent: nil, at: Timestamp(t: t, i: 0), started: 0, finished: 0,
            source: Snapshot.Source(
                set: "rs", host: "h:1", serverVersion: "6.0.5", featureCompatibilityVersion: "6.0"),
            scanOrder: .natural, tags: [], catalogue: [],
            totals: Snapshot.Totals(namespaces: 0, documents: 0, rawBytes: 0, chunks: 0, addedBytes: 0), warnings: [],
            exact: true)
    }

    private static func segment(_ from: UInt32, _ to: UInt32, gap: String? = nil) -> Segment {
        Segment(
            id: .random(), set: "rs", host: "h:1", from: OpTime(timestamp: Timestamp(t: from, i: 0), term: 1),
            to: OpTime(timestamp: Timestamp(t: to, i: 0), term: 1), created: 0, firstWall: nil, lastWall: nil,
            entries: 0, rawBytes: 0, addedBytes: 0, chunks: [], gap: gap)
    }

    private static func gap(_ from: UInt32, _ to: UInt32) -> Segment {
        segment(from, to, gap: "the oplog was too small")
    }
}
