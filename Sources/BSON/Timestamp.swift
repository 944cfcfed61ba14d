/// MongoDB's internal timestamp: a point in the oplog's total order, and a cluster time.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Seconds since 1970-01-01T00:00:00Z.
    public var t: UInt32
    /// The ordinal within that second; the server counts from 1.
    public var i: UInt32

    /// A timestamp from its seconds and ordinal.
    @inlinable
    public init(t: UInt32, i: UInt32) {
        self.t = t
        self.i = i
    }

    /// A timestamp from the 64-bit form that BSON stores: `t` in the high half.
    @inlinable
    public init(rawValue: UInt64) {
        self.init(t: UInt32(truncatingIfNeeded: rawValue >> 32), i: UInt32(truncatingIfNeeded: rawValue))
    }

    /// The 64-bit form that BSON stores: comparing it compares timestamps.
    @inlinable
    public var rawValue: UInt64 { UInt64(t) << 32 | UInt64(i) }

    /// Oplog order, which is unsigned.
    @inlinable
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.rawValue < right.rawValue }

    /// `t.i`, as the server's log writes it.
    public var description: String { "\(t).\(i)" }
}
