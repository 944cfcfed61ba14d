internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// A collection of the target that operations go to, whatever it was called when they were written: they name it by
/// UUID.
struct ReplayTarget: Sendable {
    /// Where its documents are (`system.buckets.X` for a time series).
    let namespace: Namespace
    /// The order of its documents is data (capped): one thread, one document after the other.
    let isOrdered: Bool
    /// It has a collation, by which different texts may be one `_id`: one thread, one after the other.
    let isCollated: Bool

    /// Whether the order of operations on different `_id`s counts for this one.
    func isSerial(_ operation: ReplayOperation) -> Bool {
        if isOrdered { return true }
        guard isCollated, let type = operation.identity.first.flatMap(BSONType.init) else { return false }
        return type == .string || type == .symbol || type == .document || type == .array
    }

    init(_ info: CollectionInfo) {
        namespace = info.dataNamespace
        isOrdered = info.isCapped
        isCollated = info.hasCollation
    }
}

/// One insert, update or delete, copied out of the oplog.
struct ReplayOperation: Sendable {
    /// The number of its target.
    let target: Int
    let kind: OplogEntry.Kind
    /// The `_id`.
    let identity: [UInt8]
    /// Equal for `_id`s that the server holds for one.
    let hash: Int
    /// The document or the update; empty for a delete.
    let payload: [UInt8]
    /// When it took effect, for messages.
    let time: Timestamp

    var byteCount: Int { identity.count + payload.count + 64 }

    init(_ operation: borrowing Operation, target: Int) throws {
        try Self.requireReplayable(operation)
        let identity = try operation.entry.identity
        var hasher = Hasher()
        try DocumentIdentity.hashEquality(of: identity, into: &hasher)
        self.target = target
        self.identity = [UInt8](identity)
        hash = hasher.finalize()
        kind = operation.kind
        payload = kind == .delete ? [] : [UInt8](operation.entry.object)
        time = operation.time
    }

    /// What commands do to collections is in the collections' definitions already; only one empties documents. A write
    /// must name a document that a server finds: `IdentityReader.canFind`.
    ///
    /// - Throws: `.unsupportedFormat` for an operation that can only be folded.
    static func requireReplayable(_ operation: borrowing Operation) throws {
        let fault: String
        if operation.kind == .command {
            guard try operation.command == "emptycapped" else { return }
            fault = "is the command emptycapped"
        } else {
            let identity = try operation.entry.identity
            if !identity.isEmpty, IdentityReader.canFind(identity) { return }
            fault =
                identity.isEmpty
                ? "names no _id"
                : "is on a document whose _id has a DBPointer with a zero byte, by which servers do not find it"
        }
        throw CairnError(
            .unsupportedFormat,
            "the operation at \(operation.time) \(fault), so it cannot be replayed on a server: restore without "
                + "--replay server, or leave the collection out (--ns-exclude)", object: operation.entry.namespaceText)
    }
}
