import Bytes

/// A BSON number of any type, compared by exact value as the server does: 2^53 + 1 as int64 is greater than 2^53 as
/// double.
enum BSONNumber {
    /// int32 and int64.
    case integer(Int64)
    /// double.
    case double(Double)
    /// decimal128.
    case decimal(Decimal128)

    /// - Precondition: the element is a number.
    init(_ element: borrowing ElementView) {
        if let value = element.double {
            self = .double(value)
        } else if let value = element.integer {
            self = .integer(value)
        } else {
            self = .decimal(Decimal128(bits: element.value.integer(at: 0, as: UInt128.self)))
        }
    }

    /// NaN of any type is equal to NaN, and less than all other numbers; the zeros are equal.
    func compare(_ other: BSONNumber) -> BSONOrder.Comparison {
        switch (self, other) {
        case (.integer(let a), .integer(let b)): BSONOrder.order(a, b)
        case (.double(let a), .double(let b)): BSONNumber.compare(a, b)
        case (.integer(let a), .double(let b)): BSONNumber.compare(a, b)
        case (.double(let a), .integer(let b)): BSONNumber.compare(b, a).reversed
        default: ExactNumber(self).compare(ExactNumber(other))
        }
    }

    private static func compare(_ a: Double, _ b: Double) -> BSONOrder.Comparison {
        if a.isNaN || b.isNaN { return BSONOrder.order(a.isNaN ? 0 : 1, b.isNaN ? 0 : 1) }
        return BSONOrder.order(a, b)
    }

    private static func compare(_ a: Int64, _ b: Double) -> BSONOrder.Comparison {
        if b.isNaN { return .greater }
        if b >= 0x1p63 { return .less }
        if b < -0x1p63 { return .greater }
        let whole = b.rounded(.towardZero)
        let integers = BSONOrder.order(a, Int64(whole))
        return integers == .equal ? BSONOrder.order(whole, b) : integers
    }
}

extension BSONOrder.Comparison {
    /// The comparison of the same two, sides swapped.
    var reversed: BSONOrder.Comparison {
        switch self {
        case .less: .greater
        case .equal: .equal
        case .greater: .less
        }
    }
}

/// The fields of an IEEE 754-2008 decimal128 in binary integer significand encoding.
struct Decimal128 {
    /// Sign, exponent and coefficient as stored.
    let bits: UInt128

    private static let bias = 6176
    /// 10^34 - 1; greater coefficients are not canonical and count as zero.
    private static let coefficientMax = UInt128(100_000_000_000_000_000) * 100_000_000_000_000_000 - 1

    var isNegative: Bool { bits >> 127 != 0 }
    var isNaN: Bool { bits >> 122 & 0x1F == 0x1F }
    var isInfinite: Bool { bits >> 122 & 0x1F == 0x1E }
    /// The power of ten of a finite number.
    var exponent: Int { Int(bits >> 113 & 0x3FFF) - Decimal128.bias }

    /// The significand of a finite number, below 10^34. The encoding with an implied leading 0b100 always exceeds it,
    /// so it is zero.
    var coefficient: UInt128 {
        guard bits >> 125 & 3 != 3 else { return 0 }
        let value = bits & (UInt128(1) << 113 - 1)
        return value <= Decimal128.coefficientMax ? value : 0
    }
}
