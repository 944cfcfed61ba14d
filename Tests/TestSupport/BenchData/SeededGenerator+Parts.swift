/// What generated data needs beside random numbers: parts that can be made in any order, and draws whose result is the
/// same in every release of the standard library, whose own `random(in:)` promises no such thing.
extension SeededGenerator {
    /// A generator for one part of something bigger.
    init(seed: UInt64, part: UInt64) {
        self.init(seed: Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15 &* (part &+ 1)))
    }

    /// A number in `0 ..< bound`; `bound` is 1 to 2^32. Biased by less than 2^-32, which no test notices.
    mutating func below(_ bound: Int) -> Int {
        Int(((next() >> 32) &* UInt64(bound)) >> 32)
    }

    /// A number in `0 ..< bound`, small ones much likelier: what users, courses and words look like.
    mutating func skewed(below bound: Int) -> Int {
        let draw = next()
        let product = ((draw >> 32) &* (draw & 0xFFFF_FFFF)) >> 32
        return Int((product &* UInt64(bound)) >> 32)
    }

    /// Avalanches all bits of `value` into all bits of the result.
    static func mix(_ value: UInt64) -> UInt64 {
        var generator = SeededGenerator(seed: value &- 0x9E37_79B9_7F4A_7C15)
        return generator.next()
    }
}
