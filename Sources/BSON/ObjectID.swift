import Bytes

/// The 12 bytes of a BSON ObjectId, in stored order: comparing them as bytes is the server's order.
public struct ObjectID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Stored bytes 0 to 7, read as a big-endian number.
    let high: UInt64
    /// Stored bytes 8 to 11, read as a big-endian number.
    let low: UInt32

    /// Exactly 12 bytes; traps on another count.
    public init(_ bytes: RawSpan) {
        precondition(bytes.byteCount == 12, "an ObjectId has 12 bytes")
        high = bytes.integer(at: 0, as: UInt64.self).byteSwapped
        low = bytes.integer(at: 8, as: UInt32.self).byteSwapped
    }

    init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }

    /// The 12 bytes in stored order.
    public var bytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * $0)) }
            + (0..<4).map { UInt8(truncatingIfNeeded: low >> UInt32(24 - 8 * $0)) }
    }

    /// The server's order.
    public static func < (left: ObjectID, right: ObjectID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    /// 24 lowercase hexadecimal digits.
    public var description: String {
        func padded(_ value: some BinaryInteger, _ digits: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: digits - text.count) + text
        }
        return padded(high, 16) + padded(low, 8)
    }
}
