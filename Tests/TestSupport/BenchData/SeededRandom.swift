/// A small, fast, repeatable generator (SplitMix64, Steele, Lea and Flood 2014): the same seed gives the same numbers on
/// every machine and in every release, which the standard library's generators do not promise.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A generator whose whole sequence follows from `seed`.
    public init(seed: UInt64) { state = seed }

    /// A generator for one part of something bigger, so that parts can be made in any order and on any thread.
    public init(seed: UInt64, part: UInt64) {
        state = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15 &* (part &+ 1))
    }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// A number in `0 ..< bound`; `bound` is 1 to 2^32. Biased by less than 2^-32, which no test notices.
    public mutating func below(_ bound: Int) -> Int {
        Int(((next() >> 32) &* UInt64(bound)) >> 32)
    }

    /// A number in `0 ..< bound`, small ones much likelier: what users, courses and words look like.
    public mutating func skewed(below bound: Int) -> Int {
        let draw = next()
        let product = ((draw >> 32) &* (draw & 0xFFFF_FFFF)) >> 32
        return Int((product &* UInt64(bound)) >> 32)
    }

    /// True about once in `times`.
    public mutating func once(in times: Int) -> Bool { below(times) == 0 }

    /// Avalanches all bits of `value` into all bits of the result.
    public static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
