/// The type byte of a BSON element (bsonspec.org, version 1.1), deprecated types included: archives outlive them.
public enum BSONType: UInt8, Sendable, Hashable, CaseIterable {
    /// IEEE 754 binary64.
    case double = 0x01
    /// UTF-8 with an explicit length and a trailing zero.
    case string = 0x02
    /// An embedded document.
    case document = 0x03
    /// An embedded document whose keys are "0", "1", ….
    case array = 0x04
    /// Bytes with a subtype.
    case binary = 0x05
    /// Deprecated; no value bytes.
    case undefined = 0x06
    /// 12 bytes.
    case objectID = 0x07
    /// One byte, 0 or 1.
    case bool = 0x08
    /// Milliseconds since 1970-01-01T00:00:00Z, signed.
    case date = 0x09
    /// No value bytes.
    case null = 0x0A
    /// Two C strings: pattern and options.
    case regex = 0x0B
    /// Deprecated: a namespace and an object id.
    case dbPointer = 0x0C
    /// JavaScript, laid out as a string.
    case code = 0x0D
    /// Deprecated: laid out as a string.
    case symbol = 0x0E
    /// Deprecated: JavaScript with a document of variables.
    case codeWithScope = 0x0F
    /// 32 bits, signed.
    case int32 = 0x10
    /// MongoDB's internal timestamp: increment, then seconds.
    case timestamp = 0x11
    /// 64 bits, signed.
    case int64 = 0x12
    /// IEEE 754-2008 decimal128, binary integer significand.
    case decimal128 = 0x13
    /// Greater than every other value; no value bytes.
    case maxKey = 0x7F
    /// Less than every other value; no value bytes.
    case minKey = 0xFF
}
