/// The names of an array's elements as servers and drivers write them: "0", "1", …, with their zero.
enum IndexName {
    /// Beyond, names are kept as any others: no array of a document has more elements.
    static let max = 1 << 24

    /// The decimal digits of `index` and a zero behind them, first digit in the lowest byte.
    @inline(__always)
    static func text(_ index: Int) -> (bytes: UInt64, count: Int) {
        if index < 10 { return (0x30 + UInt64(index), 2) }
        if index < 100 { return (0x3030 + UInt64(index / 10) + UInt64(index % 10) << 8, 3) }
        return long(index)
    }

    @inline(never)
    private static func long(_ index: Int) -> (bytes: UInt64, count: Int) {
        var rest = index
        var bytes: UInt64 = 0
        var count = 1
        while rest > 0 {
            bytes = bytes << 8 | UInt64(0x30 + rest % 10)
            rest /= 10
            count += 1
        }
        return (bytes, count)
    }
}
