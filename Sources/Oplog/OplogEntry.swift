public import BSON
internal import Bytes

/// One entry of an oplog, or one operation inside an `applyOps`: a borrowed view, nothing copied.
///
/// Fields after mongod's `repl/oplog_entry.idl`. What an entry says beyond the fields that are known here could change
/// its meaning, so an unknown field is refused like an unknown operation.
public struct OplogEntry: ~Escapable {
    /// What an entry does.
    public enum Kind: UInt8, Sendable {
        /// `i`: `object` is the document.
        case insert
        /// `u`: `object` is a replacement or a diff, `target` holds the `_id`.
        case update
        /// `d`: `object` holds the `_id`.
        case delete
        /// `c`: the first field of `object` names the command.
        case command
        /// `n`: nothing; time goes on.
        case noop
    }

    /// The whole entry.
    public let bytes: RawSpan
    /// What it does.
    public let kind: Kind
    /// Its place in the oplog. An operation inside an `applyOps` has that of the entry that holds it.
    public let timestamp: Timestamp
    /// The term of the primary that wrote it; -1 where there are no elections.
    public let term: Int64
    private let fields: EntryFields

    /// Reads a document of `local.oplog.rs`.
    ///
    /// - Throws: `.corrupt` when a field is missing or malformed; `.unsupportedFormat` naming time, namespace and key
    ///   for an operation or a field that is not known.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws {
        let fields = try EntryFields(bytes)
        guard let timestamp = fields.timestamp else {
            throw CairnError(.corrupt, "an oplog entry without \"ts\": \(OplogFault.text(bytes))")
        }
        try self.init(bytes, fields, OpTime(timestamp: timestamp, term: fields.term))
    }

    /// Reads an operation inside an `applyOps`.
    @_lifetime(copy bytes)
    init(inner bytes: RawSpan, of time: OpTime) throws {
        try self.init(bytes, EntryFields(bytes), time)
    }

    @_lifetime(copy bytes)
    private init(_ bytes: RawSpan, _ fields: EntryFields, _ time: OpTime) throws {
        let kind = try Self.kind(bytes, fields, time.timestamp)
        if kind != .noop {
            guard !fields.namespace.isEmpty else { throw OplogFault.missing("ns", time.timestamp) }
            guard !fields.object.isEmpty else { throw OplogFault.missing("o", time.timestamp) }
            guard kind != .update || !fields.target.isEmpty else { throw OplogFault.missing("o2", time.timestamp) }
        }
        self.bytes = bytes
        self.kind = kind
        self.fields = fields
        timestamp = time.timestamp
        term = time.term
        if let unknown = fields.unknown {
            let name = OplogFault.text(bytes.extracting(unknown))
            throw OplogFault.unknown("field \"\(name)\" of an oplog entry", time.timestamp, OplogFault.text(namespace))
        }
    }

    private static func kind(_ bytes: RawSpan, _ fields: EntryFields, _ time: Timestamp) throws -> Kind {
        let operation = bytes.extracting(fields.operation)
        switch operation.byteCount == 1 ? operation.byte(at: 0) : 0 {
        case UInt8(ascii: "i"): return .insert
        case UInt8(ascii: "u"): return .update
        case UInt8(ascii: "d"): return .delete
        case UInt8(ascii: "c"): return .command
        case UInt8(ascii: "n"): return .noop
        default:
            guard operation.byteCount > 0 else { throw OplogFault.missing("op", time) }
            let namespace = OplogFault.text(bytes.extracting(fields.namespace))
            throw OplogFault.unknown("operation \"\(OplogFault.text(operation))\"", time, namespace)
        }
    }
}

extension OplogEntry {
    /// When and in which term.
    public var opTime: OpTime { OpTime(timestamp: timestamp, term: term) }

    /// `ns`: `db.collection`, for commands `db.$cmd`; empty for noops.
    public var namespace: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(fields.namespace) }
    }

    /// `namespace`, for messages and commands.
    public var namespaceText: String { OplogFault.text(namespace) }

    /// `ui`: the collection; nil for commands on databases, and in entries of servers before 3.6.
    public var uuid: UUIDKey? { fields.uuid }

    /// `o`; empty for some noops.
    public var object: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(fields.object) }
    }

    /// `o2`; empty when there is none.
    public var target: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(fields.target) }
    }

    /// `prevOpTime`: the session's entry before this one; nil when the entry has no such field, or a null one.
    public var previous: OpTime? { fields.previous }

    /// `b`: an update that inserts when there is nothing to update.
    public var isUpsert: Bool { fields.isUpsert }

    /// `multiOpType: 1`: an `applyOps` of batched inserts, each entry applied at its own time although `prevOpTime`
    /// links them (mongo-tools `common/txn/meta.go`).
    public var isAppliedSeparately: Bool { fields.multiOpType == 1 }

    /// The `_id` element that an insert, update or delete concerns, as `DocumentIdentity` gives it; empty when the
    /// document has none.
    ///
    /// - Throws: `.corrupt` when the document that holds it is malformed.
    public var identity: RawSpan {
        @_lifetime(copy self)
        get throws { try DocumentIdentity.idBytes(of: kind == .update ? target : object) }
    }
}

/// Where the fields of an entry are, found in one walk. Offsets instead of spans: nothing here borrows.
struct EntryFields {
    var timestamp: Timestamp?
    var term: Int64 = -1
    var operation = 0..<0
    var namespace = 0..<0
    var uuid: UUIDKey?
    var object = 0..<0
    var target = 0..<0
    var previous: OpTime?
    var isUpsert = false
    var multiOpType: Int64 = 0
    /// The name of a field that this program does not know.
    var unknown: Range<Int>?

    init(_ bytes: RawSpan) throws {
        var elements = try DocumentView(bytes).makeElements()
        var offset = 4
        while let element = try elements.next() {
            try take(element, offset)
            offset += element.bytes.byteCount
        }
    }

    /// `offset` is where the element starts in the entry.
    private mutating func take(_ element: borrowing ElementView, _ offset: Int) throws {
        let name = element.name
        let valueStart = offset + name.byteCount + 2
        let value = valueStart..<(offset + element.bytes.byteCount)
        switch name.byteCount {
        case 1: try takeShort(name.byte(at: 0), element, value)
        case 2 where name.byte(at: 0) == UInt8(ascii: "o") && name.byte(at: 1) == UInt8(ascii: "p"):
            operation = try Self.text(element, value)
        case 2 where name.byte(at: 0) == UInt8(ascii: "n") && name.byte(at: 1) == UInt8(ascii: "s"):
            namespace = try Self.text(element, value)
        case 2 where name.byte(at: 0) == UInt8(ascii: "u") && name.byte(at: 1) == UInt8(ascii: "i"):
            uuid = try Self.uuid(element)
        case 2 where name.byte(at: 0) == UInt8(ascii: "t") && name.byte(at: 1) == UInt8(ascii: "s"):
            timestamp = element.timestamp
        case 2 where name.byte(at: 0) == UInt8(ascii: "o") && name.byte(at: 1) == UInt8(ascii: "2"):
            target = element.type == .document ? value : 0..<0
        default: try takeLong(element, (offset + 1)..<(valueStart - 1))
        }
    }

    private mutating func takeShort(_ name: UInt8, _ element: borrowing ElementView, _ value: Range<Int>) throws {
        switch name {
        case UInt8(ascii: "o"):
            guard element.type == .document else { throw OplogFault.malformed("o", timestamp) }
            object = value
        case UInt8(ascii: "t"): term = element.integer ?? -1
        case UInt8(ascii: "b"): isUpsert = element.bool ?? false
        case UInt8(ascii: "v"):
            guard element.integer == 2 || element.integer == 1 else {
                throw OplogFault.unknown("oplog version \"v\"", timestamp ?? Timestamp(t: 0, i: 0), "")
            }
        case UInt8(ascii: "h"): break
        default: unknown = value.lowerBound - 2..<value.lowerBound - 1
        }
    }

    /// Fields that say nothing about the data (oplog_entry.idl): wall clock, record ids, statement ids of retryable
    /// writes, images of findAndModify, sessions, shard moves, and checks of the server's own.
    private mutating func takeLong(_ element: borrowing ElementView, _ name: Range<Int>) throws {
        if element.isNamed("prevOpTime") {
            previous = try Self.opTime(element, timestamp)
        } else if element.isNamed("multiOpType") {
            multiOpType = element.integer ?? 0
            guard multiOpType == 0 || multiOpType == 1 else {
                throw OplogFault.unknown("multiOpType \(multiOpType)", timestamp ?? Timestamp(t: 0, i: 0), "")
            }
        } else if !Self.isPassedOver(element) {
            unknown = name
        }
    }

    private static func isPassedOver(_ element: borrowing ElementView) -> Bool {
        element.isNamed("wall") || element.isNamed("lsid") || element.isNamed("txnNumber") || element.isNamed("stmtId")
            || element.isNamed("rid") || element.isNamed("tid") || element.isNamed("fromMigrate")
            || element.isNamed("preImageOpTime") || element.isNamed("postImageOpTime")
            || element.isNamed("needsRetryImage") || element.isNamed("destinedRecipient")
            || element.isNamed("checkExistenceForDiffInsert") || element.isNamed("versionContext")
            || element.isNamed("fromTenantMigration") || element.isNamed("donorOpTime")
            || element.isNamed("donorApplyOpsIndex") || element.isNamed("_id") || element.isNamed("isTimeseries")
    }

    private static func text(_ element: borrowing ElementView, _ value: Range<Int>) throws -> Range<Int> {
        guard element.type == .string, value.count >= 5 else {
            throw OplogFault.malformed(element.nameText, nil)
        }
        return (value.lowerBound + 4)..<(value.upperBound - 1)
    }

    private static func uuid(_ element: borrowing ElementView) throws -> UUIDKey? {
        guard let binary = element.binary, let key = UUIDKey(binary) else { throw OplogFault.malformed("ui", nil) }
        return key
    }

    /// An op time is `{ts, t}`; the null one, `{Timestamp(0, 0), -1}`, is none.
    private static func opTime(_ element: borrowing ElementView, _ time: Timestamp?) throws -> OpTime? {
        guard let document = element.document, let timestamp = try document.first(named: "ts")?.timestamp else {
            throw OplogFault.malformed("prevOpTime", time)
        }
        let term = try document.first(named: "t")?.integer ?? -1
        return timestamp.rawValue == 0 ? nil : OpTime(timestamp: timestamp, term: term)
    }
}
