public import Bytes

/// A BSON document or array, borrowed, with its framing checked: the stated length is the span's, and it ends in zero.
///
/// What is between is checked element by element while it is walked: a malformed element is thrown, never read past
/// the end.
public struct DocumentView: ~Escapable {
    /// The whole document, its length and final zero included.
    public let bytes: RawSpan

    /// Borrows `bytes`, which must be exactly one document.
    ///
    /// - Throws: `.corrupt` when length or terminator do not fit.
    @inlinable
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(CairnError) {
        guard DocumentView.isFramed(bytes) else { throw Malformed.framing(bytes.byteCount) }
        self.bytes = bytes
    }

    @_lifetime(copy bytes)
    init?(ifFramed bytes: RawSpan) {
        guard DocumentView.isFramed(bytes) else { return nil }
        self.bytes = bytes
    }

    /// Whether length and terminator fit.
    @inlinable
    static func isFramed(_ bytes: RawSpan) -> Bool {
        let count = bytes.byteCount
        return count >= 5 && Int(bytes.integer(at: 0, as: Int32.self)) == count && bytes.byte(at: count - 1) == 0
    }

    /// Whether the document has no element.
    @inlinable
    public var isEmpty: Bool { bytes.byteCount == 5 }

    /// An iterator at the first element. Iterate with `while let element = try elements.next()`.
    @inlinable
    @_lifetime(copy self)
    public func makeElements() -> Elements { Elements(bytes) }

    /// The first element of that name, or nil.
    ///
    /// - Throws: `.corrupt` for a malformed element before it.
    @_lifetime(copy self)
    public func first(named name: String) throws(CairnError) -> ElementView? {
        var elements = makeElements()
        while let element = try elements.next() {
            if element.name.equals(name) { return element }
        }
        return nil
    }

    /// The elements in stored order; duplicates and empty names are kept.
    public struct Elements: ~Escapable {
        @usableFromInline let bytes: RawSpan
        /// The offset in the document of the element that `next` returns.
        @usableFromInline var offset: Int

        @inlinable
        @_lifetime(copy bytes)
        init(_ bytes: RawSpan) {
            self.bytes = bytes
            offset = 4
        }

        /// The next element, or nil behind the last.
        ///
        /// - Throws: `.corrupt` with the offset in the document; the iterator then stays where it is.
        @inlinable
        @_lifetime(copy self)
        public mutating func next() throws(CairnError) -> ElementView? {
            let end = bytes.byteCount &- 1
            guard offset < end else { return nil }
            let rawType = bytes.byte(at: offset)
            guard let type = BSONType(rawValue: rawType),
                let nameEnd = ValueLayout.zero(in: bytes, from: offset &+ 1, end: end)
            else { throw Malformed.element(at: offset) }
            let valueOffset = nameEnd &+ 1
            let count = ValueLayout.byteCount(of: rawType, in: bytes, at: valueOffset, end: end)
            guard count >= 0 else { throw Malformed.element(at: offset) }
            let start = offset
            offset = valueOffset &+ count
            return ElementView(bytes: bytes.extracting(start..<offset), valueOffset: valueOffset &- start, type: type)
        }
    }
}
