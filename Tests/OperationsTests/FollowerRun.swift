import Archive
import BSON
import Bytes
import Glibc
import Synchronization
import TestSupport

@testable import Operations

/// A follower on a thread of its own, and what it says.
final class FollowerRun {
    private final class State: Sendable {
        let events = Mutex<[Follow.Event]>([])
        let result = Mutex<Result<FollowReport, any Error>?>(nil)
    }

    private let state = State()
    private let cancellation = Cancellation()
    private let thread: OwnedThread
    private var isJoined = false

    /// Starts a follower that saves every second.
    init(_ rig: Rig, _ configure: (inout Follow) -> Void = { _ in }, options: (inout Follow.Options) -> Void = { _ in })
    {
        var chosen = Follow.Options(
            repository: rig.access, source: DeploymentAccess(uri: rig.source, serverSelectionTimeoutSeconds: 5))
        chosen.everySeconds = 1
        chosen.level = 1
        options(&chosen)
        let state = self.state
        var job = Follow(options: chosen, progress: JobProgress(), cancellation: cancellation) { event in
            state.events.withLock { $0.append(event) }
        }
        job.pace.waitMilliseconds = 50
        job.pace.backOffMilliseconds = [100, 200]
        configure(&job)
        let ready = job
        thread = OwnedThread(name: "test-follower") {
            let result = Result { try ready.run() }
            state.result.withLock { $0 = result }
        }
    }

    /// A test that fails on its way leaves none behind.
    deinit {
        guard !isJoined else { return }
        cancellation.cancel()
        thread.join()
    }

    /// What happened so far.
    var events: [Follow.Event] { state.events.withLock { $0 } }
    var hasEnded: Bool { state.result.withLock { $0 != nil } }

    var saved: [Follow.Saved] {
        events.compactMap { if case .saved(let segment) = $0 { segment } else { nil } }
    }
    var gaps: [Follow.Gap] {
        events.compactMap { if case .lost(let gap) = $0 { gap } else { nil } }
    }
    var waits: Int { events.count { if case .waiting = $0 { true } else { false } } }
    var resumptions: Int { events.count { if case .resumed = $0 { true } else { false } } }

    /// Waits for a minute at most; a follower that ends is not waited for.
    func wait(for what: String, until condition: (FollowerRun) throws -> Bool) throws {
        try ThrowawayReplicaSet.wait(for: "\(what); so far \(events.suffix(5))") {
            try hasEnded || condition(self)
        }
        if hasEnded, try !condition(self) { _ = try stop() }
    }

    /// Waits until everything up to that time is saved.
    func wait(until time: Timestamp) throws {
        try wait(for: "segments up to \(time)") { ($0.saved.last?.to ?? Timestamp(rawValue: 0)) >= time }
    }

    /// Stops it, and returns what it reports.
    ///
    /// - Throws: what it threw.
    @discardableResult
    func stop() throws -> FollowReport {
        cancellation.cancel()
        if !isJoined { thread.join() }
        isJoined = true
        guard let result = state.result.withLock({ $0 }) else { throw CairnError(.cancelled, "no result") }
        return try result.get()
    }
}

extension Rig {
    /// The committed segments, their entries, and the heads before them.
    func segments() throws -> [(segment: Segment, prelude: [BSONDocument], entries: [BSONDocument])] {
        let repository = try access.open()
        let index = try repository.loadIndex()
        return try repository.segments().map { segment in
            var prelude: [BSONDocument] = []
            var entries: [BSONDocument] = []
            try SegmentReader(repository: repository, chunks: index, segment: segment).forEachEntry(
                prelude: { prelude.append(try BSONDocument(copying: $0)) },
                entry: { bytes, _ in entries.append(try BSONDocument(copying: bytes)) })
            return (segment, prelude, entries)
        }
    }

    /// The newest majority-committed time of the source.
    func now() throws -> Timestamp {
        let hello = try sourceClient().run(["hello": 1], db: "admin")
        let write: BSONDocument = try hello.require("lastWrite", in: "hello")
        let point: BSONDocument = try write.require("majorityOpTime", in: "hello")
        return try point.require("ts", in: "hello")
    }

    /// The time of the last majority-committed write, behind which there is another: so a snapshot taken next is
    /// a later one, and the time is restored by the oplog.
    func timeBeforeNext() throws -> Timestamp {
        let time = try now()
        try sourceClient().run(["appendOplogNote": 1, "data": ["test": "later"]], db: "admin")
        return time
    }
}
