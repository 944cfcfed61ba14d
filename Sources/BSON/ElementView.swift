import Bytes

/// One element of a document, borrowed: nothing is copied until an accessor that returns owned text is asked.
///
///     +------+----------+---+-------------+
///     | type | name     | 0 | value       |     bytes
///     +------+----------+---+-------------+
///     0      1              valueOffset
///
/// The bounds are checked when the view is made. Typed accessors return nil when the element has another type or its
/// value is malformed inside, so they never trap on bytes that nobody validated.
public struct ElementView: ~Escapable {
    /// The whole element: type byte, name with its zero, value.
    public let bytes: RawSpan
    @usableFromInline let valueOffset: Int
    /// The element's type.
    public let type: BSONType

    @inlinable
    @_lifetime(copy bytes)
    init(bytes: RawSpan, valueOffset: Int, type: BSONType) {
        self.bytes = bytes
        self.valueOffset = valueOffset
        self.type = type
    }

    /// The name's bytes without its zero. MongoDB does not promise UTF-8.
    @inlinable
    public var name: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(1..<(valueOffset - 1)) }
    }

    /// The value's bytes as stored.
    @inlinable
    public var value: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(valueOffset..<bytes.byteCount) }
    }

    /// The name as text; ill-formed UTF-8 is repaired, so compare `name` where exact bytes count.
    public var nameText: String { String(repairing: name) }

    /// Whether the name's bytes are those of `text`.
    @inlinable
    public func isNamed(_ text: StaticString) -> Bool { name.equals(text) }
}

/// Typed accessors: nil for another type.
extension ElementView {
    /// A double.
    public var double: Double? {
        type == .double ? Double(bitPattern: value.integer(at: 0, as: UInt64.self)) : nil
    }

    /// An int32.
    public var int32: Int32? { type == .int32 ? value.integer(at: 0, as: Int32.self) : nil }

    /// An int64.
    public var int64: Int64? { type == .int64 ? value.integer(at: 0, as: Int64.self) : nil }

    /// An int32, an int64, or a double that is a whole number: servers answer counts in any of these.
    public var integer: Int64? {
        switch type {
        case .int32: int32.map(Int64.init)
        case .int64: int64
        case .double: double.flatMap(Int64.init(exactly:))
        default: nil
        }
    }

    /// A bool; any stored byte but 0 is true.
    public var bool: Bool? { type == .bool ? value.byte(at: 0) != 0 : nil }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var date: Int64? { type == .date ? value.integer(at: 0, as: Int64.self) : nil }

    /// A timestamp.
    public var timestamp: Timestamp? {
        type == .timestamp ? Timestamp(rawValue: value.integer(at: 0, as: UInt64.self)) : nil
    }

    /// An object id.
    public var objectID: ObjectID? { type == .objectID ? ObjectID(value) : nil }

    /// The bytes of a string without length and zero; also of code and symbols.
    public var stringBytes: RawSpan? {
        @_lifetime(copy self)
        get {
            guard type == .string || type == .code || type == .symbol else { return nil }
            let value = value
            guard value.byte(at: value.byteCount - 1) == 0 else { return nil }
            return value.extracting(4..<(value.byteCount - 1))
        }
    }

    /// A string as text; nil also when it is not well-formed UTF-8, for a repaired copy would not be what is stored.
    public var string: String? {
        guard type == .string, let bytes = stringBytes else { return nil }
        return String(validating: bytes)
    }

    /// The embedded document or array, framing checked.
    public var document: DocumentView? {
        @_lifetime(copy self)
        get {
            guard type == .document || type == .array else { return nil }
            return DocumentView(ifFramed: value)
        }
    }

    /// The subtype of a binary value.
    public var binarySubtype: UInt8? { type == .binary ? value.byte(at: 4) : nil }

    /// The bytes of a binary value, without length and subtype.
    public var binary: RawSpan? {
        @_lifetime(copy self)
        get {
            guard type == .binary else { return nil }
            return value.extracting(5..<value.byteCount)
        }
    }
}
