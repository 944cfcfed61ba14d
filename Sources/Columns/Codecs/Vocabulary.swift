import Bytes

/// Counts the tokens of a text, and numbers those that come often. One of the module's few files with `unsafe`.
///
/// What is looked at for every token is kept small and apart, to stay in a core's own cache.
@safe
final class Vocabulary {
    /// The first and the last 8 bytes of a token that was met.
    private struct Ends {
        var prefix: UInt64
        var tail: UInt64
    }

    /// A token on the way to its entry.
    private struct Key {
        var prefix: UInt64
        var tail: UInt64
        var offset: UInt32
        var length: UInt32
        var hash: UInt32

        @inline(__always)
        init(_ text: UnsafeRawPointer, _ offset: Int, _ length: Int) {
            // Both words overlap in tokens of less than 16 bytes, and are the same in those of 8 or less: what costs
            // here is branches that nobody can predict.
            let mask = UInt64.max &>> UInt64(64 &- 8 &* min(length, 8))
            prefix = unsafe text.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian & mask
            let last = offset &+ max(length, 8) &- 8
            tail = unsafe text.loadUnaligned(fromByteOffset: last, as: UInt64.self).littleEndian & mask
            let mixed = (prefix ^ UInt64(length) << 56) &* 0x9E37_79B9_7F4A_7C15 ^ tail &* 0xC2B2_AE3D_27D4_EB4F
            hash = UInt32(truncatingIfNeeded: ((mixed ^ mixed >> 29) &* 0x9FB2_1C65_1E98_DF25) >> 32)
            self.offset = UInt32(truncatingIfNeeded: offset)
            self.length = UInt32(truncatingIfNeeded: length)
        }
    }

    /// Different tokens that are counted; those beyond are escapes.
    static let entriesMax = 1 << 15
    /// A longer token is an escape: it hardly comes again.
    static let tokenMax = 64
    /// A token that comes less often costs more in the vocabulary than as an escape.
    static let countMin: UInt32 = 3

    private static let groupSize = 64
    /// Stands for the number of a token that has no entry.
    private static let uncounted = UInt16(entriesMax)

    private let bounds = TokenBounds()
    /// Where the hashes say: 16 bits of the hash and the number of an entry and 1; 0 when free.
    private let slots: UnsafeMutablePointer<UInt32>
    /// Slots in use, less 1: a short text is not worth clearing all.
    private var slotMask = 0
    /// Of each entry: what it is, ...
    private let entryEnds: UnsafeMutablePointer<Ends>
    /// ... how often it came, ...
    private let counts: UnsafeMutablePointer<UInt32>
    /// ... where it came first, ...
    private let offsets: UnsafeMutablePointer<UInt32>
    /// ... its length, ...
    private let lengths: UnsafeMutablePointer<UInt8>
    /// ... and its code, 0 for none.
    private let codes: UnsafeMutablePointer<UInt16>
    private var entryCount = 0
    private let keys: UnsafeMutablePointer<Key>
    /// What touching loads, kept so that it is not left out.
    private var touched: UInt32 = 0
    /// The number of each token's entry, in the text's order.
    private var tokens: UnsafeMutablePointer<UInt16>
    private var tokenCapacity = 1 << 16
    private(set) var tokenCount = 0
    /// Where tokens without an entry are, in the text's order.
    private var uncounted: [(offset: Int, length: Int)] = []
    private var places: [(offset: Int, length: Int)] = []
    /// The entries with codes, in the order of these.
    private(set) var frequent: [UInt16] = []

    init() {
        unsafe slots = .allocate(capacity: Self.entriesMax * 2)
        unsafe entryEnds = .allocate(capacity: Self.entriesMax)
        unsafe counts = .allocate(capacity: Self.entriesMax)
        unsafe offsets = .allocate(capacity: Self.entriesMax)
        unsafe lengths = .allocate(capacity: Self.entriesMax)
        unsafe codes = .allocate(capacity: Self.entriesMax + 1)
        unsafe tokens = .allocate(capacity: tokenCapacity)
        unsafe keys = .allocate(capacity: Self.groupSize)
    }

    deinit {
        unsafe slots.deallocate()
        unsafe entryEnds.deallocate()
        unsafe counts.deallocate()
        unsafe offsets.deallocate()
        unsafe lengths.deallocate()
        unsafe codes.deallocate()
        unsafe tokens.deallocate()
        unsafe keys.deallocate()
    }

    /// Counts the tokens of the values of `text`, which end at `ends`.
    ///
    /// - Parameters:
    ///   - text: with zeros for the slack of `TokenBounds` behind its last value.
    ///   - ends: where values end.
    func count(_ text: RawSpan, ends: [Int]) {
        clear(text.byteCount)
        precondition((ends.last ?? 0) + TokenBounds.slack <= text.byteCount)
        unsafe text.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            unsafe bounds.begin(base, ends: ends)
            unsafe countTokens(base)
        }
    }

    private func clear(_ byteCount: Int) {
        var size = 256
        while size < byteCount / 8, size < Self.entriesMax * 2 { size *= 2 }
        slotMask = size - 1
        unsafe slots.update(repeating: 0, count: size)
        entryCount = 0
        tokenCount = 0
        uncounted.removeAll(keepingCapacity: true)
    }

    private func reserve(_ count: Int) {
        guard count > tokenCapacity else { return }
        let larger = UnsafeMutablePointer<UInt16>.allocate(capacity: count * 2)
        unsafe larger.update(from: tokens, count: tokenCount)
        unsafe tokens.deallocate()
        tokenCapacity = count * 2
        unsafe tokens = larger
    }

    /// Counts in groups: first the places of a group's tokens are computed and touched, then they are looked at. A rare
    /// token's place is not in a near cache; so the loads of a group overlap, which those behind a branch would not.
    private func countTokens(_ text: UnsafeRawPointer) {
        while let count = unsafe bounds.next(text) {
            reserve(tokenCount + count)
            var first = 0
            while first < count {
                let size = min(Self.groupSize, count &- first)
                unsafe prepareKeys(text, bounds.starts + first, size)
                let tokens = unsafe tokens + tokenCount
                var entryCount = entryCount
                for number in 0..<size {
                    unsafe tokens[number] = unsafe self.number(text, keys + number, &entryCount)
                }
                self.entryCount = entryCount
                tokenCount &+= size
                first &+= size
            }
        }
    }

    @inline(__always)
    private func prepareKeys(_ text: UnsafeRawPointer, _ starts: UnsafePointer<TokenBounds.Start>, _ size: Int) {
        let (keys, slots, mask) = unsafe (keys, slots, slotMask)
        var start = unsafe starts[0].offset
        var touched: UInt32 = 0
        for number in 0..<size {
            let next = unsafe starts[number &+ 1]
            let key = unsafe Key(text, start, next.endBefore &- start)
            unsafe keys[number] = key
            unsafe touched |= slots[Int(key.hash) & mask]
            start = next.offset
        }
        self.touched = touched
    }

    /// The number of a token's entry, a new one if need be.
    @inline(__always)
    private func number(_ text: UnsafeRawPointer, _ key: UnsafePointer<Key>, _ entryCount: inout Int) -> UInt16 {
        let key = unsafe key.pointee
        guard key.length <= Self.tokenMax else { return addUncounted(key) }
        let mask = slotMask
        let tag = key.hash & 0xFFFF_0000
        var slot = Int(key.hash) & mask
        while true {
            let found = unsafe slots[slot]
            if found == 0 { break }
            let entry = Int(found & 0xFFFF) &- 1
            if found & 0xFFFF_0000 == tag, unsafe isSame(text, key, entry) {
                unsafe counts[entry] &+= 1
                return UInt16(truncatingIfNeeded: entry)
            }
            slot = (slot &+ 1) & mask
        }
        let entry = entryCount
        guard entry <= mask / 2 else { return addUncounted(key) }
        unsafe slots[slot] = tag | UInt32(entry &+ 1)
        unsafe entryEnds[entry] = Ends(prefix: key.prefix, tail: key.tail)
        unsafe counts[entry] = 1
        unsafe offsets[entry] = key.offset
        unsafe lengths[entry] = UInt8(truncatingIfNeeded: key.length)
        entryCount = entry &+ 1
        return UInt16(truncatingIfNeeded: entry)
    }

    @inline(never)
    private func addUncounted(_ key: Key) -> UInt16 {
        uncounted.append((Int(key.offset), Int(key.length)))
        return Self.uncounted
    }

    @inline(__always)
    private func isSame(_ text: UnsafeRawPointer, _ key: Key, _ entry: Int) -> Bool {
        let ends = unsafe entryEnds[entry]
        let differs = (ends.prefix ^ key.prefix) | (ends.tail ^ key.tail)
        guard unsafe differs | UInt64(UInt32(lengths[entry]) ^ key.length) == 0 else { return false }
        return key.length <= 16 || (unsafe isSame(text, offsets[entry], key.offset, Int(key.length)))
    }

    @inline(never)
    private func isSame(_ text: UnsafeRawPointer, _ left: UInt32, _ right: UInt32, _ length: Int) -> Bool {
        let (left, right) = (Int(left), Int(right))
        // The first and the last 8 bytes are the same already.
        var at = 8
        while at < length &- 8 {
            guard
                unsafe text.loadUnaligned(fromByteOffset: left &+ at, as: UInt64.self)
                    == text.loadUnaligned(fromByteOffset: right &+ at, as: UInt64.self)
            else { return false }
            at = min(at &+ 8, length &- 8)
        }
        return true
    }

    /// Gives codes to the tokens that come often enough, the most frequent first, from 1 on.
    func assignCodes() {
        // A counting sort: numbers by how often they came, those that came very often at once.
        let most = 1_024
        var ends = [Int](repeating: 0, count: most + 1)
        for number in 0..<entryCount { ends[unsafe min(Int(counts[number]), most)] += 1 }
        var total = 0
        for count in stride(from: most, through: Int(Self.countMin), by: -1) {
            let next = total + ends[count]
            ends[count] = total
            total = next
        }
        var frequent = [UInt16](repeating: 0, count: total)
        for number in 0..<entryCount {
            let count = unsafe min(Int(counts[number]), most)
            unsafe codes[number] = 0
            guard count >= Int(Self.countMin) else { continue }
            frequent[ends[count]] = UInt16(number)
            ends[count] += 1
        }
        for (rank, number) in frequent.enumerated() { unsafe codes[Int(number)] = UInt16(rank + 1) }
        unsafe codes[Int(Self.uncounted)] = 0
        self.frequent = frequent
    }

    /// Appends the tokens with codes in the order of these to `words`, their lengths to `wordLengths`.
    ///
    /// - Parameter text: as it was counted, with the slack of `TokenBounds` behind it.
    func appendWords(_ text: RawSpan, to words: Buffer, _ wordLengths: inout [Int]) {
        findPlaces(ofFrequent: frequent, &places)
        append(text, to: words, &wordLengths)
    }

    /// Appends each token's code, its lower byte to `low`, the upper one to `high`; and tokens without to `escapes`,
    /// their lengths to `escapeLengths`. Can be done once: it uses the tokens' memory up.
    func appendCodes(_ text: RawSpan, low: Buffer, high: Buffer, escapes: Buffer, _ escapeLengths: inout [Int]) {
        let (tokens, codes, count) = unsafe (tokens, codes, tokenCount)
        var escaped = 0
        unsafe low.appendUninitialized(upTo: count) { low in
            unsafe high.appendUninitialized(upTo: count) { high in
                for token in 0..<count {
                    let entry = unsafe tokens[token]
                    let code = unsafe codes[Int(entry)]
                    unsafe low[token] = UInt8(truncatingIfNeeded: code)
                    unsafe high[token] = UInt8(truncatingIfNeeded: code &>> 8)
                    // Escapes gather at the front, without a branch that nobody could predict.
                    unsafe tokens[escaped] = entry
                    escaped &+= code == 0 ? 1 : 0
                }
                return count
            }
            return count
        }
        findPlaces(ofEscapes: escaped, uncounted, &places)
        append(text, to: escapes, &escapeLengths)
    }

    private func findPlaces(ofFrequent entries: [UInt16], _ places: inout [(offset: Int, length: Int)]) {
        places.removeAll(keepingCapacity: true)
        for number in entries { places.append(place(number)) }
    }

    private func findPlaces(
        ofEscapes count: Int, _ uncounted: [(offset: Int, length: Int)],
        _ places: inout [(offset: Int, length: Int)]
    ) {
        let tokens = unsafe tokens
        places.removeAll(keepingCapacity: true)
        var next = 0
        for token in 0..<count {
            let entry = unsafe tokens[token]
            if entry == Self.uncounted {
                places.append(uncounted[next])
                next += 1
            } else {
                places.append(place(entry))
            }
        }
    }

    /// Where a token of that entry is: the first of its kind.
    @inline(__always)
    private func place(_ entry: UInt16) -> (offset: Int, length: Int) {
        unsafe (Int(offsets[Int(entry)]), Int(lengths[Int(entry)]))
    }

    /// Appends the tokens at `places`, 16 bytes at once, of which those behind a token are written over by the next.
    private func append(_ text: RawSpan, to target: Buffer, _ tokenLengths: inout [Int]) {
        let places = places
        let total = places.reduce(0) { $0 + $1.length }
        unsafe target.appendUninitialized(upTo: total + 16) { target in
            unsafe text.withUnsafeBytes { text in
                var written = 0
                for (offset, length) in places {
                    precondition(offset + length + 16 <= text.count)
                    var at = 0
                    repeat {
                        let part = unsafe text.loadUnaligned(fromByteOffset: offset &+ at, as: SIMD16<UInt8>.self)
                        unsafe target.storeBytes(of: part, toByteOffset: written &+ at, as: SIMD16<UInt8>.self)
                        at &+= 16
                    } while at < length
                    written &+= length
                    tokenLengths.append(length)
                }
                return written
            }
        }
    }
}
