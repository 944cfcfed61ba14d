/// Which bytes belong to words, of eight at once: the high bit of each byte is the answer. format-spec.md §6.6.
enum WordBytes {
    private static let highBits: UInt64 = 0x8080_8080_8080_8080
    private static let others: UInt64 = ~highBits

    /// Letters, digits and all beyond ASCII.
    ///
    /// A sum carries into the high bit from the first byte of a range on; bytes beyond ASCII have it anyway.
    @inline(__always)
    static func mask(_ bytes: UInt64) -> UInt64 {
        let low = bytes & others
        let letters = low | 0x2020_2020_2020_2020
        let isLetter = (letters &+ 0x1F1F_1F1F_1F1F_1F1F) & ~(letters &+ 0x0505_0505_0505_0505)
        let isDigit = (low &+ 0x5050_5050_5050_5050) & ~(low &+ 0x4646_4646_4646_4646)
        return (bytes | isLetter | isDigit) & highBits
    }

    @inline(__always)
    static func spaces(_ bytes: UInt64) -> UInt64 {
        let other = bytes ^ 0x2020_2020_2020_2020
        return ~((other & others) &+ others | other) & highBits
    }

    @inline(__always)
    static func contains(_ byte: UInt8) -> Bool {
        byte >= 0x80 || (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10
    }
}
