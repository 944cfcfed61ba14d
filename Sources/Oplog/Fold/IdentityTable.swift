import Bytes
import Synchronization

/// An open-addressed hash table from identity bytes to record numbers; the bytes themselves are in an arena.
///
///     slot (8 bytes):  | 32 bits of the hash | record + 1, 0 when empty |
struct IdentityTable: Sendable {
    private var slots: [UInt64]
    private var mask: Int
    private(set) var count = 0

    init() {
        slots = [UInt64](repeating: 0, count: 16)
        mask = 15
    }

    /// Memory that the slots take.
    var byteCount: Int { slots.count * MemoryLayout<UInt64>.size }

    /// The record with that hash for which `isEqual` holds, or nil.
    @inline(__always)
    func find(_ hash: UInt64, _ isEqual: (Int) -> Bool) -> Int? {
        let tag = hash >> 32
        var slot = Int(tag) & mask
        while true {
            let entry = slots[slot]
            if entry == 0 { return nil }
            if entry >> 32 == tag {
                let record = Int(entry & 0xFFFF_FFFF) - 1
                if isEqual(record) { return record }
            }
            slot = (slot + 1) & mask
        }
    }

    /// Adds a record that `find` does not find.
    mutating func insert(_ hash: UInt64, _ record: Int) {
        if (count + 1) * 3 > slots.count * 2 { grow() }
        count += 1
        place((hash >> 32) << 32 | UInt64(record + 1))
    }

    private mutating func place(_ entry: UInt64) {
        var slot = Int(entry >> 32) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = entry
    }

    private mutating func grow() {
        let old = slots
        slots = [UInt64](repeating: 0, count: old.count * 2)
        mask = slots.count - 1
        for entry in old where entry != 0 { place(entry) }
    }
}

/// One flag a record, set from several threads at once.
final class SeenFlags: Sendable {
    /// A lock of its own for every 64th record: threads that touch different documents rarely meet.
    private final class Stripe: Sendable {
        let words: Mutex<[UInt64]>

        init(_ count: Int) { words = Mutex([UInt64](repeating: 0, count: (count + 63) / 64)) }
    }

    private static let stripeCount = 64
    private let stripes: [Stripe]

    init(_ count: Int) {
        let each = (count + SeenFlags.stripeCount - 1) / SeenFlags.stripeCount
        stripes = (0..<SeenFlags.stripeCount).map { _ in Stripe(each) }
    }

    /// Sets a flag and returns what it was.
    func set(_ index: Int) -> Bool {
        let place = index / SeenFlags.stripeCount
        return stripes[index % SeenFlags.stripeCount].words.withLock { words in
            let bit = UInt64(1) << UInt64(place % 64)
            let was = words[place / 64] & bit != 0
            words[place / 64] |= bit
            return was
        }
    }

    /// A flag.
    func isSet(_ index: Int) -> Bool {
        let place = index / SeenFlags.stripeCount
        return stripes[index % SeenFlags.stripeCount].words.withLock { words in
            words[place / 64] & (UInt64(1) << UInt64(place % 64)) != 0
        }
    }

    /// Clears all flags.
    func clear() {
        for stripe in stripes {
            stripe.words.withLock { words in for index in words.indices { words[index] = 0 } }
        }
    }
}
