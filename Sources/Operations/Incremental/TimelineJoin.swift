internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// Stores the oplog between what the repository has of a replica set and a full backup, while that is running, so that
/// times before the backup stay restorable up to it. A thread and a client of its own.
///
/// It reads from the start of the backup on and not at its end: a scan may take longer than the oplog reaches back.
final class TimelineJoin: Sendable {
    /// What the repository has reaches up to here.
    let tip: OpTime
    private let context: BackupContext
    private let set: String
    private let stop = StopSignal()
    private let state = Mutex(State())

    private struct State {
        var end: Timestamp?
        var failure: (any Error)?
        var thread: OwnedThread?
    }

    /// Starts to read; nil when the repository has nothing of the set yet.
    static func begin(_ context: BackupContext, _ snapshots: [Snapshot]) throws -> TimelineJoin? {
        guard let set = context.deployment.server.setName else { return nil }
        let reader = OplogReader(client: try context.deployment.checkOut())
        guard let tip = try tip(of: set, context.repository, snapshots, reader) else { return nil }
        let join = TimelineJoin(context, set, tip)
        join.start()
        return join
    }

    private init(_ context: BackupContext, _ set: String, _ tip: OpTime) {
        self.context = context
        self.set = set
        self.tip = tip
    }

    /// Where the saved history of the set ends: with its newest segment or its newest snapshot.
    private static func tip(
        of set: String, _ repository: Repository, _ snapshots: [Snapshot], _ reader: OplogReader
    ) throws -> OpTime? {
        let segment = try repository.segments(damaged: { _, _ in }).filter { $0.set == set }.map(\.to)
            .max { $0.timestamp < $1.timestamp }
        guard let snapshot = snapshots.last(where: { $0.source.set == set && $0.exact }),
            snapshot.at > segment?.timestamp ?? Timestamp(rawValue: 0)
        else { return segment }
        // Without a term, which early snapshots lack, an entry that is gone is a gap like any other.
        return try snapshot.optime ?? reader.opTime(at: snapshot.at) ?? OpTime(timestamp: snapshot.at, term: -1)
    }

    private func start() {
        let thread = OwnedThread(name: "cairn-timeline") {
            do { try self.run() } catch { self.state.withLock { $0.failure = error } }
        }
        state.withLock { $0.thread = thread }
    }

    private func run() throws {
        let client = try context.deployment.checkOut()
        let reader = OplogReader(client: client)
        let recorder = SegmentRecorder(
            repository: context.repository, writer: context.writer, lease: context.lease, set: set, from: tip,
            bytesMax: context.tuning.segmentBytes)
        while true {
            let end = state.withLock { $0.end }
            let goal = try end ?? client.lastWrite().majority.timestamp
            // A member that is behind what is stored already is waited for.
            if goal >= recorder.reached.timestamp {
                try reader.read(from: recorder.reached, through: goal) { batch in
                    try self.context.cancellation.check()
                    try recorder.take(batch: batch, reader)
                    return true
                }
            }
            if end != nil {
                try recorder.cut(reader)
                return
            }
            _ = stop.wait(milliseconds: 1_000)
        }
    }

    /// Reads up to `end` and commits the last segment.
    ///
    /// - Throws: `.oplogGap` when the oplog does not continue what is stored; what the server and the store throw.
    func finish(through end: Timestamp) throws {
        state.withLock { $0.end = end }
        try join()
    }

    /// Ends the thread, whatever it was doing.
    func abandon() {
        state.withLock { $0.end = $0.end ?? tip.timestamp }
        try? join()
    }

    private func join() throws {
        stop.stop()
        state.withLock { state in
            defer { state.thread = nil }
            return state.thread
        }?.join()
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}

/// The statement that a stretch of history is lost.
enum LostStretch {
    /// Commits a gap between what is stored and the snapshot at `end`.
    static func record(_ context: BackupContext, set: String, from: OpTime, to end: OpTime, reason: String) throws {
        try context.lease.requireHeld()
        try context.repository.writeSegment(
            Segment(
                id: context.repository.newID(), set: set, host: context.deployment.server.host, from: from, to: end,
                created: context.repository.now(), firstWall: nil, lastWall: nil, entries: 0, rawBytes: 0,
                addedBytes: 0, chunks: [], gap: reason))
    }
}
