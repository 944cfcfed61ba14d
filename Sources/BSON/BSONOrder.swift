public import Bytes

/// The server's order of values of all types: the order of an `_id` index without collation.
///
/// Types fall into brackets (`BSONType.bracket`); inside a bracket the rules are those of the server's
/// `compareElements` (src/mongo/bson/bsonelement.cpp): numbers of all types compare by exact value, strings by bytes,
/// binaries by length, then subtype, then bytes, documents element by element (bracket, name, value), arrays likewise
/// without names.
public enum BSONOrder {
    /// How the left side stands to the right.
    public enum Comparison: Int8, Sendable {
        /// Left comes first.
        case less = -1
        /// Neither does; for numbers of different types the bytes can differ.
        case equal = 0
        /// Right comes first.
        case greater = 1
    }

    /// Compares two `_id`s, given as `DocumentIdentity` bytes. A missing `_id` (empty bytes) comes before all others.
    ///
    /// - Throws: `.corrupt` when either is malformed, `.limit` when it is nested deeper than `BSONValidator.depthMax`.
    public static func compareIdentities(_ left: RawSpan, _ right: RawSpan) throws(CairnError) -> Comparison {
        guard !left.isEmpty, !right.isEmpty else { return order(left.byteCount, right.byteCount) }
        return try compare(DocumentIdentity.element(of: left), DocumentIdentity.element(of: right))
    }

    /// Compares the values of two elements; names do not count.
    ///
    /// - Throws: `.corrupt` when either is malformed inside, `.limit` when it is nested deeper than
    ///   `BSONValidator.depthMax`.
    public static func compare(
        _ left: borrowing ElementView, _ right: borrowing ElementView
    ) throws(CairnError) -> Comparison {
        try compare(left, right, depth: BSONValidator.depthMax)
    }

    private static func compare(
        _ left: borrowing ElementView, _ right: borrowing ElementView, depth: Int
    ) throws(CairnError) -> Comparison {
        guard left.type.bracket == right.type.bracket else { return order(left.type.bracket, right.type.bracket) }
        let (a, b) = (left.value, right.value)
        switch left.type {
        case .minKey, .maxKey, .null, .undefined: return .equal
        case .double, .int32, .int64, .decimal128: return BSONNumber(left).compare(BSONNumber(right))
        case .string, .symbol, .code: return compareBytes(try text(left), try text(right))
        case .document: return try compareDocuments(a, b, named: true, depth: depth)
        case .array: return try compareDocuments(a, b, named: false, depth: depth)
        case .binary:
            let counts = order(a.byteCount, b.byteCount)
            return counts == .equal ? compareBytes(a.extracting(4...), b.extracting(4...)) : counts
        case .objectID: return compareBytes(a, b)
        case .bool: return order(a.byte(at: 0), b.byte(at: 0))
        case .date: return order(a.integer(at: 0, as: Int64.self), b.integer(at: 0, as: Int64.self))
        case .timestamp: return order(a.integer(at: 0, as: UInt64.self), b.integer(at: 0, as: UInt64.self))
        // Two C strings: the zero between them sorts a shorter pattern first.
        case .regex: return compareBytes(a, b)
        case .dbPointer:
            let counts = order(a.byteCount, b.byteCount)
            return counts == .equal ? compareBytes(a.extracting(4...), b.extracting(4...)) : counts
        case .codeWithScope: return try compareScoped(a, b, depth: depth)
        }
    }

    @_lifetime(copy element)
    private static func text(_ element: borrowing ElementView) throws(CairnError) -> RawSpan {
        guard let bytes = element.stringBytes else { throw Malformed.value(element.type) }
        return bytes
    }

    private static func compareDocuments(
        _ left: RawSpan, _ right: RawSpan, named: Bool, depth: Int
    ) throws(CairnError) -> Comparison {
        guard depth > 1 else { throw Malformed.depth(BSONValidator.depthMax, at: 0) }
        var leftElements = try DocumentView(left).makeElements()
        var rightElements = try DocumentView(right).makeElements()
        while true {
            guard let a = try leftElements.next() else { return try rightElements.next() == nil ? .equal : .less }
            guard let b = try rightElements.next() else { return .greater }
            guard a.type.bracket == b.type.bracket else { return order(a.type.bracket, b.type.bracket) }
            if named {
                let names = compareBytes(a.name, b.name)
                guard names == .equal else { return names }
            }
            let values = try compare(a, b, depth: depth - 1)
            guard values == .equal else { return values }
        }
    }

    private static func compareScoped(_ left: RawSpan, _ right: RawSpan, depth: Int) throws(CairnError) -> Comparison {
        let a = try ScopedCode(left)
        let b = try ScopedCode(right)
        let codes = compareBytes(a.code, b.code)
        return codes == .equal ? try compareDocuments(a.scope, b.scope, named: true, depth: depth) : codes
    }

    static func order<Value: Comparable>(_ left: Value, _ right: Value) -> Comparison {
        left < right ? .less : left == right ? .equal : .greater
    }

    /// `memcmp` over the common length, then the shorter first.
    static func compareBytes(_ left: RawSpan, _ right: RawSpan) -> Comparison {
        let common = min(left.byteCount, right.byteCount)
        var offset = 0
        while offset <= common - 8 {
            let a = UInt64(bigEndian: left.integer(at: offset, as: UInt64.self).littleEndian)
            let b = UInt64(bigEndian: right.integer(at: offset, as: UInt64.self).littleEndian)
            if a != b { return a < b ? .less : .greater }
            offset += 8
        }
        while offset < common {
            let (a, b) = (left.byte(at: offset), right.byte(at: offset))
            if a != b { return a < b ? .less : .greater }
            offset += 1
        }
        return order(left.byteCount, right.byteCount)
    }
}

extension BSONType {
    /// The bracket that a type sorts in (`canonicalizeBSONType` in src/mongo/bson/bsontypes.h).
    public var bracket: Int {
        switch self {
        case .minKey: -1
        case .undefined: 0
        case .null: 5
        case .double, .int32, .int64, .decimal128: 10
        case .string, .symbol: 15
        case .document: 20
        case .array: 25
        case .binary: 30
        case .objectID: 35
        case .bool: 40
        case .date: 45
        case .timestamp: 47
        case .regex: 50
        case .dbPointer: 55
        case .code: 60
        case .codeWithScope: 65
        case .maxKey: 127
        }
    }
}
