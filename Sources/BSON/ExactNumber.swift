/// A number as sign, significand and powers of two and ten: what all BSON numbers are exactly, and so can be compared
/// without rounding.
///
/// Slow on purpose: only comparisons with a decimal128 come here.
struct ExactNumber {
    /// NaN sorts below everything, infinities at the ends.
    private enum Kind { case nan, finite, infinite }

    private let kind: Kind
    private let isNegative: Bool
    /// Zero for both zeros.
    private let significand: UInt128
    private let powerOfTwo: Int
    private let powerOfTen: Int

    init(_ number: BSONNumber) {
        switch number {
        case .integer(let value):
            self.init(.finite, value < 0, UInt128(value.magnitude))
        case .double(let value):
            self.init(value)
        case .decimal(let value):
            let kind: Kind = value.isNaN ? .nan : value.isInfinite ? .infinite : .finite
            let finite = kind == .finite
            self.init(kind, value.isNegative, finite ? value.coefficient : 0, powerOfTen: finite ? value.exponent : 0)
        }
    }

    private init(_ value: Double) {
        guard value.isFinite else {
            self.init(value.isNaN ? .nan : .infinite, value.sign == .minus, 0)
            return
        }
        // Subnormal numbers have the exponent of the least normal one, and no implied bit.
        let implied: UInt64 = value.exponentBitPattern == 0 ? 0 : 1 << 52
        let exponent = max(1, Int(value.exponentBitPattern)) - 1075
        self.init(.finite, value.sign == .minus, UInt128(value.significandBitPattern | implied), powerOfTwo: exponent)
    }

    private init(_ kind: Kind, _ isNegative: Bool, _ significand: UInt128, powerOfTwo: Int = 0, powerOfTen: Int = 0) {
        self.kind = kind
        self.isNegative = isNegative
        self.significand = significand
        self.powerOfTwo = powerOfTwo
        self.powerOfTen = powerOfTen
    }

    func compare(_ other: ExactNumber) -> BSONOrder.Comparison {
        guard rank == other.rank else { return BSONOrder.order(rank, other.rank) }
        // Equal ranks other than ±1 are the same value.
        guard abs(rank) == 1 else { return .equal }
        let magnitudes = compareMagnitude(other)
        return isNegative ? magnitudes.reversed : magnitudes
    }

    /// NaN -3, negative infinity -2, negative -1, zero 0, positive 1, infinity 2.
    private var rank: Int {
        switch kind {
        case .nan: -3
        case .infinite: isNegative ? -2 : 2
        case .finite: significand == 0 ? 0 : isNegative ? -1 : 1
        }
    }

    /// Rough bounds first: with them the exact integers stay below 4,000 bits, whatever the exponents.
    private func compareMagnitude(_ other: ExactNumber) -> BSONOrder.Comparison {
        let difference = logarithm - other.logarithm
        if abs(difference) > 1 { return difference < 0 ? .less : .greater }
        let two = min(powerOfTwo + powerOfTen, other.powerOfTwo + other.powerOfTen)
        let five = min(powerOfTen, other.powerOfTen)
        return integer(overTwo: two, overFive: five).compare(other.integer(overTwo: two, overFive: five))
    }

    /// The base-10 logarithm of the magnitude, good to much less than 1.
    private var logarithm: Double {
        let bits = Double(128 - significand.leadingZeroBitCount)
        return (bits + Double(powerOfTwo)) * 0.301_029_995_663_981_2 + Double(powerOfTen)
    }

    /// The magnitude divided by powers of 2 and 5 that leave it whole.
    private func integer(overTwo: Int, overFive: Int) -> Natural {
        var value = Natural(significand)
        for _ in 0..<(powerOfTen - overFive) { value.multiply(by: 5) }
        value.shiftLeft(powerOfTwo + powerOfTen - overTwo)
        return value
    }
}

/// A natural number of any size, little-endian words without leading zeros.
private struct Natural {
    private var words: [UInt32]

    init(_ value: UInt128) {
        words = (0..<4).map { UInt32(truncatingIfNeeded: value >> UInt128(32 * $0)) }
        while words.last == 0 { words.removeLast() }
    }

    mutating func multiply(by factor: UInt32) {
        var carry: UInt64 = 0
        for index in words.indices {
            let product = UInt64(words[index]) * UInt64(factor) + carry
            words[index] = UInt32(truncatingIfNeeded: product)
            carry = product >> 32
        }
        if carry != 0 { words.append(UInt32(carry)) }
    }

    mutating func shiftLeft(_ bits: Int) {
        multiply(by: 1 << UInt32(bits % 32))
        words.insert(contentsOf: repeatElement(0, count: bits / 32), at: 0)
    }

    func compare(_ other: Natural) -> BSONOrder.Comparison {
        guard words.count == other.words.count else { return BSONOrder.order(words.count, other.words.count) }
        for (a, b) in zip(words.reversed(), other.words.reversed()) where a != b { return a < b ? .less : .greater }
        return .equal
    }
}
