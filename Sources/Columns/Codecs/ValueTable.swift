import Bytes

/// The different values of a column, each once, in the order in which they came.
struct ValueTable {
    /// Different values at most: a number is a byte.
    static let valuesMax = 256
    private static let slotCount = 1_024

    /// The values, one behind the other.
    let bytes = Buffer(capacity: 1 << 12)
    private var offsets: [Int] = []
    /// Where the hashes say: upper bits of a value's hash and its number and 1; 0 when free.
    private var slots = [UInt32](repeating: 0, count: slotCount)

    /// How many there are.
    var count: Int { offsets.count }

    /// Empties it.
    mutating func removeAll() {
        bytes.removeAll()
        offsets.removeAll(keepingCapacity: true)
        for slot in slots.indices { slots[slot] = 0 }
    }

    /// The number of a value, a new one if need be; nil when there are too many.
    @inline(__always)
    mutating func number(of value: RawSpan) -> Int? {
        let hash = Self.hash(value)
        let tag = UInt32(truncatingIfNeeded: hash &>> 32) & 0xFFFF_0000
        var slot = Int(hash & UInt64(Self.slotCount &- 1))
        while slots[slot] != 0 {
            let number = Int(slots[slot] & 0xFFFF) &- 1
            if slots[slot] & 0xFFFF_0000 == tag, isSame(number, value) { return number }
            slot = (slot &+ 1) & (Self.slotCount &- 1)
        }
        guard offsets.count < Self.valuesMax else { return nil }
        offsets.append(bytes.count)
        slots[slot] = tag | UInt32(truncatingIfNeeded: offsets.count)
        bytes.append(value)
        return offsets.count - 1
    }

    @inline(__always)
    private func isSame(_ number: Int, _ value: RawSpan) -> Bool {
        let end = number + 1 < offsets.count ? offsets[number + 1] : bytes.count
        let known = bytes.bytes.extracting(offsets[number]..<end)
        guard known.byteCount == value.byteCount else { return false }
        guard value.byteCount == 8 else { return spansEqual(known, value) }
        return known.integer(at: 0, as: UInt64.self) == value.integer(at: 0, as: UInt64.self)
    }

    /// The last bytes are read together with some before them: a loop over single ones would take most of the time.
    @inline(__always)
    private static func hash(_ value: RawSpan) -> UInt64 {
        let count = value.byteCount
        var hash = 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: count)
        if count >= 8 {
            var offset = 0
            while offset &+ 8 < count {
                hash = mixed(hash, value.integer(at: offset, as: UInt64.self))
                offset &+= 8
            }
            hash = mixed(hash, value.integer(at: count &- 8, as: UInt64.self))
        } else if count >= 4 {
            let low = UInt64(value.integer(at: 0, as: UInt32.self))
            hash = mixed(hash, low | UInt64(value.integer(at: count &- 4, as: UInt32.self)) &<< 32)
        } else {
            for offset in 0..<count { hash = mixed(hash, UInt64(value.byte(at: offset))) }
        }
        return hash
    }

    @inline(__always)
    private static func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* 0x9FB2_1C65_1E98_DF25
        return product ^ product &>> 32
    }
}
