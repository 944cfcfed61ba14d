public import BSON
internal import Bytes
internal import Glibc

/// Reads a node's oplog forward, majority-committed entries only, in whole reply batches of about `replyBytes`.
///
/// Every reading starts at an entry that the caller knows and that must still be there, with its term: it comes first.
/// Thus nothing between can be missing, and a history that was rolled back is not taken for a continuation of another.
///
///     try OplogReader(client: client).read(from: known, through: end) { batch in
///         var entries = try DocumentBatch.Array(batch)
///         while let entry = try entries.next() { … }
///         return true
///     }
///
/// Only forward reading is used: it stops before holes that parallel commits leave for a moment, while
/// `$natural: -1` sees past them. One reader belongs to one thread and its client.
public final class OplogReader {
    /// Bytes of entries in a reply, about; see `RangeScanner.replyBytes`.
    public static let replyBytes = 2 << 20
    static let namespace = "local.oplog.rs"

    /// What to do when the node that is read from does not come back.
    public enum Failover: Sendable {
        /// Nothing: other readings depend on the same node.
        case none
        /// Go on with another member of the set, verified by the overlap as on the same one.
        case anyMember
    }

    let client: MongoClient
    private let replyBytes: Int
    private let failover: Failover
    /// Milliseconds to wait before each repetition; its count bounds the tries in a row.
    private let delays: [Int]
    private let reply = Reply()
    private var averageBytes = 512.0
    /// Failures that were survived by resuming, since the reader was made.
    public private(set) var resumptions = 0

    /// - Parameter retries: whether transient failures are tried again, for about 16 s in all; a caller that has a
    ///   policy of its own says no and gets `.cursorLost` or `.unreachable` at once.
    public init(
        client: MongoClient, failover: Failover = .none, retries: Bool = true, replyBytes: Int = OplogReader.replyBytes
    ) {
        self.client = client
        self.failover = failover
        self.replyBytes = replyBytes
        delays = retries ? MongoClient.retryDelays : []
    }

    /// Reads from the entry `start` up to and including the last one at or before `end`.
    ///
    /// The server waits until the majority has everything up to `end`, so that nothing is missing on a member that is
    /// behind.
    ///
    /// - Parameters:
    ///   - end: at most the cluster time that the set has reached; not before `start`.
    ///   - body: gets each batch, a BSON array value of at least one whole entry, valid inside the call only. The
    ///     first begins with the entry at `start`. Returns whether to go on.
    /// - Returns: the op time of the last entry handed out.
    /// - Throws: `.oplogGap` when `start` is not in the oplog any more or the history went another way; `.cursorLost`
    ///   or `.unreachable` when all tries failed; what `body` throws.
    @discardableResult
    public func read(
        from start: OpTime, through end: Timestamp, _ body: (RawSpan) throws -> Bool
    ) throws -> OpTime {
        precondition(start.timestamp <= end, "the end of a reading lies before its start")
        var position = OplogPosition(start: start, end: end, waitMilliseconds: nil)
        try run(&position, body)
        return position.reached
    }

    /// Reads from the entry `start`, and then what is written from now on, until `body` returns false.
    ///
    /// - Parameters:
    ///   - waitMilliseconds: how long the server waits for an entry before it answers with none.
    ///   - body: as in `read`, but it also gets an empty array when nothing came in that time.
    /// - Returns: the op time of the last entry handed out.
    /// - Throws: as `read`.
    @discardableResult
    public func follow(
        from start: OpTime, waitMilliseconds: Int, _ body: (RawSpan) throws -> Bool
    ) throws -> OpTime {
        precondition(waitMilliseconds > 0)
        var position = OplogPosition(start: start, end: nil, waitMilliseconds: waitMilliseconds)
        try run(&position, body)
        return position.reached
    }

    private func run(_ position: inout OplogPosition, _ body: (RawSpan) throws -> Bool) throws {
        defer { close(position) }
        repeat {
            let batch = try fetch(&position)
            guard try deliver(batch, &position, body) else { return }
            if batch.count > 0 {
                averageBytes = max(64, (averageBytes + Double(batch.entries.count) / Double(batch.count)) / 2)
            }
        } while position.cursor != 0 || position.isFollowing
    }

    /// Opens the cursor or gets its next batch, resuming after transient failures.
    private func fetch(_ position: inout OplogPosition) throws -> OplogBatch {
        var tries = 0
        while true {
            do {
                if tries > 0, failover == .anyMember {
                    try client.pool.pin(preferredHost: client.host)
                    try client.noteNodeIdentity()
                }
                let opens = position.cursor == 0
                let asked = max(1, min(1_000_000, Int(Double(replyBytes) / averageBytes)))
                let command = position.nextCommand(batchSize: opens ? max(2, asked) : asked)
                try client.run(command.bytes.rawSpan, db: "local", namespace: OplogReader.namespace, into: reply)
                let batch = try reply.withView { try OplogBatch($0, isFirst: opens) }
                position.cursor = batch.cursorID
                if opens { try verify(batch, position) }
                return batch
            } catch let error as CairnError where Self.isWorthRetrying(error) {
                position.cursor = 0
                guard tries < delays.count else { throw error }
                usleep(UInt32(delays[tries]) * 1_000)
                tries += 1
                resumptions += 1
            }
        }
    }

    private static func isWorthRetrying(_ error: CairnError) -> Bool {
        guard let cause = error.underlying as? ServerError else { return false }
        return cause.isTransient || cause.isCursorLost || cause.code == capped || cause.origin == .selection
    }

    /// CappedPositionLost: the oplog was truncated under the cursor; opening it again shows whether that is a gap.
    static let capped = 136

    /// Hands out the batch without what was handed out before.
    private func deliver(
        _ batch: OplogBatch, _ position: inout OplogPosition, _ body: (RawSpan) throws -> Bool
    ) throws -> Bool {
        var entries = batch.entries
        if position.skipsFirst, let first = batch.first {
            entries = try reply.handle.trimArray(entries, to: first.end..<(entries.count - 1))
        }
        position.skipsFirst = false
        position.hasHandedOut = true
        if let last = batch.last { position.reached = last }
        let isEmpty = entries.count == 5
        if isEmpty && !position.isFollowing { return true }
        return try reply.withBytes { bytes in try body(bytes.extracting(entries)) }
    }

    private func close(_ position: OplogPosition) {
        guard position.cursor != 0 else { return }
        // Best effort: the server drops idle cursors itself.
        _ = try? client.run(["killCursors": "oplog.rs", "cursors": [.int64(position.cursor)]], db: "local")
    }
}

/// The proof that nothing is missing.
extension OplogReader {
    /// A cursor that was just opened must begin with the known entry, and the oplog must still reach back to it
    /// *after* that batch was read: entries are truncated from the front, so then it was whole in between.
    private func verify(_ batch: OplogBatch, _ position: OplogPosition) throws {
        let wanted = position.reached
        guard let first = batch.first?.time, first == wanted else {
            if batch.count == 0, position.isFollowing { throw behind(wanted) }
            throw try missing(wanted, found: batch.first?.time)
        }
        let oldest = try bounds().oldest
        if oldest.timestamp > wanted.timestamp { throw Self.gone(wanted, oldest: oldest, client.host) }
    }

    /// A member that the majority's newest entries have not reached yet; one is met after changing to it.
    private func behind(_ wanted: OpTime) -> CairnError {
        CairnError(
            .unreachable,
            "\(client.host) has not come as far as \(wanted.timestamp) yet, where the reading goes on. If it never "
                + "will, it is another replica set than the one that was read before, or one restored from a backup.",
            object: OplogReader.namespace,
            underlying: ServerError(
                origin: .server, code: 134, name: "ReadConcernMajorityNotAvailableYet", message: "behind"))
    }

    private func missing(_ wanted: OpTime, found: OpTime?) throws -> CairnError {
        let oldest = try bounds().oldest
        if oldest.timestamp > wanted.timestamp { return Self.gone(wanted, oldest: oldest, client.host) }
        let instead =
            found.map { $0.timestamp == wanted.timestamp ? "an entry of term \($0.term)" : "no entry" } ?? "no entry"
        return CairnError(
            .oplogGap,
            "the history of the replica set diverged: at \(wanted.timestamp) the oplog of \(client.host) has "
                + "\(instead) where one of term \(wanted.term) was read before (a rollback, a forced "
                + "reconfiguration or a restored server). What follows does not continue what was saved.",
            object: OplogReader.namespace)
    }

    private static func gone(_ wanted: OpTime, oldest: OpTime, _ host: String) -> CairnError {
        CairnError(
            .oplogGap,
            "the entry at \(wanted.timestamp) is gone: the oldest in the oplog of \(host) is \(oldest.timestamp). "
                + "Make the oplog larger (replSetResizeOplog) or back up more often.",
            object: OplogReader.namespace)
    }
}

/// How far a reading has come.
struct OplogPosition {
    /// Nil when following.
    let end: Timestamp?
    let waitMilliseconds: Int?
    /// The server's cursor, 0 when none is open.
    var cursor: Int64 = 0
    /// The last entry handed out; at first the one that must come first.
    var reached: OpTime
    /// The next batch begins with `reached`, which was handed out before.
    var skipsFirst = false
    /// Something was handed out, so a cursor that is opened again repeats an entry.
    var hasHandedOut = false

    init(start: OpTime, end: Timestamp?, waitMilliseconds: Int?) {
        self.end = end
        self.waitMilliseconds = waitMilliseconds
        reached = start
    }

    var isFollowing: Bool { waitMilliseconds != nil }

    /// `find` at the position, or `getMore`.
    mutating func nextCommand(batchSize: Int) -> BSONDocument {
        if cursor != 0 {
            return BSONDocument { command in
                command.append("getMore", .int64(cursor))
                command.append("collection", "oplog.rs")
                command.append("batchSize", BSONValue(batchSize))
                if let waitMilliseconds { command.append("maxTimeMS", BSONValue(waitMilliseconds)) }
            }
        }
        skipsFirst = hasHandedOut
        return BSONDocument { command in
            command.append("find", "oplog.rs")
            command.append("filter", ["ts": range])
            command.append("batchSize", BSONValue(batchSize))
            if isFollowing {
                command.append("tailable", true)
                command.append("awaitData", true)
            }
            command.append("readConcern", readConcern)
        }
    }

    private var range: BSONValue {
        guard let end else { return ["$gte": .timestamp(reached.timestamp)] }
        return ["$gte": .timestamp(reached.timestamp), "$lte": .timestamp(end)]
    }

    private var readConcern: BSONValue {
        guard let end else { return ReadConcern.majority }
        return ["level": "majority", "afterClusterTime": .timestamp(end)]
    }
}
