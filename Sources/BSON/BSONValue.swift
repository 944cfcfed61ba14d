/// One BSON value, owned: for metadata, commands and messages, never for the data path (`DocumentView` is).
///
/// Equality is that of the stored form, texts byte by byte, except that doubles compare as numbers (`0.0 == -0.0`, NaN
/// is unequal to itself).
public enum BSONValue: Sendable, Hashable {
    /// IEEE 754 binary64.
    case double(Double)
    /// UTF-8 text.
    case string(String)
    /// An embedded document.
    case document(BSONDocument)
    /// The elements of an array; its keys are not kept (they are "0", "1", … in all well-formed arrays).
    case array([BSONValue])
    /// Bytes with a subtype. For subtype 2 the bytes include the inner length, as stored.
    case binary(subtype: UInt8, [UInt8])
    /// Deprecated.
    case undefined
    /// 12 bytes.
    case objectID(ObjectID)
    /// True or false.
    case bool(Bool)
    /// Milliseconds since 1970-01-01T00:00:00Z.
    case date(Int64)
    /// Null.
    case null
    /// A regular expression; options in stored order.
    case regex(pattern: String, options: String)
    /// Deprecated: a namespace and an object id.
    case dbPointer(namespace: String, ObjectID)
    /// JavaScript.
    case code(String)
    /// Deprecated.
    case symbol(String)
    /// Deprecated: JavaScript with a document of variables.
    case codeWithScope(String, BSONDocument)
    /// 32 bits, signed.
    case int32(Int32)
    /// An oplog position or cluster time.
    case timestamp(Timestamp)
    /// 64 bits, signed.
    case int64(Int64)
    /// The 16 stored bytes as a little-endian number: binary integer significand encoding.
    case decimal128(UInt128)
    /// Greater than every other value.
    case maxKey
    /// Less than every other value.
    case minKey

    /// The type byte that this value is stored with.
    public var type: BSONType {
        switch self {
        case .double: .double
        case .string: .string
        case .document: .document
        case .array: .array
        case .binary: .binary
        case .undefined: .undefined
        case .objectID: .objectID
        case .bool: .bool
        case .date: .date
        case .null: .null
        case .regex: .regex
        case .dbPointer: .dbPointer
        case .code: .code
        case .symbol: .symbol
        case .codeWithScope: .codeWithScope
        case .int32: .int32
        case .timestamp: .timestamp
        case .int64: .int64
        case .decimal128: .decimal128
        case .maxKey: .maxKey
        case .minKey: .minKey
        }
    }

    /// An integer in the smallest form that holds it, as the shell and drivers store it.
    public init(_ integer: Int) {
        if let small = Int32(exactly: integer) {
            self = .int32(small)
        } else {
            self = .int64(Int64(integer))
        }
    }
}

extension BSONValue: ExpressibleByStringInterpolation {
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
}

extension BSONValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral {
    /// An int32 where the literal fits, otherwise an int64.
    public init(integerLiteral value: Int) { self.init(value) }
    /// A double.
    public init(floatLiteral value: Double) { self = .double(value) }
    /// A bool.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension BSONValue: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    /// An array.
    public init(arrayLiteral elements: BSONValue...) { self = .array(elements) }
    /// A document, in the order written.
    public init(dictionaryLiteral elements: (String, BSONValue)...) { self = .document(BSONDocument(elements)) }
}
