public import Bytes

/// Walking many documents at once, the data path's hot loop: no allocation, copy or closure a document.
///
/// Both iterators check that each document's length lies inside and that it ends in zero, nothing more: what is
/// inside is the business of `DocumentIdentity` and `BSONValidator`.
public enum DocumentBatch {
    /// The documents of a BSON array of documents, such as `cursor.firstBatch` of a reply. Its keys are skipped unread.
    ///
    ///     var documents = try DocumentBatch.Array(batch)
    ///     while let document = try documents.next() { … }
    public struct Array: ~Escapable {
        @usableFromInline let bytes: RawSpan
        @usableFromInline var offset: Int

        /// Borrows an array value: int32 length, elements, zero.
        ///
        /// - Throws: `.corrupt` when the framing does not fit.
        @inlinable
        @_lifetime(copy array)
        public init(_ array: RawSpan) throws(CairnError) {
            guard DocumentView.isFramed(array) else { throw Malformed.framing(array.byteCount) }
            bytes = array
            offset = 4
        }

        /// The next document, or nil behind the last.
        ///
        /// - Throws: `.corrupt` with the offset in the array, also for an element that is not a document.
        @inlinable
        @_lifetime(copy self)
        public mutating func next() throws(CairnError) -> RawSpan? {
            let end = bytes.byteCount &- 1
            guard offset < end else { return nil }
            guard bytes.byte(at: offset) == BSONType.document.rawValue,
                let nameEnd = ValueLayout.zero(in: bytes, from: offset &+ 1, end: end)
            else { throw Malformed.batch(at: offset) }
            let start = nameEnd &+ 1
            let count = DocumentBatch.documentCount(in: bytes, at: start, end: end)
            guard count > 0 else { throw Malformed.batch(at: offset) }
            offset = start &+ count
            return bytes.extracting(start..<offset)
        }
    }

    /// The documents of a chunk: whole documents, one behind the other, nothing between.
    public struct Chunk: ~Escapable {
        @usableFromInline let bytes: RawSpan
        /// The offset in the chunk of the document that `next` returns.
        @usableFromInline var offset: Int

        /// Borrows a chunk; an empty one has no documents.
        @inlinable
        @_lifetime(copy chunk)
        public init(_ chunk: RawSpan) {
            bytes = chunk
            offset = 0
        }

        /// The next document, or nil behind the last.
        ///
        /// - Throws: `.corrupt` with the offset in the chunk.
        @inlinable
        @_lifetime(copy self)
        public mutating func next() throws(CairnError) -> RawSpan? {
            let end = bytes.byteCount
            guard offset < end else { return nil }
            let count = DocumentBatch.documentCount(in: bytes, at: offset, end: end)
            guard count > 0 else { throw Malformed.batch(at: offset) }
            let start = offset
            offset = start &+ count
            return bytes.extracting(start..<offset)
        }
    }

    /// Calls `body` with every document of a chunk, in order.
    ///
    /// - Throws: `.corrupt` with the offset in the chunk, or what `body` throws.
    @inlinable
    public static func forEachDocument(inChunk chunk: RawSpan, _ body: (RawSpan) throws -> Void) throws {
        var documents = Chunk(chunk)
        while let document = try documents.next() { try body(document) }
    }

    /// Calls `body` with every document of an array value, in order.
    ///
    /// - Throws: `.corrupt` with the offset in the array, or what `body` throws.
    @inlinable
    public static func forEachDocument(inArray array: RawSpan, _ body: (RawSpan) throws -> Void) throws {
        var documents = try Array(array)
        while let document = try documents.next() { try body(document) }
    }

    /// The length of the document at `offset`, or -1 when it does not end, in a zero, at or before `end`.
    @inlinable
    @inline(__always)
    static func documentCount(in bytes: RawSpan, at offset: Int, end: Int) -> Int {
        guard end &- offset >= 5 else { return -1 }
        let count = Int(bytes.integer(at: offset, as: Int32.self))
        guard count >= 5, count <= end &- offset, bytes.byte(at: offset &+ count &- 1) == 0 else { return -1 }
        return count
    }
}
