public import Bytes

/// From stored bytes to owned values.
extension BSONValue {
    /// The value of `element`, copied. Ill-formed UTF-8 in text is repaired: keep a `BSONDocument` where exact bytes
    /// count.
    ///
    /// - Throws: `.corrupt` when the value is malformed inside, which cannot be in a document that passed
    ///   `BSONValidator`;
    ///   `.limit` when it is nested deeper than `BSONValidator.depthMax`.
    public init(_ element: borrowing ElementView) throws(CairnError) {
        self = try BSONValue.decode(element, depth: BSONValidator.depthMax)
    }

    private static func decode(_ element: borrowing ElementView, depth: Int) throws(CairnError) -> BSONValue {
        let value = element.value
        switch element.type {
        case .double: return .double(Double(bitPattern: value.integer(at: 0, as: UInt64.self)))
        case .objectID: return .objectID(ObjectID(value))
        case .bool: return .bool(value.byte(at: 0) != 0)
        case .date: return .date(value.integer(at: 0, as: Int64.self))
        case .null: return .null
        case .undefined: return .undefined
        case .int32: return .int32(value.integer(at: 0, as: Int32.self))
        case .timestamp: return .timestamp(Timestamp(rawValue: value.integer(at: 0, as: UInt64.self)))
        case .int64: return .int64(value.integer(at: 0, as: Int64.self))
        case .decimal128: return .decimal128(value.integer(at: 0, as: UInt128.self))
        case .maxKey: return .maxKey
        case .minKey: return .minKey
        case .binary: return .binary(subtype: value.byte(at: 4), [UInt8](value.extracting(droppingFirst: 5)))
        case .document: return .document(try BSONDocument(copying: value))
        case .array: return .array(try decodeArray(value, depth: depth))
        case .string: return .string(try text(element))
        case .code: return .code(try text(element))
        case .symbol: return .symbol(try text(element))
        case .regex: return try decodeRegex(value)
        case .dbPointer: return try decodePointer(value)
        case .codeWithScope: return try decodeScope(value)
        }
    }

    private static func text(_ element: borrowing ElementView) throws(CairnError) -> String {
        guard let bytes = element.stringBytes else { throw Malformed.value(element.type) }
        return String(repairing: bytes)
    }

    private static func decodeArray(_ value: RawSpan, depth: Int) throws(CairnError) -> [BSONValue] {
        guard depth > 1 else { throw Malformed.depth(BSONValidator.depthMax, at: 0) }
        var values: [BSONValue] = []
        var elements = try DocumentView(value).makeElements()
        while let element = try elements.next() { values.append(try decode(element, depth: depth - 1)) }
        return values
    }

    private static func decodeRegex(_ value: RawSpan) throws(CairnError) -> BSONValue {
        let end = value.byteCount
        guard let first = ValueLayout.zero(in: value, from: 0, end: end),
            let second = ValueLayout.zero(in: value, from: first + 1, end: end), second == end - 1
        else { throw Malformed.value(.regex) }
        return .regex(
            pattern: String(repairing: value.extracting(0..<first)),
            options: String(repairing: value.extracting((first + 1)..<second)))
    }

    private static func decodePointer(_ value: RawSpan) throws(CairnError) -> BSONValue {
        let textEnd = value.byteCount - 13
        guard textEnd >= 4, value.byte(at: textEnd) == 0 else { throw Malformed.value(.dbPointer) }
        return .dbPointer(
            namespace: String(repairing: value.extracting(4..<textEnd)),
            ObjectID(value.extracting((textEnd + 1)..<value.byteCount)))
    }

    private static func decodeScope(_ value: RawSpan) throws(CairnError) -> BSONValue {
        let parts = try ScopedCode(value)
        return .codeWithScope(String(repairing: parts.code), try BSONDocument(copying: parts.scope))
    }
}
