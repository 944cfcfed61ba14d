/// 16 random bytes that name an object. Random, because nothing that a repository stores may depend on host names,
/// process ids or clocks; 128 bits, so that no two writers ever have to talk to each other to stay apart.
public struct RandomID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The bytes as two big-endian words.
    public let words: (UInt64, UInt64)

    /// The number of bytes.
    public static let byteCount = 16

    /// Copies exactly 16 bytes.
    public init(_ span: RawSpan) {
        precondition(span.byteCount == RandomID.byteCount)
        // Safe: the span holds 16 bytes.
        words = (
            UInt64(bigEndian: unsafe span.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            UInt64(bigEndian: unsafe span.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
    }

    /// From 32 hexadecimal digits.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.decode(hex), bytes.count == RandomID.byteCount else { return nil }
        self.init(bytes.rawSpan)
    }

    /// A fresh identifier from the operating system's randomness.
    public static func random() -> RandomID {
        let bytes = SecureRandom.bytes(byteCount)
        return RandomID(bytes.rawSpan)
    }

    /// The 16 bytes.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        for word in [words.0, words.1] {
            for shift in stride(from: 56, through: 0, by: -8) {
                result.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return result
    }

    /// 32 lowercase digits.
    public var hex: String { Hex.encode(bytes) }

    /// 32 lowercase digits.
    public var description: String { hex }

    /// Whether the bytes are equal.
    public static func == (left: RandomID, right: RandomID) -> Bool { left.words == right.words }

    /// The order of the bytes.
    public static func < (left: RandomID, right: RandomID) -> Bool { left.words < right.words }

    /// Random already: one word of it is hash enough.
    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
