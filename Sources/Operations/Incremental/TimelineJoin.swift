internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// Stores the oplog between what the repository has of a replica set and a full backup, while that is running, so that
/// times before the backup stay restorable up to it. A thread and a client of its own.
///
/// It reads from the start of the backup on and not at its end: a scan may take longer than the oplog reaches back.
/// Where there is nothing to join, or the oplog does not reach back to it, it begins with the scan's own start as soon
/// as the scan takes so long that its closing run will need the oplog.
final class TimelineJoin: Sendable {
    /// What the repository has reaches up to here; nil when it has nothing of the set.
    let tip: OpTime?
    private let context: BackupContext
    private let set: String
    private let stop = StopSignal()
    private let state = Mutex(State())

    private struct State {
        var scanStart: OpTime?
        var end: Timestamp?
        /// Why what the repository has cannot be joined.
        var gap: CairnError?
        var failure: (any Error)?
        var thread: OwnedThread?
    }

    /// Starts to read; nil for a standalone server, which has no oplog.
    static func begin(_ context: BackupContext, _ snapshots: [Snapshot]) throws -> TimelineJoin? {
        guard let set = context.deployment.server.setName else { return nil }
        let reader = OplogReader(client: try context.deployment.checkOut())
        let join = TimelineJoin(context, set, try tip(of: set, context.entry, snapshots, reader))
        join.start()
        return join
    }

    private init(_ context: BackupContext, _ set: String, _ tip: OpTime?) {
        self.context = context
        self.set = set
        self.tip = tip
    }

    /// Where the saved history of the set ends: with its newest segment or its newest snapshot.
    private static func tip(
        of set: String, _ entry: WriterEntry, _ snapshots: [Snapshot], _ reader: OplogReader
    ) throws -> OpTime? {
        let segment = try entry.segments(damaged: { _, _ in }).filter { $0.set == set }.map(\.to)
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

    /// Notes where the scan starts; the first time counts.
    func scanBegins(at start: OpTime) { state.withLock { $0.scanStart = $0.scanStart ?? start } }

    private func run() throws {
        if let tip {
            do {
                return try tail(from: tip)
            } catch let error as CairnError where error.code == .oplogGap {
                state.withLock { $0.gap = error }
            }
        }
        // Half of the server's history window: beyond that, ranges go on at newer times.
        _ = stop.wait(milliseconds: Int64(context.windowSeconds) * 500)
        guard let start = state.withLock({ $0.end == nil ? $0.scanStart : nil }) else { return }
        try tail(from: start)
    }

    private func tail(from start: OpTime) throws {
        let client = try context.deployment.checkOut()
        let reader = OplogReader(client: client)
        let recorder = SegmentRecorder(
            repository: context.repository, writer: context.writer, lease: context.lease, set: set, from: start,
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
        state.withLock { $0.end = $0.end ?? Timestamp(rawValue: 0) }
        try? join()
    }

    private func join() throws {
        stop.stop()
        state.withLock { state in
            defer { state.thread = nil }
            return state.thread
        }?.join()
        if let failure = state.withLock({ $0.gap ?? $0.failure }) { throw failure }
    }
}

/// The statement that a stretch of history is lost.
enum LostStretch {
    /// Commits a gap between what is stored and the snapshot at `end`.
    static func record(_ context: BackupContext, set: String, from: OpTime, to end: OpTime, reason: String) throws {
        try context.repository.commit(
            Segment(
                id: context.repository.newID(), set: set, host: context.deployment.server.host, from: from, to: end,
                created: context.repository.now(), firstWall: nil, lastWall: nil, entries: 0, rawBytes: 0,
                addedBytes: 0, chunks: [], gap: reason), under: context.lease)
    }
}
