public import BSON
import Bytes

/// Gives the operations of an oplog in commit order: those of a transaction when, and only if, it commits.
///
/// A transaction is a chain of `applyOps` entries linked by `prevOpTime`. All but the last say `partialTxn`; it counts
/// at the time of the last. When the last says `prepare`, a later `commitTransaction` or `abortTransaction` linked to
/// it decides, and it counts at the commit timestamp (mongod's `repl/README.md`, "Transactions"). Chains that are open
/// when the oplog ends never happened.
///
/// Entries are kept one by one and joined backwards at the commit. So the start of a chain may be given after its
/// middle, which happens when it comes from the prelude of a later segment; a start that is missing matters only if the
/// chain commits.
///
/// Batched inserts (`multiOpType: 1`) look like a chain and are none. Sessions are not looked at: what belongs
/// together, `prevOpTime` says.
///
/// Confined to one thread.
public struct TransactionAssembler: ~Copyable {
    /// An entry of a transaction that has not ended.
    private struct Part {
        let bytes: [UInt8]
        let previous: OpTime?
        let isPrepare: Bool
    }

    private var open: [OpTime: Part] = [:]
    /// Parts of ended chains: the prelude of an overlapping segment may bring them again.
    private var ended: Set<OpTime> = []
    private let openByteCountMax: Int
    private var preparedCount = 0
    /// Bytes of the entries of transactions that are neither committed nor aborted.
    public private(set) var openByteCount = 0

    /// An assembler that keeps at most `openByteCountMax` bytes of open transactions.
    public init(openByteCountMax: Int = 512 << 20) { self.openByteCountMax = openByteCountMax }

    /// Whether a prepared transaction waits for its end. While one does, entries behind a target time can still hold
    /// operations of a time before it.
    public var hasOpenPrepared: Bool { preparedCount > 0 }

    /// Takes an entry from before the window that a transaction inside begins with. Others, and entries taken already,
    /// are passed over.
    ///
    /// - Throws: as `take`.
    public mutating func takePrelude(_ bytes: RawSpan) throws {
        let entry = try OplogEntry(bytes)
        guard let group = try ApplyOps(entry), !entry.isAppliedSeparately else { return }
        if group.isPartial || group.isPrepare { try keep(entry, isPrepare: group.isPrepare) }
    }

    /// Takes the next entry and calls `body` with each operation that it makes visible, in order.
    ///
    /// - Throws: `.unsupportedFormat` or `.corrupt` for an entry that is not known or malformed, or that commits a
    ///   transaction whose start was not given; `.limit` when open transactions are larger than the bound; what `body`
    ///   throws.
    public mutating func take(_ bytes: RawSpan, _ body: (borrowing Operation) throws -> Void) throws {
        try take(OplogEntry(bytes), body)
    }

    /// `take` of an entry that is read already.
    public mutating func take(_ entry: OplogEntry, _ body: (borrowing Operation) throws -> Void) throws {
        guard entry.kind == .command else {
            if entry.kind != .noop { try body(Operation(entry, at: entry.timestamp)) }
            return
        }
        guard let group = try ApplyOps(entry) else { return try takeCommand(entry, body) }
        if !entry.isAppliedSeparately {
            if group.isPartial || group.isPrepare { return try keep(entry, isPrepare: group.isPrepare) }
            try commit(entry.previous, entry.timestamp, at: entry.timestamp, body)
        }
        try Self.emit(entry, entry.timestamp, body)
    }

    /// Takes an entry from behind a target time, where nothing but the end of a transaction that was prepared before it
    /// can matter: calls `body` with its operations when it commits at or before the target.
    ///
    /// - Throws: as `take`.
    public mutating func takeEnd(
        _ entry: OplogEntry, through target: Timestamp, _ body: (borrowing Operation) throws -> Void
    ) throws {
        guard hasOpenPrepared, entry.kind == .command, let previous = entry.previous, open[previous] != nil else {
            return
        }
        let command = try Operation(entry, at: entry.timestamp).command
        if command == "commitTransaction", try Self.commitTimestamp(entry) <= target {
            try takeCommand(entry, body)
        } else if command == "commitTransaction" || command == "abortTransaction" {
            abort(previous)
        }
    }

    private static func commitTimestamp(_ entry: OplogEntry) throws -> Timestamp {
        guard let time = try DocumentView(entry.object).first(named: "commitTimestamp")?.timestamp else {
            throw OplogFault.missing("commitTimestamp", entry.timestamp)
        }
        return time
    }

    private mutating func takeCommand(
        _ entry: OplogEntry, _ body: (borrowing Operation) throws -> Void
    ) throws {
        let operation = Operation(entry, at: entry.timestamp)
        switch try operation.command {
        case "commitTransaction":
            let time = try Self.commitTimestamp(entry)
            guard let previous = entry.previous else { throw OplogFault.missing("prevOpTime", entry.timestamp) }
            try commit(previous, entry.timestamp, at: time, body)
        case "abortTransaction": abort(entry.previous)
        default: try body(operation)
        }
    }

    private mutating func keep(_ entry: OplogEntry, isPrepare: Bool) throws {
        guard open[entry.opTime] == nil, !ended.contains(entry.opTime) else { return }
        open[entry.opTime] = Part(bytes: [UInt8](entry.bytes), previous: entry.previous, isPrepare: isPrepare)
        openByteCount += entry.bytes.byteCount
        if isPrepare { preparedCount += 1 }
        guard openByteCount <= openByteCountMax else {
            throw CairnError(
                .limit,
                "open transactions at \(entry.timestamp) hold more than \(openByteCountMax >> 20) MiB: choose a time "
                    + "before that, or give more memory")
        }
    }

    /// Calls `body` with the operations of the chain whose newest kept entry is at `newest`.
    private mutating func commit(
        _ newest: OpTime?, _ entry: Timestamp, at time: Timestamp, _ body: (borrowing Operation) throws -> Void
    ) throws {
        var chain: [Part] = []
        var next = newest
        while let previous = next {
            guard let part = remove(previous) else {
                throw CairnError(
                    .corrupt,
                    "the transaction that the oplog entry at \(entry) commits has an entry at "
                        + "\(previous.timestamp) that is missing: the oplog is incomplete; take a full backup")
            }
            chain.append(part)
            next = part.previous
        }
        for part in chain.reversed() { try Self.emit(OplogEntry(part.bytes.rawSpan), time, body) }
    }

    /// Forgets a chain. Its entries may lie before everything that was given: nobody needed them.
    private mutating func abort(_ newest: OpTime?) {
        var next = newest
        while let previous = next { next = remove(previous)?.previous }
    }

    private mutating func remove(_ time: OpTime) -> Part? {
        guard let part = open.removeValue(forKey: time) else { return nil }
        ended.insert(time)
        openByteCount -= part.bytes.count
        if part.isPrepare { preparedCount -= 1 }
        return part
    }

    private static func emit(
        _ entry: OplogEntry, _ time: Timestamp, _ body: (borrowing Operation) throws -> Void
    ) throws {
        try entry.forEachOperation { try body(Operation($0, at: time)) }
    }
}
