import Bytes
import ObjectStore
import Remote
import Synchronization
import TestSupport
import Testing

@testable import Operations

/// Snapshots and restores that Atlas does, as they are waited for: with a clock that only waiting moves.
@Suite struct AtlasJobTests {
    private let fake: AtlasFake
    private let backups: AtlasBackups

    init() throws {
        fake = try AtlasFake()
        var settings = AtlasSettings()
        settings.endpoint = fake.address
        settings.project = AtlasFake.project
        settings.cluster = "Cluster0"
        settings.clientID = AtlasFake.clientID
        settings.clientSecret = SecretText(AtlasFake.clientSecret)
        backups = try AtlasBackups(settings, exchange: HTTPExchange(policy: RetryPolicy(triesMax: 2) { _ in }))
    }

    /// Seconds that were waited.
    private final class Clock: Sendable {
        private let state = Mutex(0.0)
        var seconds: Double { state.withLock { $0 } }
        func advance(_ duration: Duration) { state.withLock { $0 += duration / .seconds(1) } }
    }

    private func wait(_ seconds: Int, _ clock: Clock, _ onWait: @escaping @Sendable () -> Void = {}) -> AtlasWait {
        var wait = AtlasWait(seconds: seconds)
        wait.pace.wait = { duration in
            clock.advance(duration)
            onWait()
        }
        wait.now = { clock.seconds }
        return wait
    }

    private func job(_ wait: AtlasWait, _ cancellation: Cancellation = Cancellation()) -> TakeAtlasSnapshot {
        TakeAtlasSnapshot(
            backups, options: .init(description: "mine", retentionDays: 2, wait: wait), cancellation: cancellation)
    }

    private func taken() throws -> Int {
        try backups.snapshots(of: backups.cluster()).count
    }

    @Test func itIsWaitedForLessAndLessOften() throws {
        try fake.set("{\"looks_until_done\": 14}")
        let clock = Clock()
        let job = job(wait(86_400, clock))
        let ended = try job.wait(for: try job.start())
        #expect(ended.isCompleted)
        let looks = try fake.requests().count { $0.method == "GET" && $0.path.contains("/snapshots/") }
        #expect(looks == 14)
        // 1, 2, 4, … 64 s and then 2 minutes, each at least half of it.
        #expect(clock.seconds > 400 && clock.seconds < 1_000, "\(clock.seconds)")
    }

    @Test func theTimeEndsTheWaitingNotTheSnapshot() throws {
        try fake.set("{\"looks_until_done\": 1000}")
        let clock = Clock()
        let job = job(wait(90, clock))
        let left = try job.wait(for: try job.start())
        #expect(left.status == "inProgress" && clock.seconds >= 90 && clock.seconds < 91)
    }

    @Test func aFailedSnapshotIsAnError() throws {
        try fake.set("{\"snapshots_fail\": true}")
        let job = job(wait(90, Clock()))
        let begun = try job.start()
        let error = try #require(throws: CairnError.self) { try job.wait(for: begun) }
        #expect(error.code == .server && error.object == begun.id)
    }

    @Test func aLostAnswerDoesNotMakeASecondSnapshot() throws {
        try fake.answer("[{\"status\": 503, \"method\": \"POST\", \"path\": \"snapshots$\", \"after\": true}]")
        let begun = try job(wait(90, Clock())).start()
        #expect(begun.description == "mine")
        #expect(try taken() == 1)
        #expect(try fake.requests().count { $0.method == "POST" && $0.path.hasSuffix("snapshots") } == 1)
    }

    @Test func aRequestThatWasNotDoneIsMadeAgain() throws {
        try fake.answer("[{\"status\": 503, \"method\": \"POST\", \"path\": \"snapshots$\", \"count\": 2}]")
        _ = try job(wait(90, Clock())).start()
        #expect(try taken() == 1)
        try fake.answer("[{\"status\": 503, \"method\": \"POST\", \"path\": \"snapshots$\", \"count\": 100}]")
        let error = try #require(throws: CairnError.self) { try job(wait(90, Clock())).start() }
        #expect(error.code == .unreachable)
    }

    /// Somebody else's, of the same description, is not taken for ours.
    @Test func anOlderSnapshotIsNotOurs() throws {
        let other = try backups.take(description: "mine", retentionDays: 1)
        let error = try #require(throws: CairnError.self) { try job(wait(90, Clock())).start() }
        #expect(error.code == .held && error.message.contains("goes on"))
        var ended = other
        while !ended.isCompleted { ended = try backups.look(at: ended) }
        #expect(try job(wait(90, Clock())).start().id != other.id)
    }

    @Test func atlasMayBeAwayForAWhile() throws {
        let job = job(wait(3_600, Clock()))
        let begun = try job.start()
        try fake.answer("[{\"status\": 502, \"method\": \"GET\", \"path\": \"/snapshots/\", \"count\": 10000}]")
        let error = try #require(throws: CairnError.self) { try job.wait(for: begun) }
        #expect(error.code == .unreachable)
        try fake.answer("[{\"status\": 502, \"method\": \"GET\", \"path\": \"/snapshots/\", \"count\": 7}]")
        #expect(try job.wait(for: begun).isCompleted)
    }

    @Test func aStopEndsTheWaiting() throws {
        try fake.set("{\"looks_until_done\": 1000}")
        let cancellation = Cancellation()
        let job = job(wait(90, Clock()) { cancellation.cancel() }, cancellation)
        let begun = try job.start()
        let error = try #require(throws: CairnError.self) { try job.wait(for: begun) }
        #expect(error.code == .interrupted && error.message.contains("goes on"))
    }

    @Test func aClusterWithoutBackup() throws {
        try fake.set("{\"backup_enabled\": false}")
        let error = try #require(throws: CairnError.self) { try job(wait(90, Clock())).start() }
        #expect(error.code == .usage && error.message.contains("switched off"))
        #expect(try AtlasStatus(backups).isProtected == false)
    }

    @Test func statusAndTheNewestSnapshot() throws {
        #expect(try AtlasStatus(backups).newest == nil && !AtlasStatus(backups).isProtected)
        var ids: [String] = []
        for _ in 0..<2 {
            let job = job(wait(90, Clock()))
            ids.append(try job.wait(for: try job.start()).id)
            try fake.advance(seconds: 60)
        }
        let running = try backups.take(description: "x", retentionDays: 1)
        let status = try AtlasStatus(backups)
        #expect(status.newest?.id == ids[1] && status.completed == 2 && status.isProtected)
        #expect(status.running.map(\.id) == [running.id] && status.schedule?.items.count == 1)
        let target = AtlasTarget(cluster: "Cluster1")
        let restore = RestoreFromAtlas(backups, source: .snapshot("latest"), target: target, now: 1_700_000_000)
        let begun = try restore.start()
        #expect(begun.snapshotId == ids[1])
        #expect(try restore.wait(for: begun, wait(90, Clock()), cancellation: Cancellation()).state == .completed)
    }

    @Test(arguments: [
        ("mongodb+srv://user:pa%40ss@Cluster0.fake.example/db?tls=true", true), ("mongodb://10.0.0.1:27017", false),
        ("mongodb://a.example:1,cluster0.fake.example:2/?replicaSet=x", true), ("mongodb://[::1]:27017/", false),
        ("mongodb://u:p?x@cluster0.fake.example", nil), ("mongodb://notcluster0.fake.example", false),
    ])
    func whetherAClusterIsTheOneThatIsRead(uri: String, expected: Bool?) throws {
        #expect(try backups.cluster().isReached(by: DeploymentAccess(uri: uri)) == expected)
        try fake.set("{\"connection_strings\": {}}")
        #expect(try backups.cluster().isReached(by: DeploymentAccess(uri: uri)) == nil)
    }

    @Test func timesAreHandedOn() throws {
        func start(_ time: String, to cluster: String?) throws -> AtlasRestoreJob {
            let target = cluster.map { AtlasTarget(cluster: $0) }
            return try RestoreFromAtlas(
                backups, source: .time(try TimeSelection(time)), target: target, now: 1_700_000_000
            ).start()
        }
        #expect(try start("2023-11-14T22:13:20Z", to: "Cluster1").pointInTimeUTCSeconds == 1_700_000_000)
        #expect(try start("-2h", to: "Cluster1").pointInTimeUTCSeconds == 1_699_992_800)
        let job = try start("1700000000:9", to: "Cluster1")
        #expect(job.oplogTs == 1_700_000_000 && job.oplogInc == 9 && job.pointInTimeUTCSeconds == nil)
        #expect(throws: CairnError.self) { try start("latest", to: "Cluster1") }
        #expect(throws: CairnError.self) { try start("-2h", to: nil) }
    }
}
