/// 32 bytes that name something by its content: a SHA-256 or HMAC-SHA-256 value. Fixed-size and inline, so a table of
/// millions holds no heap object per entry.
public struct Digest256: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The bytes as four words in memory order; big-endian interpretation keeps `<` equal to the order of the bytes.
    public let words: (UInt64, UInt64, UInt64, UInt64)

    /// The number of bytes.
    public static let byteCount = 32

    /// Copies exactly 32 bytes.
    public init(_ span: RawSpan) {
        precondition(span.byteCount == Digest256.byteCount)
        words = (
            Digest256.word(span, 0), Digest256.word(span, 8), Digest256.word(span, 16), Digest256.word(span, 24)
        )
    }

    /// From big-endian words.
    @inlinable
    public init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// From 64 hexadecimal digits.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.decode(hex), bytes.count == Digest256.byteCount else { return nil }
        self.init(bytes.rawSpan)
    }

    private static func word(_ span: RawSpan, _ offset: Int) -> UInt64 {
        // Safe: the caller has checked that the span holds 32 bytes.
        UInt64(bigEndian: unsafe span.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(Digest256.byteCount)
        for word in [words.0, words.1, words.2, words.3] {
            for shift in stride(from: 56, through: 0, by: -8) {
                result.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return result
    }

    /// Appends the 32 bytes.
    public func append(to buffer: Buffer) {
        buffer.append(littleEndian: words.0.byteSwapped)
        buffer.append(littleEndian: words.1.byteSwapped)
        buffer.append(littleEndian: words.2.byteSwapped)
        buffer.append(littleEndian: words.3.byteSwapped)
    }

    /// 64 lowercase digits.
    public var hex: String { Hex.encode(bytes) }

    /// 64 lowercase digits.
    public var description: String { hex }

    /// Whether the bytes are equal.
    @inlinable
    public static func == (left: Digest256, right: Digest256) -> Bool { left.words == right.words }

    /// The order of the bytes.
    public static func < (left: Digest256, right: Digest256) -> Bool { left.words < right.words }

    /// A digest is uniform already: one word of it is hash enough.
    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
