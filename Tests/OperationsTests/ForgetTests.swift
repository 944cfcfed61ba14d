import Archive
import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Operations

/// What policies keep, and that nothing else happens.
@Suite struct ForgetTests {
    private static let day = 86_400
    /// 2026-01-31T12:00:00Z, a Saturday.
    private static let now = 1_769_860_800

    @Test func agesAreLookedAtByKind() throws {
        var policy = RetentionPolicy()
        policy.full = 30 * Self.day
        policy.incremental = 7 * Self.day
        policy.tags["manual"] = 90 * Self.day
        let snapshots = [
            Self.snapshot(.full, age: 100, tags: ["manual"]), Self.snapshot(.full, age: 80, tags: ["manual"]),
            Self.snapshot(.full, age: 40), Self.snapshot(.synthetic, age: 29), Self.snapshot(.incremental, age: 9),
            Self.snapshot(.incremental, age: 8), Self.snapshot(.incremental, age: 6), Self.snapshot(.full, age: 1),
        ]
        let kept = RetentionPlan(policy, snapshots: snapshots, segments: [], now: Self.now).verdicts.map(\.isKept)
        // The one of 8 days is what the last 7 days are restored from.
        #expect(kept == [false, true, false, true, false, true, true, true])
    }

    @Test func periodsKeepTheirNewest() throws {
        var policy = RetentionPolicy()
        policy.periods = [.daily: 2, .monthly: 2]
        let snapshots = [70, 32, 31, 5, 1.4, 1.2, 0.3, 0.1].map { Self.snapshot(.full, age: $0) }
        let kept = RetentionPlan(policy, snapshots: snapshots, segments: [], now: Self.now).verdicts.map(\.isKept)
        // 31 days ago is still December, 0.3 and 0.1 days are today, 1.2 yesterday.
        #expect(kept == [false, false, true, false, false, true, false, true])
    }

    @Test func weeksBeginOnMonday() throws {
        var policy = RetentionPolicy()
        policy.periods = [.weekly: 9]
        // Saturday 31, Monday 26, Sunday 25, Monday 19 January.
        let snapshots = [12, 6, 5, 0].map { Self.snapshot(.full, age: $0) }
        let kept = RetentionPlan(policy, snapshots: snapshots, segments: [], now: Self.now).verdicts.map(\.isKept)
        #expect(kept == [false, true, false, true])
    }

    @Test func theLastGoodSnapshotOfEachSourceStays() throws {
        var policy = RetentionPolicy()
        policy.full = Self.day
        let snapshots = [
            Self.snapshot(.full, age: 50, set: "a"), Self.snapshot(.full, age: 40, set: "a"),
            Self.snapshot(.full, age: 30, set: "a", exact: false), Self.snapshot(.full, age: 60, set: "b"),
            Self.snapshot(.full, age: 20, set: "a", include: ["shop.*"]),
        ]
        let plan = RetentionPlan(policy, snapshots: snapshots, segments: [], now: Self.now)
        #expect(plan.verdicts.map(\.isKept) == [false, true, false, true, true])
        #expect(plan.verdicts[1].reasons == ["the last good snapshot"])
    }

    /// Whatever the policy: every second that it promises, and that could be restored before, still can be.
    @Test func thePromisedTimeStaysRestorable() throws {
        for seed in 0..<300 {
            var random = SeededGenerator(seed: UInt64(seed))
            var snapshots: [Snapshot] = []
            var segments: [Segment] = []
            var age = 20.0
            while age > 0 {
                let next = age - Double.random(in: 0.05...1.5, using: &random)
                segments.append(Self.segment(age, max(0, next)))
                if Bool.random(using: &random) {
                    snapshots.append(Self.snapshot(Bool.random(using: &random) ? .full : .incremental, age: age))
                }
                age = next
            }
            var policy = RetentionPolicy()
            policy.incremental = Self.day * .random(in: 1...15, using: &random)
            let plan = RetentionPlan(policy, snapshots: snapshots, segments: segments, now: Self.now)
            let gone = Set(plan.segments.map(\.id))
            let before = Timeline(set: "rs", snapshots: snapshots, segments: segments)
            let after = Timeline(
                set: "rs", snapshots: plan.verdicts.filter(\.isKept).map(\.snapshot),
                segments: segments.filter { !gone.contains($0.id) })
            for second in stride(from: Self.now - (policy.incremental ?? 0), to: Self.now, by: 7_000) {
                let time = Timestamp(t: UInt32(second), i: 0)
                #expect(
                    ((try? before.route(to: time)) == nil) == ((try? after.route(to: time)) == nil),
                    "seed \(seed), \(second)")
            }
        }
    }

    @Test(arguments: ["", "30", "d", "0d", "-1d", "1.5d", "30m", "30 d", "1234567d", "３d"])
    func lengthsAreReadStrictly(text: String) {
        let error = #expect(throws: CairnError.self) { try RetentionPolicy.seconds(text) }
        #expect(error?.code == .usage)
    }

    @Test func anEmptyPolicyRefuses() throws {
        let server = try PaperServer()
        try server.snapshot(full: true)
        let error = #expect(throws: CairnError.self) { try Self.forget(.policy(RetentionPolicy()), server) }
        #expect(error?.code == .usage)
        #expect(try server.repository.snapshotIDs().count == 1)
    }

    @Test func namedSnapshotsGoAndNothingElse() throws {
        let server = try PaperServer()
        server.create("first")
        let first = try server.snapshot(full: true)
        server.insert(1, into: "first")
        let second = try server.snapshot(full: false)
        try server.segment()
        let planned = try Self.forget(.snapshots([first.id.hex]), server, dryRun: true)
        #expect(planned.forgotten.map(\.id) == [first.id])
        #expect(try server.repository.snapshotIDs().count == 2)
        _ = try Self.forget(.snapshots([first.id.hex]), server)
        #expect(try server.repository.snapshotIDs() == [second.id])
        #expect(try server.repository.segmentIDs().count == 1)
        #expect(try Check.run(server.repository, options: CheckOptions(data: .all, workers: 1)).isSound)
        // What is left needs nothing of what went.
        let chunks = try server.repository.loadIndex()
        let state = try ArchivedState(
            SnapshotReader(repository: server.repository, chunks: chunks, snapshot: second))
        try ArchivedStateTests.expect(state, holds: server.contents, "after forgetting the parent")
        let error = #expect(throws: CairnError.self) { try Self.forget(.snapshots([second.id.hex]), server) }
        #expect(error?.code == .usage)
    }

    private static func forget(
        _ selection: Forget.Selection, _ server: PaperServer, dryRun: Bool = false
    ) throws -> Forget.Report {
        let access = RepositoryAccess(location: .directory(""), key: .keyFile(.random(32)))
        return try Forget(access: access, selection: selection, dryRun: dryRun).run(in: server.repository)
    }

    private static func snapshot(
        _ kind: Snapshot.Kind, age: Double, tags: [String] = [], set: String = "rs", exact: Bool = true,
        include: [String] = []
    ) -> Snapshot {
        Snapshot(
            id: .random(), kind: kind, parent: nil, at: time(age), started: 0, finished: 0,
            source: Snapshot.Source(
                set: set, host: "h:1", serverVersion: "6.0.5", featureCompatibilityVersion: "6.0"),
            scanOrder: .natural, tags: tags, catalogue: [],
            totals: Snapshot.Totals(namespaces: 0, documents: 0, rawBytes: 0, chunks: 0, addedBytes: 0), warnings: [],
            exact: exact, include: include)
    }

    private static func segment(_ from: Double, _ to: Double) -> Segment {
        Segment(
            id: .random(), set: "rs", host: "h:1", from: OpTime(timestamp: time(from), term: 1),
            to: OpTime(timestamp: time(to), term: 1), created: 0, firstWall: nil, lastWall: nil, entries: 0,
            rawBytes: 0, addedBytes: 0, chunks: [])
    }

    private static func time(_ age: Double) -> Timestamp { Timestamp(t: UInt32(now - Int(age * Double(day))), i: 0) }
}
