import Bytes

/// The validator's loop. One of the module's few files with `unsafe`.
///
/// Loads are unchecked; what makes them safe is stated where they are. The common ground: a document at `start` is
/// entered only when all its bytes lie in the span and its last is zero (`documentCount`), and an embedded one only
/// when it lies before its parent's final zero. So with `end` the offset of the innermost final zero, `end < count`
/// always, and every scan for a zero byte that starts at or before `end` stops there at the latest.
///
/// Speed comes from: one load for the type and up to six bytes of the name; sizes of fixed types from a table in a
/// register instead of a branch per type; 32 or eight bytes of text a step while it is ASCII, an automaton otherwise;
/// no call and no stored state per element.
@safe
struct BSONWalk: ~Escapable {
    /// What is wrong, and where.
    struct Fault {
        enum Kind: UInt8 { case none, element, text, boolean, depth }
        var kind: Kind
        var offset: Int
    }

    private let base: UnsafeRawPointer
    private let count: Int
    private let checksText: Bool
    private let depthMax: Int

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, checksText: Bool, depthMax: Int) {
        precondition(depthMax >= 1 && depthMax <= BSONValidator.depthMax)
        // Safe: this type cannot outlive `bytes`; the address stands for an empty span, whose `count` of 0 allows no
        // load.
        unsafe base = bytes.withUnsafeBytes { unsafe $0.baseAddress ?? UnsafeRawPointer(bitPattern: 1)! }
        count = bytes.byteCount
        self.checksText = checksText
        self.depthMax = depthMax
    }

    @inline(__always)
    private func byte(_ offset: Int) -> UInt8 { unsafe base.load(fromByteOffset: offset, as: UInt8.self) }

    @inline(__always)
    private func word32(_ offset: Int) -> UInt32 {
        UInt32(littleEndian: unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @inline(__always)
    private func word64(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    @inline(__always)
    private func length(_ offset: Int) -> Int { Int(Int32(bitPattern: word32(offset))) }

    /// The length of the document at `start`, or -1 when it does not lie in the span or does not end in zero.
    func documentCount(at start: Int) -> Int { documentCount(at: start, end: count) }

    /// The same for a document that must end at or before `end`. Safe: four bytes are there before they are loaded.
    @inline(__always)
    private func documentCount(at start: Int, end: Int) -> Int {
        guard end &- start >= 5 else { return -1 }
        let size = length(start)
        guard size >= 5, size <= end &- start, byte(start &+ size &- 1) == 0 else { return -1 }
        return size
    }

    /// Checks everything in the document at `start`, whose framing `documentCount` has checked.
    ///
    /// An explicit stack instead of recursion: hostile nesting costs 1 KiB, not a thread's stack.
    func documentFault(at start: Int) -> Fault {
        unsafe withUnsafeTemporaryAllocation(of: Int32.self, capacity: BSONValidator.depthMax) { ends in
            unsafe elementsFault(start, ends)
        }
    }
}

/// Sizes of the types of fixed size, four bits a type, for types below 0x14.
private enum SizeTable {
    /// Not fixed, or too big for four bits, or not a type.
    static let other: UInt64 = 15

    /// Types 0x00 to 0x0F: double 8, undefined 0, object id 12, bool 1, date 8, null 0.
    static let low: UInt64 = 0xFFFF_F081_C0FF_FF8F
    /// Types 0x10 to 0x1F: int32 4, timestamp 8, int64 8; decimal128 has 16.
    static let high: UInt64 = 0xFFFF_FFFF_FFFF_F884

    @inline(__always)
    static func size(of type: UInt64) -> UInt64 {
        guard type < 0x20 else { return other }
        return ((type & 0x10) == 0 ? low : high) >> ((type & 0x0F) &* 4) & 15
    }
}

extension BSONWalk {
    /// The first byte of each 8, and their high bits.
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    private func elementsFault(_ start: Int, _ ends: UnsafeMutableBufferPointer<Int32>) -> Fault {
        var offset = start &+ 4
        var end = start &+ length(start) &- 1
        var depth = 1
        while true {
            if offset == end {
                depth &-= 1
                guard depth > 0 else { return Fault(kind: .none, offset: 0) }
                offset = end &+ 1
                // Safe: `depth` levels were pushed below; offsets from `start` fit, for a document's length is an
                // Int32.
                end = unsafe start &+ Int(ends[depth])
                continue
            }
            let element = offset
            let type = byte(offset)
            let name = nameEnd(offset)
            guard name.end < end else { return Fault(kind: .element, offset: element) }
            if name.needsCheck, checksText, !isText(from: offset &+ 1, count: name.end &- offset &- 1) {
                return Fault(kind: .text, offset: element)
            }
            let value = name.end &+ 1
            let size = SizeTable.size(of: UInt64(type))
            if size != SizeTable.other {
                offset = value &+ Int(size)
                guard offset <= end else { return Fault(kind: .element, offset: element) }
                if size == 1, byte(value) > 1 { return Fault(kind: .boolean, offset: element) }
                continue
            }
            if type == 0x02 {
                offset = stringEnd(value, end)
                guard offset > 0 else { return Fault(kind: offset == -1 ? .element : .text, offset: element) }
                continue
            }
            var inner = 0
            if type == 0x03 || type == 0x04 {
                inner = value
                offset = documentCount(at: value, end: end)
                offset = offset > 0 ? value &+ offset : -1
            } else {
                offset = uncommonEnd(type, value, end, scope: &inner)
            }
            guard offset > 0 else { return Fault(kind: offset == -1 ? .element : .text, offset: element) }
            guard inner > 0 else { continue }
            guard depth < depthMax else { return Fault(kind: .depth, offset: element) }
            unsafe ends[depth] = Int32(truncatingIfNeeded: end &- start)
            depth &+= 1
            end = offset &- 1
            offset = inner &+ 4
        }
    }

    /// The zero behind the name of the element at `offset`, and whether the name has bytes above 0x7F.
    ///
    /// Safe: a zero byte stands at `end` at the latest; words are loaded only while they lie in the span.
    @inline(__always)
    private func nameEnd(_ offset: Int) -> (end: Int, needsCheck: Bool) {
        var at = offset
        // The type byte is set to a value that is neither zero nor text.
        var ignored: UInt64 = 0xFF
        var high: UInt64 = 0
        while at &+ 8 <= count {
            let word = word64(at)
            let zeros = (word &- Self.ones) & ~(word | ignored) & Self.highBits
            let text = word & ~ignored & Self.highBits
            if zeros != 0 {
                // Bytes below the first zero: those whose bits are below its lowest bit.
                let below = (zeros & (0 &- zeros)) &- 1
                return (at &+ zeros.trailingZeroBitCount >> 3, (high | text & below) != 0)
            }
            high |= text
            ignored = 0
            at &+= 8
        }
        return nameEndByByte(at == offset ? at &+ 1 : at, high != 0)
    }

    /// The last few names of a span, where a word would reach past it.
    @inline(never)
    private func nameEndByByte(_ from: Int, _ found: Bool) -> (end: Int, needsCheck: Bool) {
        var at = from
        var needsCheck = found
        while byte(at) != 0 {
            needsCheck = needsCheck || byte(at) > 0x7F
            at &+= 1
        }
        return (at, needsCheck)
    }

    /// The end of the string value at `value`; -1 when it does not fit before `end`, -2 when it is not UTF-8.
    @inline(__always)
    private func stringEnd(_ value: Int, _ end: Int) -> Int {
        let available = end &- value &- 4
        guard available >= 1 else { return -1 }
        // Safe: four bytes, and one more, are there before `end`. The length counts the zero.
        let size = length(value)
        guard size >= 1, size <= available, byte(value &+ 3 &+ size) == 0 else { return -1 }
        if checksText, !isText(from: value &+ 4, count: size &- 1) { return -2 }
        return value &+ 4 &+ size
    }

    /// The end of a value of a type that is neither fixed in size, nor a string, document or array; -1 and -2 as
    /// `stringEnd`.
    ///
    /// - Parameter scope: The offset of the scope, still to be walked, when the value is code with scope.
    @inline(never)
    private func uncommonEnd(_ type: UInt8, _ value: Int, _ end: Int, scope: inout Int) -> Int {
        switch type {
        case 0x05: return binaryEnd(value, end)
        case 0x13: return value &+ 16 <= end ? value &+ 16 : -1
        case 0x7F, 0xFF: return value
        case 0x0D, 0x0E: return stringEnd(value, end)
        case 0x0B:
            let options = cStringEnd(value, end)
            return options > 0 ? cStringEnd(options, end) : options
        case 0x0C:
            let id = stringEnd(value, end)
            return id < 0 || id &+ 12 <= end ? (id < 0 ? id : id &+ 12) : -1
        case 0x0F:
            guard end &- value >= 14 else { return -1 }
            let size = length(value)
            guard size >= 14, size <= end &- value else { return -1 }
            // Five bytes are the least that a scope takes.
            let code = stringEnd(value &+ 4, value &+ size &- 5)
            guard code > 0 else { return code }
            guard documentCount(at: code, end: value &+ size) == value &+ size &- code else { return -1 }
            scope = code
            return value &+ size
        default: return -1
        }
    }

    private func binaryEnd(_ value: Int, _ end: Int) -> Int {
        guard end &- value >= 5 else { return -1 }
        let size = length(value)
        guard size >= 0, size <= end &- value &- 5 else { return -1 }
        if byte(value &+ 4) == 0x02, checksText {
            guard size >= 4, length(value &+ 5) == size &- 4 else { return -1 }
        }
        return value &+ 5 &+ size
    }

    /// The offset behind the zero of the C string at `from`. Safe: a zero stands at `end` at the latest.
    private func cStringEnd(_ from: Int, _ end: Int) -> Int {
        var at = from
        while byte(at) != 0 { at &+= 1 }
        guard at < end else { return -1 }
        return !checksText || isText(from: from, count: at &- from) ? at &+ 1 : -2
    }
}

/// UTF-8 (Unicode 16, table 3-7).
extension BSONWalk {
    /// Whether the bytes are well-formed UTF-8. Safe when they lie in the span.
    @inline(__always)
    func isText(from: Int, count bytes: Int) -> Bool {
        let end = from &+ bytes
        var at = from
        while at &+ 32 <= end {
            let high = (word64(at) | word64(at &+ 8)) | (word64(at &+ 16) | word64(at &+ 24))
            if high & Self.highBits != 0 { return isMultibyteText(at, end) }
            at &+= 32
        }
        while at &+ 8 <= end {
            if word64(at) & Self.highBits != 0 { return isMultibyteText(at, end) }
            at &+= 8
        }
        guard at < end else { return true }
        // The last 1 to 7 bytes as the upper bytes of a word that ends with them: where 8 bytes stand before `end`,
        // which holds for every string in a document (its length prefix, name and type come before).
        guard end >= 8 else { return isMultibyteText(at, end) }
        let tail = word64(end &- 8) >> (UInt64(8 &- (end &- at)) &* 8)
        return tail & Self.highBits == 0 || isMultibyteText(at, end)
    }

    /// Eight bytes a step: skipped while they are ASCII, otherwise through the automaton, whose time does not depend
    /// on them.
    @inline(never)
    private func isMultibyteText(_ from: Int, _ end: Int) -> Bool {
        let entries = UTF8Automaton.table
        let table = entries.span
        var state = UTF8Automaton.accept
        var at = from
        while at &+ 8 <= end {
            var word = word64(at)
            at &+= 8
            if word & Self.highBits == 0, state & 63 == UTF8Automaton.accept { continue }
            for _ in 0..<8 {
                state = table[Int(word & 0xFF)] &>> state
                word >>= 8
            }
            if state & 63 == UTF8Automaton.reject { return false }
        }
        while at < end {
            state = table[Int(byte(at))] &>> state
            at &+= 1
        }
        return state & 63 == UTF8Automaton.accept
    }
}
