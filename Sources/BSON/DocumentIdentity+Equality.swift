public import Bytes

extension DocumentIdentity {
    /// Feeds `hasher` so that identities which the server holds for one `_id` hash alike: numbers by value whatever
    /// their type, strings and symbols by their text. Others may hash alike, too. (A collation of the collection makes
    /// more of them one: this does not know it.)
    ///
    /// - Throws: `.corrupt` when they are not exactly one element named `_id`.
    public static func hashEquality(of identity: RawSpan, into hasher: inout Hasher) throws(CairnError) {
        try hash(element(of: identity), depth: 0, into: &hasher)
    }

    /// Deeper values count as equal, which costs nothing but a little order.
    private static let depthMax = 32

    private static func hash(
        _ element: borrowing ElementView, depth: Int, into hasher: inout Hasher
    ) throws(CairnError) {
        switch element.type {
        case .int32, .int64, .double, .decimal128:
            hasher.combine(UInt8(0))
            hasher.combine(BSONNumber(element).whole)
        case .string, .symbol:
            hasher.combine(UInt8(1))
            let value = element.value
            for offset in 4..<value.byteCount { hasher.combine(value.byte(at: offset)) }
        case .document, .array:
            hasher.combine(UInt8(2))
            guard depth < depthMax, let document = element.document else { return }
            var elements = document.makeElements()
            while let inner = try elements.next() { try hash(inner, depth: depth + 1, into: &hasher) }
        default:
            hasher.combine(element.type.rawValue)
            let value = element.value
            for offset in 0..<value.byteCount { hasher.combine(value.byte(at: offset)) }
        }
    }
}

extension BSONNumber {
    /// The value without its fraction; beyond the range of 64 bits its end, zero for NaN.
    fileprivate var whole: Int64 {
        switch self {
        case .integer(let value): value
        case .double(let value):
            value.isNaN ? 0 : value >= 0x1p63 ? .max : value < -0x1p63 ? .min : Int64(value.rounded(.towardZero))
        case .decimal(let value): value.whole
        }
    }
}

extension Decimal128 {
    fileprivate var whole: Int64 {
        if isNaN { return 0 }
        let beyond = isNegative ? Int64.min : .max
        if isInfinite { return beyond }
        var magnitude = coefficient
        if magnitude == 0 { return 0 }
        var power = exponent
        while power < 0, magnitude > 0 {
            magnitude /= 10
            power += 1
        }
        while power > 0 {
            guard magnitude <= UInt128(UInt64.max) else { return beyond }
            magnitude *= 10
            power -= 1
        }
        if isNegative { return magnitude >= 1 << 63 ? .min : -Int64(magnitude) }
        return magnitude >= 1 << 63 ? .max : Int64(magnitude)
    }
}
