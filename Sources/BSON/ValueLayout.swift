public import Bytes

/// How many bytes the value of an element takes: the one place that knows the layout of every type for walking.
///
/// Walking needs only the size; what is inside a value is checked by `BSONValidator`, or by the typed accessors when
/// they read it.
public enum ValueLayout {
    /// The count of value bytes at `offset`, or -1 when the type is unknown or the value does not end at or before
    /// `end`.
    ///
    /// - Precondition: `0 <= offset <= end <= bytes.byteCount`.
    @inlinable
    @inline(__always)
    public static func byteCount(of type: UInt8, in bytes: RawSpan, at offset: Int, end: Int) -> Int {
        let count: Int
        switch type {
        case 0x07: count = 12
        case 0x10: count = 4
        case 0x01, 0x09, 0x11, 0x12: count = 8
        case 0x02: count = prefixedCount(in: bytes, at: offset, end: end, minimum: 1, extra: 4)
        default: count = uncommonByteCount(of: type, in: bytes, at: offset, end: end)
        }
        return count <= end &- offset ? count : -1
    }

    /// The types that ordinary `_id`s do not have: out of line, so that the fast path is worth inlining.
    @usableFromInline
    static func uncommonByteCount(of type: UInt8, in bytes: RawSpan, at offset: Int, end: Int) -> Int {
        switch type {
        case 0x06, 0x0A, 0x7F, 0xFF: return 0
        case 0x08: return 1
        case 0x13: return 16
        case 0x03, 0x04: return prefixedCount(in: bytes, at: offset, end: end, minimum: 5, extra: 0)
        case 0x05: return prefixedCount(in: bytes, at: offset, end: end, minimum: 0, extra: 5)
        case 0x0C: return prefixedCount(in: bytes, at: offset, end: end, minimum: 1, extra: 16)
        case 0x0D, 0x0E: return prefixedCount(in: bytes, at: offset, end: end, minimum: 1, extra: 4)
        case 0x0F: return prefixedCount(in: bytes, at: offset, end: end, minimum: 14, extra: 0)
        case 0x0B:
            guard let pattern = zero(in: bytes, from: offset, end: end),
                let options = zero(in: bytes, from: pattern + 1, end: end)
            else { return -1 }
            return options + 1 - offset
        default: return -1
        }
    }

    /// The count of a value that starts with an int32 length.
    @inlinable
    @inline(__always)
    static func prefixedCount(in bytes: RawSpan, at offset: Int, end: Int, minimum: Int, extra: Int) -> Int {
        guard end &- offset >= 4 else { return -1 }
        let length = Int(bytes.integer(at: offset, as: Int32.self))
        return length >= minimum ? length &+ extra : -1
    }

    /// The offset of the first zero byte in `from..<end`.
    @inlinable
    public static func zero(in bytes: RawSpan, from: Int, end: Int) -> Int? {
        var offset = from
        while offset <= end &- 8 {
            let word = bytes.integer(at: offset, as: UInt64.self)
            // The lowest set high bit marks the first zero byte; marks above it can be false.
            let zeros = (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
            if zeros != 0 { return offset &+ zeros.trailingZeroBitCount >> 3 }
            offset &+= 8
        }
        while offset < end {
            if bytes.byte(at: offset) == 0 { return offset }
            offset &+= 1
        }
        return nil
    }
}
