public import BSON
internal import Bytes

/// A command's whole reply, as the server sent it.
///
/// The bytes are lent to closures, so nothing is copied. One reply can be handed to `MongoClient.run(_:db:into:)`
/// again and again; its memory is then reused by the allocator. Confined to one thread, like the client that fills
/// it.
public final class Reply {
    let handle = BSONHandle()

    /// An empty reply, to be filled.
    public init() {}

    /// Lends the reply's bytes.
    public func withBytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
        try handle.withBytes(body)
    }

    /// Lends a view of the reply.
    ///
    /// - Throws: `.corrupt` when the reply is malformed, and what `body` throws.
    public func withView<Result>(_ body: (DocumentView) throws -> Result) throws -> Result {
        try handle.withBytes { bytes in try body(DocumentView(bytes)) }
    }

    /// A copy of the reply.
    public func document() throws -> BSONDocument {
        try handle.withBytes { bytes in try BSONDocument(copying: bytes) }
    }
}

extension DocumentView {
    /// The integer field `name` (any numeric type), or nil.
    func integer(_ name: String) throws -> Int? {
        try first(named: name)?.integer.map { Int($0) }
    }

    /// The string field `name`, or nil.
    func string(_ name: String) throws -> String? { try first(named: name)?.string }

    /// The bool field `name`; false when it is absent.
    func flag(_ name: String) throws -> Bool { try first(named: name)?.bool ?? false }

    /// The timestamp field `name`, or nil.
    func timestamp(_ name: String) throws -> Timestamp? { try first(named: name)?.timestamp }

    /// A copy of the document field `name`, or nil.
    func owned(_ name: String) throws -> BSONDocument? {
        guard let element = try first(named: name), let view = element.document else { return nil }
        return try BSONDocument(copying: view.bytes)
    }
}
