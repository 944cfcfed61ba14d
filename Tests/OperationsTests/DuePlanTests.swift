import Archive
import BSON
import Bytes
import TestSupport
import Testing

@testable import Operations

/// What is due is a function of the policy, the snapshots and the time; here it is run through made-up years.
@Suite struct DuePlanTests {
    /// 2026-01-31T00:00:00Z.
    private static let midnight = 1_769_817_600

    private static func snapshot(_ kind: Snapshot.Kind, at second: Int, exact: Bool = true) -> Snapshot {
        Snapshot(
            id: .random(), kind: kind, parent: nil, at: Timestamp(t: UInt32(second), i: 1),
            started: Int64(second) * 1_000, finished: Int64(second) * 1_000,
            source: Snapshot.Source(set: "rs", host: "h:1", serverVersion: "", featureCompatibilityVersion: ""),
            scanOrder: .natural, tags: [], catalogue: [],
            totals: Snapshot.Totals(namespaces: 0, documents: 0, rawBytes: 0, chunks: 0, addedBytes: 0), warnings: [],
            exact: exact)
    }

    private static func plan(
        _ policy: BackupPolicy, _ snapshots: [Snapshot], _ history: DuePlan.History = .init(), now: Int
    ) -> DuePlan {
        DuePlan(policy, own: snapshots, all: snapshots, segments: [], history: history, now: now)
    }

    @Test func theFirstRunTakesAFullBackup() {
        #expect(Self.plan(BackupPolicy(), [], now: Self.midnight).due == [.full, .prune])
    }

    @Test func hoursAndDays() {
        let two = Self.midnight + 7_200
        let full = Self.snapshot(.full, at: two + 60), old = Self.snapshot(.full, at: two - 86_000)
        var history = DuePlan.History()
        history.prune = Self.midnight + 5 * 3_600
        #expect(Self.plan(BackupPolicy(), [old, full], history, now: two + 3_599).due == [])
        #expect(Self.plan(BackupPolicy(), [old, full], history, now: two + 3_600).due == [.incremental])
        // At two both are due, and the full backup is enough.
        let before = Self.plan(BackupPolicy(), [old], history, now: two)
        #expect(before.due == [.full])
        #expect(before.steps[1].reason == "the full backup saves it too")
    }

    @Test func whatIsNotExactOrWasFoldedFromTheOldIsNone() {
        let two = Self.midnight + 7_200
        var folded = Self.snapshot(.synthetic, at: two - 90_000)
        folded.finished = Int64(two + 60) * 1_000
        for snapshot in [folded, Self.snapshot(.full, at: two + 60, exact: false)] {
            #expect(Self.plan(BackupPolicy(), [snapshot], now: two + 120).due.contains(.full))
        }
        // A server's clock that is a little behind does not make a second one.
        var slow = Self.snapshot(.full, at: two - 20)
        slow.finished = Int64(two + 5) * 1_000
        #expect(!Self.plan(BackupPolicy(), [slow], now: two + 120).due.contains(.full))
    }

    @Test func whatIsNeverDueIsNotDone() {
        var policy = BackupPolicy()
        policy.full = .never
        policy.incremental = .never
        policy.forget = .never
        policy.prune = .never
        policy.replicate = .never
        var history = DuePlan.History()
        history.replicas = [("west", nil)]
        let plan = Self.plan(policy, [], history, now: Self.midnight)
        #expect(plan.due == [] && plan.steps.allSatisfy { $0.next == nil })
    }

    @Test func replicasAreDueEachByItself() {
        var history = DuePlan.History()
        history.replicas = [("west", nil), ("near", Self.midnight + 10), ("far", Self.midnight - 10)]
        let due = Self.plan(BackupPolicy(), [Self.snapshot(.full, at: Self.midnight)], history, now: Self.midnight + 60)
            .due
        #expect(due.contains(.replicate("west")) && due.contains(.replicate("far")))
        #expect(!due.contains(.replicate("near")))
    }

    @Test func forgettingIsDueWhenThereIsSomethingToForget() {
        let now = Self.midnight + 3 * 3_600
        let recent = Self.snapshot(.full, at: now - 60)
        let expired = Self.snapshot(.full, at: now - 31 * 86_400)
        // What the last 7 days are restored from.
        let base = Self.snapshot(.full, at: now - 8 * 86_400)
        var history = DuePlan.History()
        #expect(!Self.plan(BackupPolicy(), [recent], history, now: now).due.contains(.forget))
        #expect(Self.plan(BackupPolicy(), [expired, base, recent], history, now: now).due.contains(.forget))
        history.forget = now + 5
        #expect(!Self.plan(BackupPolicy(), [expired, base, recent], history, now: now + 60).due.contains(.forget))
    }

    /// However a machine sleeps and wakes: what is due is due until it is done, done once, and nothing scheduled is
    /// left open behind a run.
    @Test(arguments: 0..<40) func anyRunCatchesUpWithAnythingMissed(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let forms = [
            "hourly", "every 15m", "every 6h", "daily 02:00", "weekly sunday 03:30", "monthly 1 00:00", "never",
        ]
        var policy = BackupPolicy()
        policy.full = try Recurrence(try #require(forms.randomElement(using: &random)))
        policy.incremental = try Recurrence(try #require(forms.randomElement(using: &random)))
        var snapshots: [Snapshot] = []
        var history = DuePlan.History()
        history.replicas = [("west", nil)]
        var now = Self.midnight
        for _ in 0..<200 {
            let pause = [60, 900, 3_600, 90_000, 3_000_000].randomElement(using: &random) ?? 60
            now += Int.random(in: 1...pause, using: &random)
            let due = Self.plan(policy, snapshots, history, now: now).due
            #expect(Set(due).count == due.count && !(due.contains(.full) && due.contains(.incremental)))
            for (task, recurrence) in [(DuePlan.Task.full, policy.full), (.incremental, policy.incremental)] {
                guard let last = recurrence.last(at: now), due.contains(task) else { continue }
                let taken = snapshots.filter { task == .incremental || $0.kind == .full }
                #expect(taken.allSatisfy { Int($0.at.t) < last }, "seed \(seed): taken already")
            }
            // A run that fails leaves all of it due.
            guard Int.random(in: 0..<5, using: &random) > 0 else {
                #expect(Set(due).isSubset(of: Self.plan(policy, snapshots, history, now: now + 1).due))
                continue
            }
            for task in due {
                switch task {
                case .full: snapshots.append(Self.snapshot(.full, at: now))
                case .incremental: snapshots.append(Self.snapshot(.incremental, at: now))
                case .replicate: history.replicas = [("west", now)]
                case .forget: history.forget = now
                case .prune: history.prune = now
                }
            }
            #expect(Self.plan(policy, snapshots, history, now: now).due == [], "seed \(seed)")
        }
    }
}
