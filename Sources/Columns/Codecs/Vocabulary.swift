import Bytes

/// Cuts text into words and what stands between them, and numbers those that come often. One of the module's few files
/// with `unsafe`.
///
/// A token is a longest run of word bytes (letters, digits, all beyond ASCII) or of other bytes, inside one value. A
/// single space between two words is no token: two words in succession stand for it.
@safe
final class Vocabulary {
    /// A token that was met: its first and its last 8 bytes, where it stands in the text, and how often it came.
    struct Entry {
        var prefix: UInt64
        var tail: UInt64
        var offset: UInt32
        var length: UInt32
        var count: UInt32
        /// Its number in the vocabulary; 0 for none.
        var code: UInt16 = 0
    }

    /// Different tokens that are counted; those beyond are escapes.
    static let entriesMax = 1 << 15
    /// A longer token is an escape: it hardly comes again.
    static let tokenMax = 64
    /// A token that comes less often costs more in the vocabulary than as an escape.
    static let countMin: UInt32 = 3

    private static let slotCount = 1 << 16
    /// Marks a token that has no entry; its bytes are the next of `escapes`.
    static let escape: UInt32 = .max

    private let entries: UnsafeMutablePointer<Entry>
    private let slots: UnsafeMutablePointer<Int32>
    /// The tokens of the text in order, as places in `entries`; there are at most as many as bytes.
    private var tokens: UnsafeMutablePointer<UInt32>
    private var tokenCapacity = 1 << 16
    private var counts = Counts()
    /// Offset and length of tokens without an entry, in order.
    private var escapes: [(offset: Int, length: Int)] = []

    private struct Counts {
        var entries = 0
        var tokens = 0
    }

    init() {
        unsafe entries = .allocate(capacity: Self.entriesMax)
        unsafe slots = .allocate(capacity: Self.slotCount)
        unsafe tokens = .allocate(capacity: tokenCapacity)
    }

    deinit {
        unsafe entries.deallocate()
        unsafe slots.deallocate()
        unsafe tokens.deallocate()
    }

    /// How many tokens the text has.
    var tokenCount: Int { counts.tokens }

    /// A token that was met.
    func entry(_ place: Int) -> Entry {
        precondition(place < counts.entries)
        return unsafe entries[place]
    }

    /// Calls `body` with each token's number, 0 for none, and where it stands in the text.
    @inline(__always)
    func forEachToken(_ body: (_ code: UInt16, _ offset: Int, _ length: Int) -> Void) {
        let (tokens, escapes) = unsafe (tokens, escapes)
        var nextEscape = 0
        for number in 0..<counts.tokens {
            let place = unsafe tokens[number]
            if place == Self.escape {
                body(0, escapes[nextEscape].offset, escapes[nextEscape].length)
                nextEscape += 1
            } else {
                let entry = unsafe entries + Int(place)
                // An escape needs to know where; the first place has the same bytes.
                unsafe body(entry.pointee.code, Int(entry.pointee.offset), Int(entry.pointee.length))
            }
        }
    }

    /// Whether a byte belongs to words.
    @inline(__always)
    static func isWordByte(_ byte: UInt8) -> Bool {
        byte >= 0x80 || (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10
    }

    /// The high bit of each byte of `word` that belongs to words: the same for eight bytes at once.
    ///
    /// A sum carries into the high bit from the first byte of a range on; bytes beyond ASCII have it anyway.
    @inline(__always)
    private static func wordBytes(_ word: UInt64) -> UInt64 {
        let low = word & 0x7F7F_7F7F_7F7F_7F7F
        let letters = low | 0x2020_2020_2020_2020
        let isLetter = (letters &+ 0x1F1F_1F1F_1F1F_1F1F) & ~(letters &+ 0x0505_0505_0505_0505)
        let isDigit = (low &+ 0x5050_5050_5050_5050) & ~(low &+ 0x4646_4646_4646_4646)
        return (word | isLetter | isDigit) & highBits
    }

    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// Cuts the values of `text`, which end at `ends`.
    ///
    /// `text` grows by a few bytes meanwhile.
    func cut(_ text: Buffer, ends: [Int]) {
        escapes.removeAll(keepingCapacity: true)
        unsafe slots.update(repeating: -1, count: Self.slotCount)
        if text.count > tokenCapacity {
            unsafe tokens.deallocate()
            tokenCapacity = text.count
            unsafe tokens = .allocate(capacity: tokenCapacity)
        }
        var counts = Counts()
        // Loads of 8 bytes may reach behind the last token.
        text.append(littleEndian: UInt64(0))
        defer { text.truncate(to: text.count - 8) }
        unsafe text.bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            var start = 0
            for end in ends {
                unsafe cutValue(base, start, end, tokens, &counts)
                start = end
            }
        }
        self.counts = counts
    }

    private func cutValue(
        _ base: UnsafeRawPointer, _ start: Int, _ end: Int, _ tokens: UnsafeMutablePointer<UInt32>,
        _ counts: inout Counts
    ) {
        var offset = start
        var isBehindWord = false
        while offset < end {
            let word = unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
            let bytes = Self.wordBytes(word)
            let isWord = bytes & 0x80 != 0
            let others = bytes ^ (isWord ? Self.highBits : 0)
            var last = offset &+ others.trailingZeroBitCount >> 3
            if others == 0 { last = unsafe runEnd(base, offset &+ 8, end, isWord) }
            last = min(last, end)
            let isImplied = isBehindWord && word & 0xFF == 0x20 && last &- offset == 1 && last < end
            if !isImplied {
                unsafe tokens[counts.tokens] = unsafe token(base, offset, last &- offset, &counts.entries)
                counts.tokens &+= 1
            }
            isBehindWord = isWord
            offset = last
        }
    }

    /// The end of a run of word bytes, or of others, that goes on at `offset`.
    private func runEnd(_ base: UnsafeRawPointer, _ offset: Int, _ end: Int, _ isWord: Bool) -> Int {
        var offset = offset
        while offset < end {
            let word = unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
            let others = Self.wordBytes(word) ^ (isWord ? Self.highBits : 0)
            if others != 0 { return offset &+ others.trailingZeroBitCount >> 3 }
            offset &+= 8
        }
        return end
    }

    /// The place of a token's entry, a new one if need be.
    @inline(__always)
    private func token(_ base: UnsafeRawPointer, _ offset: Int, _ length: Int, _ entryCount: inout Int) -> UInt32 {
        guard length <= Self.tokenMax else { return addEscape(offset, length) }
        // Both words overlap in tokens of less than 16 bytes, and are the same in those of 8 or less: what costs here
        // is branches that nobody can predict.
        let mask = UInt64.max &>> UInt64(64 &- 8 &* min(length, 8))
        let prefix = unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian & mask
        let last = offset &+ max(length, 8) &- 8
        let tail = unsafe base.loadUnaligned(fromByteOffset: last, as: UInt64.self).littleEndian & mask
        let mixed = (prefix ^ UInt64(length) << 56) &* 0x9E37_79B9_7F4A_7C15 ^ tail &* 0xC2B2_AE3D_27D4_EB4F
        var slot = Int(truncatingIfNeeded: ((mixed ^ mixed >> 29) &* 0x9FB2_1C65_1E98_DF25) >> 48)
        while unsafe slots[slot] >= 0 {
            let number = unsafe Int(slots[slot])
            let entry = unsafe entries + number
            if unsafe entry.pointee.prefix == prefix && entry.pointee.tail == tail
                && entry.pointee.length == UInt32(length),
                length <= 16 || (unsafe isSame(base, Int(entry.pointee.offset), offset, length))
            {
                unsafe entry.pointee.count &+= 1
                return UInt32(number)
            }
            slot = (slot &+ 1) & (Self.slotCount &- 1)
        }
        guard entryCount < Self.entriesMax else { return addEscape(offset, length) }
        unsafe slots[slot] = Int32(entryCount)
        unsafe entries[entryCount] = Entry(
            prefix: prefix, tail: tail, offset: UInt32(offset), length: UInt32(length), count: 1)
        entryCount &+= 1
        return UInt32(entryCount &- 1)
    }

    private func isSame(_ base: UnsafeRawPointer, _ left: Int, _ right: Int, _ length: Int) -> Bool {
        var at = 8
        while at &+ 8 <= length {
            guard
                unsafe base.loadUnaligned(fromByteOffset: left &+ at, as: UInt64.self)
                    == base.loadUnaligned(fromByteOffset: right &+ at, as: UInt64.self)
            else { return false }
            at &+= 8
        }
        while at < length {
            guard
                unsafe base.load(fromByteOffset: left &+ at, as: UInt8.self)
                    == base.load(fromByteOffset: right &+ at, as: UInt8.self)
            else { return false }
            at &+= 1
        }
        return true
    }

    @inline(never)
    private func addEscape(_ offset: Int, _ length: Int) -> UInt32 {
        escapes.append((offset, length))
        return Self.escape
    }

    /// Numbers the tokens that come often enough, the most frequent first, from 1 on.
    ///
    /// - Returns: their places in `entries`, in the order of their numbers.
    func number() -> [Int] {
        // A counting sort: places by how often they came, those that came very often at once.
        let most = 1_024
        var ends = [Int](repeating: 0, count: most + 1)
        for place in 0..<counts.entries { ends[unsafe min(Int(entries[place].count), most)] += 1 }
        var total = 0
        for count in stride(from: most, through: Int(Self.countMin), by: -1) {
            let next = total + ends[count]
            ends[count] = total
            total = next
        }
        var frequent = [Int](repeating: 0, count: total)
        for place in 0..<counts.entries {
            let count = unsafe min(Int(entries[place].count), most)
            guard count >= Int(Self.countMin) else { continue }
            frequent[ends[count]] = place
            ends[count] += 1
        }
        for (number, place) in frequent.enumerated() { unsafe entries[place].code = UInt16(number + 1) }
        return frequent
    }
}
