import BSON
import Bytes

/// Unsigned integers of seven bits a byte, the lowest first; the high bit says that more follow (LEB128).
extension Buffer {
    func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(littleEndian: UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(littleEndian: UInt8(rest))
    }
}

/// Reads what an encoder wrote in front; every read says whether it was there.
struct VarintReader: ~Escapable {
    private let bytes: RawSpan
    private(set) var offset = 0

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.byteCount }

    mutating func byte() throws(ColumnarFault) -> UInt8 {
        guard offset < bytes.byteCount else { throw ColumnarFault.truncated }
        offset += 1
        return bytes.byte(at: offset - 1)
    }

    mutating func integer() throws(ColumnarFault) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            guard shift < 63 || next <= 1 else { throw ColumnarFault.malformed("an integer of more than 64 bits") }
            value |= UInt64(next & 0x7F) << shift
            if next < 0x80 { return value }
            shift += 7
        }
    }

    /// A count of at most `maximum`.
    mutating func count(upTo maximum: Int) throws(ColumnarFault) -> Int {
        let value = try integer()
        guard value <= UInt64(maximum) else { throw ColumnarFault.malformed("a count beyond its bound") }
        return Int(value)
    }

    /// The next `count` bytes.
    @_lifetime(copy self)
    mutating func bytes(_ count: Int) throws(ColumnarFault) -> RawSpan {
        guard count <= bytes.byteCount - offset else { throw ColumnarFault.truncated }
        offset += count
        return bytes.extracting((offset - count)..<offset)
    }

    /// A type, a name and the zero behind it.
    @_lifetime(copy self)
    mutating func header() throws(ColumnarFault) -> RawSpan {
        guard offset < bytes.byteCount,
            let zero = ValueLayout.zero(in: bytes, from: offset + 1, end: bytes.byteCount)
        else { throw ColumnarFault.truncated }
        return try bytes(zero + 1 - offset)
    }
}

/// Why bytes are not a chunk in columns. The caller knows the object's name and throws its own error.
enum ColumnarFault: Error {
    case truncated
    case malformed(StaticString)
}
