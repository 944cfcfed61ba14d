import Bytes

/// Bytes that are only ever added, in slabs, so that growing copies nothing and a reference stays good.
///
/// A reference is `slab + 1` in the upper half and the offset in the lower; 0 is none.
struct Arena: Sendable {
    private var slabs: [Buffer] = []
    /// Memory that the slabs take.
    private(set) var byteCount = 0
    /// Bytes that were asked for.
    private(set) var filledByteCount = 0

    /// Slabs double up to this size: a small table stays small.
    private static let slabMax = 4 << 20
    private static let slabMin = 4 << 10

    /// Makes room for `count` bytes in one slab and returns the reference to what is appended next.
    mutating func reserve(_ count: Int) -> UInt64 {
        filledByteCount += count
        if slabs.isEmpty || slabs[slabs.count - 1].capacity - slabs[slabs.count - 1].count < count {
            let next = min(Arena.slabMax, max(Arena.slabMin, (slabs.last?.capacity ?? 0) * 2))
            let slab = Buffer(capacity: max(next, count))
            byteCount += slab.capacity
            slabs.append(slab)
        }
        return UInt64(slabs.count) << 32 | UInt64(slabs[slabs.count - 1].count)
    }

    /// The slab with room for what `reserve` was asked for.
    var tail: Buffer { slabs[slabs.count - 1] }

    /// The slab of a reference, and where in it.
    func locate(_ reference: UInt64) -> (slab: Buffer, offset: Int) {
        (slabs[Int(reference >> 32) - 1], Int(reference & 0xFFFF_FFFF))
    }
}
