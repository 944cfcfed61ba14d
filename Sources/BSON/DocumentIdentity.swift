public import Bytes

/// The identity of a document in a collection: its `_id`, as exact bytes.
///
/// Identity bytes are the whole `_id` element as stored, so that they can be borrowed without a copy:
///
///     +------+-------------+------------------+
///     | type | 5F 69 64 00 | value as stored  |
///     +------+-------------+------------------+
///
/// The name is the same in all of them, so comparing identity bytes compares type and value. Framed by a length and a
/// zero they are the document `{_id: value}` (`document(of:)`), which is how a leaf stores them.
public enum DocumentIdentity {
    /// `_id` and its zero, as a little-endian number.
    @usableFromInline static let nameWord: UInt32 = 0x0064_695F

    /// The first top-level element named `_id`, wherever it stands; an empty span when there is none.
    ///
    /// Servers and drivers put `_id` first, so the first element is tried alone before the document is walked.
    /// Documents of capped collections made without an `_id` index, of views and of the oplog may have it elsewhere
    /// or not at all.
    ///
    /// - Throws: `.corrupt` when the document's framing or an element up to the `_id` is malformed.
    @inlinable
    @_lifetime(copy document)
    public static func idBytes(of document: RawSpan) throws(CairnError) -> RawSpan {
        let count = document.byteCount
        guard DocumentView.isFramed(document) else { throw Malformed.framing(count) }
        if count >= 10, document.integer(at: 5, as: UInt32.self) == nameWord {
            let size = ValueLayout.byteCount(of: document.byte(at: 4), in: document, at: 9, end: count &- 1)
            guard size >= 0 else { throw Malformed.element(at: 4) }
            return document.extracting(4..<(9 &+ size))
        }
        return try searchIDBytes(of: document)
    }

    @usableFromInline
    @_lifetime(copy document)
    static func searchIDBytes(of document: RawSpan) throws(CairnError) -> RawSpan {
        var elements = try DocumentView(document).makeElements()
        while let element = try elements.next() {
            if element.name.byteCount == 3, element.bytes.integer(at: 1, as: UInt32.self) == nameWord {
                return element.bytes
            }
        }
        return document.extracting(first: 0)
    }

    /// The `_id` element that identity bytes hold, to look at its type and value.
    ///
    /// - Throws: `.corrupt` when they are not exactly one element named `_id`; also for empty ones.
    @_lifetime(copy identity)
    public static func element(of identity: RawSpan) throws(CairnError) -> ElementView {
        let count = identity.byteCount
        guard count >= 5, identity.integer(at: 1, as: UInt32.self) == nameWord,
            let type = BSONType(rawValue: identity.byte(at: 0)),
            ValueLayout.byteCount(of: type.rawValue, in: identity, at: 5, end: count) == count - 5
        else { throw Malformed.element(at: 0) }
        return ElementView(bytes: identity, valueOffset: 5, type: type)
    }

    /// The document `{_id: value}` made of identity bytes; the empty document for empty ones.
    public static func document(of identity: RawSpan) throws(CairnError) -> BSONDocument {
        var builder = DocumentBuilder()
        builder.append(elementBytes: identity)
        return try BSONDocument(validating: builder.finishBytes())
    }
}
