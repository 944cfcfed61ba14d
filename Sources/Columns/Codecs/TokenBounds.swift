import Bytes

/// Cuts text into words and what stands between them. One of the module's few files with `unsafe`.
///
/// A token is a longest run of word bytes (letters, digits, all beyond ASCII) or of other bytes, inside one value. A
/// single space between two words is no token: two words in succession stand for it.
///
/// The bytes are classed first, 64 at once, into bits, of which tokens' starts follow without a branch: where words end
/// nobody can predict, so a loop over their bytes would spend most of its time on guesses that were wrong. That is done
/// for a window at once, which is still in the nearest cache when its tokens are looked at.
@safe
final class TokenBounds {
    /// Bytes that must be readable behind the text.
    static let slack = 128
    /// Blocks of 64 bytes in a window.
    private static let windowBlocks = 32

    /// Where a token starts, and whether a space that is no token is before it.
    struct Start {
        private let bits: UInt32

        @inline(__always)
        fileprivate init(_ offset: Int, isBehindSpace: UInt64) {
            bits = UInt32(truncatingIfNeeded: offset) | UInt32(truncatingIfNeeded: isBehindSpace &<< 31)
        }

        @inline(__always)
        var offset: Int { Int(bits & 0x7FFF_FFFF) }
        /// Where the token before ends.
        @inline(__always)
        var endBefore: Int { offset &- Int(bits &>> 31) }
    }

    /// The starts of a window's tokens, and the one behind them.
    let starts: UnsafeMutablePointer<Start>
    /// A bit for each byte of the text at which a value starts, and for its end.
    private var borders: UnsafeMutablePointer<UInt64>
    private var capacity = 1 << 10
    private var cursor = Cursor()

    private struct Cursor {
        var block = 0
        var blocks = 0
        var ahead = Block()
        var wordBefore: UInt64 = 0
        var spaceBefore: UInt64 = 0
        /// Starts that the last window left: one, but at the text's start.
        var pending: Start?
    }

    /// Which bytes of a block belong to words, which are spaces.
    private struct Block {
        var words: UInt64 = 0
        var spaces: UInt64 = 0
    }

    init() {
        unsafe starts = .allocate(capacity: Self.windowBlocks * 64 + 1)
        unsafe borders = .allocate(capacity: capacity)
    }

    deinit {
        unsafe starts.deallocate()
        unsafe borders.deallocate()
    }

    /// Begins with the values of `text`, which end at `ends`; the last end is the text's.
    ///
    /// - Parameter text: has zeros for `slack` behind its end.
    func begin(_ text: UnsafeRawPointer, ends: [Int]) {
        cursor = Cursor()
        cursor.blocks = (ends.last ?? 0) / 64 + 1
        if cursor.blocks + 1 > capacity {
            unsafe borders.deallocate()
            capacity = (cursor.blocks + 1) * 5 / 4
            unsafe borders = .allocate(capacity: capacity)
        }
        unsafe borders.update(repeating: 0, count: cursor.blocks + 1)
        unsafe borders[0] = 1
        for end in ends { unsafe borders[end &>> 6] |= 1 &<< UInt64(end & 63) }
        cursor.ahead = unsafe classified(text)
    }

    @inline(__always)
    private func classified(_ text: UnsafeRawPointer) -> Block {
        var block = Block()
        var part = 0
        while part < 64 {
            let bytes = unsafe text.loadUnaligned(fromByteOffset: part, as: UInt64.self).littleEndian
            block.words |= Self.gathered(WordBytes.mask(bytes)) &<< UInt64(part)
            block.spaces |= Self.gathered(WordBytes.spaces(bytes)) &<< UInt64(part)
            part &+= 8
        }
        return block
    }

    /// The high bits of eight bytes as the lowest eight.
    @inline(__always)
    private static func gathered(_ highBits: UInt64) -> UInt64 {
        ((highBits &>> 7) &* 0x0102_0408_1020_4080) &>> 56
    }

    /// Finds the next window's tokens.
    ///
    /// - Returns: how many; nil behind the last window.
    func next(_ text: UnsafeRawPointer) -> Int? {
        var cursor = cursor
        guard cursor.block < cursor.blocks else { return nil }
        let (starts, borders) = unsafe (starts, borders)
        var found = 0
        if let pending = cursor.pending {
            unsafe starts[0] = pending
            found = 1
        }
        let end = min(cursor.block &+ Self.windowBlocks, cursor.blocks)
        while cursor.block < end {
            let here = cursor.ahead
            // The block behind the last is zeros, as far as it was asked for.
            cursor.ahead =
                cursor.block &+ 1 < cursor.blocks
                ? unsafe classified(text + (cursor.block &+ 1) &* 64) : Block()
            let border = unsafe borders[cursor.block]
            let nextBorder = border &>> 1 | (unsafe borders[cursor.block &+ 1]) &<< 63
            let previous = here.words &<< 1 | cursor.wordBefore
            let next = here.words &>> 1 | cursor.ahead.words &<< 63
            let implied = here.spaces & previous & next & ~(border | nextBorder)
            let behind = implied &<< 1 | cursor.spaceBefore
            var bits = (here.words ^ previous | border) & ~implied
            let base = cursor.block &<< 6
            while bits != 0 {
                let place = bits.trailingZeroBitCount
                unsafe starts[found] = Start(base &+ place, isBehindSpace: behind &>> UInt64(place))
                bits &= bits &- 1
                found &+= 1
            }
            cursor.wordBefore = here.words &>> 63
            cursor.spaceBefore = implied &>> 63
            cursor.block &+= 1
        }
        cursor.pending = unsafe starts[found &- 1]
        self.cursor = cursor
        return found &- 1
    }
}
