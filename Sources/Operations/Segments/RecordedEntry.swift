internal import BSON
internal import Bytes

/// The little of an oplog entry that decides where it goes. What it means is the business of the target `Oplog`.
struct RecordedEntry {
    /// When it was written.
    let time: OpTime
    /// The server's wall clock, in milliseconds since 1970-01-01 UTC.
    let wall: Int64?
    /// Whether segments hold it: noops tell nothing but the time, and `config` is the set's own bookkeeping.
    let isKept: Bool
    /// Its place in a transaction.
    let part: Part

    /// What an entry is to a transaction of several entries.
    enum Part: Equatable {
        /// It stands alone.
        case none
        /// More follow, which point back to it; `before` is the one that it points back to.
        case open(before: OpTime?)
        /// It commits what it points back to.
        case commit(before: OpTime?)
        /// It throws away what it points back to.
        case abort(before: OpTime?)
    }

    init(_ bytes: RawSpan) throws {
        var elements = try DocumentView(bytes).makeElements()
        var time: Timestamp?
        var term: Int64 = -1
        var wall: Int64?
        var kind: UInt8 = 0
        var isOwn = false
        var command = Command.none
        var before: OpTime?
        var isVectored = false
        while let element = try elements.next() {
            if element.isNamed("ts") { time = element.timestamp }
            if element.isNamed("t") { term = element.integer ?? -1 }
            if element.isNamed("wall") { wall = element.date }
            if element.isNamed("op"), let text = element.stringBytes, text.byteCount == 1 { kind = text.byte(at: 0) }
            if element.isNamed("ns"), let text = element.stringBytes { isOwn = RecordedEntry.isConfig(text) }
            if element.isNamed("o"), let object = element.document { command = try Command(object) }
            if element.isNamed("prevOpTime"), let pointer = element.document {
                before = try RecordedEntry.opTime(pointer)
            }
            if element.isNamed("multiOpType") { isVectored = element.integer == 1 }
        }
        guard let time else { throw CairnError(.corrupt, "an oplog entry has no `ts`", object: "local.oplog.rs") }
        self.time = OpTime(timestamp: time, term: term)
        self.wall = wall
        isKept = kind != UInt8(ascii: "n") && !isOwn
        part =
            kind == UInt8(ascii: "c") && !isVectored ? command.part(before: before) : .none
    }

    private static func isConfig(_ namespace: RawSpan) -> Bool {
        namespace.byteCount > config.count && spansEqual(namespace.extracting(0..<config.count), config.rawSpan)
    }

    private static let config = Array("config.".utf8)

    /// The op time that `prevOpTime` holds; nil for the null one, {ts: Timestamp(0, 0), t: -1}.
    static func opTime(_ pointer: DocumentView) throws -> OpTime? {
        guard let time = try pointer.first(named: "ts")?.timestamp, time.rawValue > 0 else { return nil }
        return OpTime(timestamp: time, term: try pointer.first(named: "t")?.integer ?? -1)
    }
}

/// The commands that transactions are made of.
private enum Command {
    case none, part, prepared, last, commit, abort

    init(_ object: DocumentView) throws {
        self = .none
        var elements = object.makeElements()
        guard let first = try elements.next() else { return }
        if first.isNamed("commitTransaction") { self = .commit }
        if first.isNamed("abortTransaction") { self = .abort }
        guard first.isNamed("applyOps") else { return }
        self = .last
        while let element = try elements.next() {
            if element.isNamed("partialTxn"), element.bool == true { self = .part }
            if element.isNamed("prepare"), element.bool == true { self = .prepared }
        }
    }

    func part(before: OpTime?) -> RecordedEntry.Part {
        switch self {
        case .none: .none
        case .part, .prepared: .open(before: before)
        case .last: before == nil ? .none : .commit(before: before)
        case .commit: .commit(before: before)
        case .abort: .abort(before: before)
        }
    }
}
