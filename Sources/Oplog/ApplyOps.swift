import BSON
import Bytes

/// The command `applyOps`: how the oplog holds several operations in one entry. Transactions, batched inserts and
/// deletes, and the user's command of that name have this form.
struct ApplyOps: ~Escapable {
    /// How deep one may stand in another; the server's own bound (`repl/apply_ops.h`, maxApplyOpsDepth).
    static let depthMax = 10

    /// The operations: a BSON array value of entries without time.
    let operations: RawSpan
    /// More entries of the same transaction follow.
    let isPartial: Bool
    /// The transaction is prepared: a `commitTransaction` or `abortTransaction` decides.
    let isPrepare: Bool

    /// Reads the command in `entry`; nil when it is another.
    ///
    /// - Throws: `.unsupportedFormat` naming a field that is not known; `.corrupt` for a malformed one.
    @_lifetime(copy entry)
    init?(_ entry: OplogEntry) throws {
        guard entry.kind == .command else { return nil }
        var elements = try DocumentView(entry.object).makeElements()
        guard let first = try elements.next(), first.isNamed("applyOps") else { return nil }
        guard first.type == .array else { throw OplogFault.malformed("applyOps", entry.timestamp) }
        operations = first.value
        var partial = false
        var prepare = false
        while let element = try elements.next() {
            if element.isNamed("partialTxn") {
                partial = element.bool ?? false
            } else if element.isNamed("prepare") {
                prepare = element.bool ?? false
            } else if !Self.isPassedOver(element) {
                let what = "field \"\(element.nameText)\" in applyOps"
                throw OplogFault.unknown(what, entry.timestamp, entry.namespaceText)
            }
        }
        isPartial = partial
        isPrepare = prepare
    }

    /// The number of operations, and what the server notes of a user's command.
    private static func isPassedOver(_ element: borrowing ElementView) -> Bool {
        element.isNamed("count") || element.isNamed("lsid") || element.isNamed("$db")
            || element.isNamed("$clusterTime") || element.isNamed("allowAtomic") || element.isNamed("writeConcern")
            || element.isNamed("txnNumber") || element.isNamed("ts")
    }
}

extension OplogEntry {
    /// Calls `body` with the entry, or, when it is an `applyOps`, with each operation inside, in order and however
    /// deep; noops are left out. It is not asked whether a transaction that the entry is part of was committed.
    ///
    /// - Throws: `.limit` beyond the server's depth; errors of parsing; what `body` throws.
    public func forEachOperation(_ body: (borrowing OplogEntry) throws -> Void) throws {
        try forEachOperation(depth: 0, body)
    }

    private func forEachOperation(depth: Int, _ body: (borrowing OplogEntry) throws -> Void) throws {
        guard kind != .noop else { return }
        guard let group = try ApplyOps(self) else { return try body(self) }
        guard depth < ApplyOps.depthMax else {
            throw CairnError(
                .limit,
                "applyOps at \(timestamp) is nested deeper than \(ApplyOps.depthMax) levels, which no server accepts",
                object: namespaceText)
        }
        var operations = try DocumentBatch.Array(group.operations)
        while let bytes = try operations.next() {
            let operation = try OplogEntry(inner: bytes, of: opTime)
            try operation.forEachOperation(depth: depth + 1, body)
        }
    }

    /// Calls `body` with every insert, update and delete in the entry, whatever becomes of the transaction it may be
    /// part of: for the set of documents that may have changed.
    ///
    /// A replacement may change the number type of an `_id`, from 1 to 1.0 or inside a document, as the two are equal
    /// to the server; of updates with operators it refuses that. It is two changes: of the identity that was there,
    /// and, as an insert, of the one that was not.
    ///
    /// - Throws: `.unsupportedFormat` for what is not known, `.corrupt` for what is malformed; what `body` throws.
    public func forEachChange(_ body: (borrowing Change) throws -> Void) throws {
        try forEachOperation { operation in
            guard operation.kind != .command else { return }
            let identity = try operation.identity
            try body(Change(operation, operation.kind, identity))
            guard operation.kind == .update else { return }
            let own = try UpdateApplier.writtenIdentity(operation.object)
            if own.byteCount > 0, !spansEqual(own, identity) { try body(Change(operation, .insert, own)) }
        }
    }
}

/// One document that an entry inserts, updates or deletes.
public struct Change: ~Escapable {
    /// Insert, update or delete; insert only where no document with this identity was there before.
    public let kind: OplogEntry.Kind
    /// The collection; nil in entries that name it by `namespace` alone.
    public let uuid: UUIDKey?
    /// `db.collection`.
    public let namespace: RawSpan
    /// The document's identity, as `DocumentIdentity.idBytes` gives it.
    public let identity: RawSpan

    @_lifetime(copy entry, copy identity)
    init(_ entry: OplogEntry, _ kind: OplogEntry.Kind, _ identity: RawSpan) {
        self.kind = kind
        uuid = entry.uuid
        namespace = entry.namespace
        self.identity = identity
    }
}
