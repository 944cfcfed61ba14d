/// A bounded little-endian reader over borrowed bytes: every read is checked against the end, and a short read throws
/// with the object's name and the offset. The only way that the parsers of on-disk structures touch bytes.
public struct ByteReader: ~Escapable {
    private let span: RawSpan
    /// The name that errors carry.
    public let object: String
    /// Bytes read so far.
    public private(set) var offset = 0

    /// Reads `span` from its first byte on.
    @_lifetime(copy span)
    public init(_ span: RawSpan, object: String) {
        self.span = span
        self.object = object
    }

    /// Bytes left.
    public var remaining: Int { span.byteCount - offset }

    /// The next integer, little-endian.
    @_lifetime(self: copy self)
    public mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(as type: Integer.Type) throws -> Integer
    {
        let width = MemoryLayout<Integer>.size
        try require(width)
        defer { offset += width }
        // Safe: `require` has checked that `width` bytes follow.
        return Integer(littleEndian: unsafe span.unsafeLoadUnaligned(fromByteOffset: offset, as: Integer.self))
    }

    /// The next `count` bytes, borrowed from the same memory.
    @_lifetime(copy self)
    public mutating func bytes(_ count: Int) throws -> RawSpan {
        try require(count)
        defer { offset += count }
        return span.extracting(offset..<(offset + count))
    }

    /// Fails unless the next bytes are exactly `expected`.
    @_lifetime(self: copy self)
    public mutating func expect(_ expected: [UInt8], _ what: String) throws {
        let start = offset
        let found = try bytes(expected.count)
        guard spansEqual(found, expected.rawSpan) else {
            throw CairnError(.corrupt, "this is not \(what)", object: object, offset: start)
        }
    }

    /// Fails unless everything was read.
    public func expectEnd() throws {
        guard remaining == 0 else {
            throw CairnError(
                .corrupt, "\(remaining) bytes follow where the structure ends", object: object, offset: offset)
        }
    }

    private func require(_ count: Int) throws {
        guard count >= 0, count <= remaining else {
            throw CairnError(
                .corrupt, "\(count) bytes are announced, \(remaining) are there: the object is truncated or damaged",
                object: object, offset: offset)
        }
    }
}
