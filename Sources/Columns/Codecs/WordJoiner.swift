import Bytes

/// Puts values together from numbers of words. One of the module's few files with `unsafe`.
///
/// A word is copied in steps of 16 bytes, of which what lies behind it is written over by the next: the spans of words
/// and escapes have `slack` bytes behind their last, and so has the target.
@safe
struct WordJoiner {
    /// Bytes that must follow the words, the escapes and the values.
    static let slack = 16

    /// A word: where it is, how long, and whether it starts with a word byte. In one load, without a look at the word.
    struct Word {
        private let bits: UInt64

        @inline(__always)
        init(offset: Int, length: Int, isWord: Bool) {
            bits = UInt64(UInt32(offset)) << 32 | UInt64(UInt32(length)) << 1 | (isWord ? 1 : 0)
        }

        @inline(__always)
        var offset: Int { Int(bits &>> 32) }
        @inline(__always)
        var length: Int { Int(bits & 0xFFFF_FFFF) &>> 1 }
        @inline(__always)
        var isWord: Bool { bits & 1 != 0 }
    }

    private let target: UnsafeMutableRawPointer
    private let limit: Int
    /// Bytes of values so far.
    private(set) var count = 0
    /// Numbers read so far.
    private(set) var token = 0
    /// Escapes used so far.
    private(set) var escape = 0
    private var escapeOffset = 0

    /// - Parameter target: has room for `limit` bytes and the slack.
    init(target: UnsafeMutableRawPointer, limit: Int) {
        unsafe self.target = target
        self.limit = limit
    }

    /// Appends a value with a text of `length` bytes: a length that counts the zero, the text, a zero.
    mutating func join(
        _ length: Int64, _ low: RawSpan, _ high: RawSpan, _ words: RawSpan, _ table: [Word], _ escapes: RawSpan,
        _ escapeLengths: IntegerCodec
    ) throws(ColumnarFault) {
        guard length >= 0, length <= Int64(limit &- count &- 5) else {
            throw ColumnarFault.malformed("a length beyond the column")
        }
        let prefix = UInt32(truncatingIfNeeded: length &+ 1).littleEndian
        unsafe target.storeBytes(of: prefix, toByteOffset: count, as: UInt32.self)
        count &+= 4
        let end = count &+ Int(length)
        var isBehindWord = false
        while count < end {
            guard token < low.byteCount else { throw ColumnarFault.truncated }
            var code = Int(low.byte(at: token))
            if high.byteCount > 0 { code |= Int(high.byte(at: token)) << 8 }
            token &+= 1
            if code > 0 {
                guard code <= table.count else { throw ColumnarFault.malformed("a number beyond the vocabulary") }
                try append(words, table[code &- 1], end, &isBehindWord)
            } else {
                guard escape < escapeLengths.count else { throw ColumnarFault.truncated }
                let size = escapeLengths.value(at: escape)
                guard size > 0, size <= Int64(escapes.byteCount &- Self.slack &- escapeOffset) else {
                    throw ColumnarFault.truncated
                }
                let isWord = WordBytes.contains(escapes.byte(at: escapeOffset))
                let word = Word(offset: escapeOffset, length: Int(size), isWord: isWord)
                try append(escapes, word, end, &isBehindWord)
                escape &+= 1
                escapeOffset &+= Int(size)
            }
        }
        unsafe target.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    @inline(__always)
    private mutating func append(
        _ source: RawSpan, _ word: Word, _ end: Int, _ isBehindWord: inout Bool
    ) throws(ColumnarFault) {
        let size = word.length
        let space = word.isWord && isBehindWord ? 1 : 0
        guard size &+ space <= end &- count else { throw ColumnarFault.malformed("a word beyond its value") }
        // Written always, and written over unless it counts.
        unsafe target.storeBytes(of: 0x20, toByteOffset: count, as: UInt8.self)
        count &+= space
        // Safe: the word's end was compared with the end of what the slack follows; the target has slack too.
        unsafe source.withUnsafeBytes { source in
            let from = unsafe source.baseAddress! + word.offset
            let to = unsafe target + count
            var at = 0
            repeat {
                unsafe (to + at).storeBytes(
                    of: (from + at).loadUnaligned(as: SIMD16<UInt8>.self), as: SIMD16<UInt8>.self)
                at &+= 16
            } while at < size
        }
        count &+= size
        isBehindWord = word.isWord
    }
}
