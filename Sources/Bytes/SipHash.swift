/// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed 64-bit hash of short inputs. It decides chunk boundaries from
/// `_id` bytes, so that nobody without the key can predict or provoke them, and with 128 bits of output it digests
/// documents for `--verify`.
public struct SipHash: Sendable {
    @usableFromInline let key0: UInt64
    @usableFromInline let key1: UInt64

    /// The two halves of the 128-bit key, little-endian as the paper writes them.
    @inlinable
    public init(key0: UInt64, key1: UInt64) {
        self.key0 = key0
        self.key1 = key1
    }

    /// From 16 bytes of key.
    public init(key: SecretBytes) {
        precondition(key.count == 16)
        self.init(key0: key.bytes.integer(at: 0, as: UInt64.self), key1: key.bytes.integer(at: 8, as: UInt64.self))
    }

    /// 64 bits.
    @inlinable
    public func hash64(_ input: RawSpan) -> UInt64 {
        var state = State(key0, key1)
        state.absorb(input)
        state.v2 ^= 0xff
        state.finalRounds()
        return state.value
    }

    /// 128 bits, low word first (the reference implementation's 16-byte variant).
    @inlinable
    public func hash128(_ input: RawSpan) -> (low: UInt64, high: UInt64) {
        var state = State(key0, key1)
        state.v1 ^= 0xee
        state.absorb(input)
        state.v2 ^= 0xee
        state.finalRounds()
        let low = state.value
        state.v1 ^= 0xdd
        state.finalRounds()
        return (low, state.value)
    }

    /// Its functions are inlined without exception: a call would put the four words into memory and get them back.
    @usableFromInline
    struct State {
        @usableFromInline var v0: UInt64
        @usableFromInline var v1: UInt64
        @usableFromInline var v2: UInt64
        @usableFromInline var v3: UInt64

        @inlinable
        init(_ k0: UInt64, _ k1: UInt64) {
            v0 = k0 ^ 0x736f_6d65_7073_6575
            v1 = k1 ^ 0x646f_7261_6e64_6f6d
            v2 = k0 ^ 0x6c79_6765_6e65_7261
            v3 = k1 ^ 0x7465_6462_7974_6573
        }

        @inlinable var value: UInt64 { v0 ^ v1 ^ v2 ^ v3 }

        @inlinable
        @inline(__always)
        mutating func absorb(_ input: RawSpan) {
            let count = input.byteCount
            let whole = count & ~7
            var offset = 0
            while offset < whole {
                // Safe: `whole` is at most `count`, and `offset` a multiple of 8 below it.
                compress(
                    UInt64(
                        littleEndian: unsafe input.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
                    ))
                offset &+= 8
            }
            var last = UInt64(truncatingIfNeeded: count) << 56
            var shift: UInt64 = 0
            while offset < count {
                last |= UInt64(unsafe input.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)) << shift
                shift &+= 8
                offset &+= 1
            }
            compress(last)
        }

        @inlinable
        @inline(__always)
        mutating func compress(_ word: UInt64) {
            v3 ^= word
            round()
            round()
            v0 ^= word
        }

        @inlinable
        @inline(__always)
        mutating func finalRounds() {
            round()
            round()
            round()
            round()
        }

        @inlinable
        @inline(__always)
        mutating func round() {
            v0 = v0 &+ v1
            v1 = State.rotate(v1, 13) ^ v0
            v0 = State.rotate(v0, 32)
            v2 = v2 &+ v3
            v3 = State.rotate(v3, 16) ^ v2
            v0 = v0 &+ v3
            v3 = State.rotate(v3, 21) ^ v0
            v2 = v2 &+ v1
            v1 = State.rotate(v1, 17) ^ v2
            v2 = State.rotate(v2, 32)
        }

        @inlinable
        @inline(__always)
        static func rotate(_ word: UInt64, _ bits: UInt64) -> UInt64 { word &<< bits | word &>> (64 &- bits) }
    }
}
