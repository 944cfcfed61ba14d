import Bytes

/// A collection's UUID as two machine words: a dictionary key that allocates nothing.
public struct UUIDKey: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64

    /// The key of 16 bytes; nil for another number of bytes.
    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount == 16 else { return nil }
        high = bytes.integer(at: 0, as: UInt64.self).byteSwapped
        low = bytes.integer(at: 8, as: UInt64.self).byteSwapped
    }

    /// The 16 bytes.
    public var bytes: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
    }
}
