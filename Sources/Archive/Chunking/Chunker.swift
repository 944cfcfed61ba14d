public import Bytes
import Glibc

/// The sizes a chunker aims at, in raw bytes of whole documents.
public struct ChunkSizes: Hashable, Sendable {
    /// No chunk that ends at a boundary of its own is smaller.
    public let minimum: Int
    /// The expected size.
    public let target: Int
    /// No chunk is larger, unless it is a single document.
    public let maximum: Int

    /// - Precondition: `0 < minimum ≤ target / 4`, `target < maximum`: above `target / e` no threshold yields the
    ///   target.
    public init(minimum: Int, target: Int, maximum: Int) {
        precondition(minimum > 0 && minimum <= target / 4 && target < maximum && target <= 1 << 28)
        self.minimum = minimum
        self.target = target
        self.maximum = maximum
    }

    /// 256 KiB, 1 MiB, 4 MiB: chunks of documents.
    public static let documents = ChunkSizes(minimum: 256 << 10, target: 1 << 20, maximum: 4 << 20)

    /// 16 KiB, 64 KiB, 256 KiB: leaf lists and catalogues. A changed leaf costs one such chunk in every snapshot,
    /// so they are smaller than chunks of documents; at 64 KiB a list names about 600 MiB of data.
    public static let metadata = ChunkSizes(minimum: 16 << 10, target: 64 << 10, maximum: 256 << 10)
}

/// Decides after which documents a chunk ends (format-spec.md, "Chunking"). No reader depends on it.
///
/// A document is a *candidate* when the keyed hash of its `_id` falls below a threshold proportional to its size. The
/// chunk ends after a candidate that has no other candidate in the `minimum` bytes before its end; the start of the
/// stream counts as one.
///
///     ......C..........................C..C.........C........
///           │<------ ≥ minimum ------->│  │ too near: no cut
///           cut                       cut
///
/// Whether a chunk ends after a document is thus a function of the `minimum` bytes before it and of nothing else.
/// An insert, an update or a delete can alter decisions only within `minimum` bytes behind it, where at most one
/// cut has room: it makes at most two new chunks, and nothing behind them moves. Skipping candidates until
/// `minimum` bytes after the last *cut*, as other chunkers do, depends on where that cut was, and one edit can then
/// shift a whole row of cuts.
///
/// Suppressing candidates loses cuts. Candidates at rate λ a byte leave cuts at rate λ·e^(−λ·minimum), which must
/// be 1/target: λ = x/target with x = e^(x·minimum/target); x ≈ 1.43 for a quarter. A document of `minimum` bytes
/// or more has no room for a candidate in front of it and needs no correction, so the factor falls linearly from x
/// to 1.
///
/// Where no cut comes for `maximum` − `target` bytes (2 % of chunks), the first document ends the chunk whose hash
/// falls below a threshold 16 times as high: again content decides, so that an edit in such a stretch does not move
/// the ends behind it. Such an end is no candidate and hides none; the rest behind it may be smaller than
/// `minimum`, as may the last chunk. Should even that fail, the chunk ends before the document that would exceed
/// `maximum`. Only in such a stretch can an edit that makes or removes a cut touch a third chunk: a bound on the
/// size costs that.
public struct Chunker: Sendable {
    private let hash: SipHash
    private let sizes: ChunkSizes
    /// The probability of a cut per byte, as a fraction of 2^64.
    private let perByte: UInt64
    /// (x − 1) in units of 2^-16, see above.
    private let correction: UInt64
    private var chunkBytes = 0
    private var bytesSinceCandidate = 0

    /// A chunker at the start of a stream of documents.
    ///
    /// - Parameter hash: SipHash-2-4 under the repository's chunker key, so that sizes do not tell which `_id`s
    ///   exist.
    public init(hash: SipHash, sizes: ChunkSizes) {
        self.hash = hash
        self.sizes = sizes
        perByte = UInt64.max / UInt64(sizes.target)
        let minimum = Double(sizes.minimum) / Double(sizes.target)
        var x = 1.0
        for _ in 0..<100 { x = exp(x * minimum) }
        correction = UInt64(((x - 1) * 65536).rounded())
    }

    /// Whether the chunk must end before a document of `size` bytes is taken. If so, the document starts the next
    /// one.
    @inline(__always)
    public mutating func mustEnd(beforeDocumentOf size: Int) -> Bool {
        guard chunkBytes > 0, chunkBytes + size > sizes.maximum else { return false }
        chunkBytes = 0
        return true
    }

    /// Takes a document of `size` bytes into the chunk; whether the chunk ends after it.
    ///
    /// - Parameter identity: the bytes of its `_id`, or the whole document where it has none.
    @inline(__always)
    public mutating func endsChunk(after identity: RawSpan, size: Int) -> Bool {
        chunkBytes += size
        bytesSinceCandidate += size
        let value = hash.hash64(identity)
        let threshold = threshold(size)
        guard value <= threshold else {
            guard chunkBytes > sizes.maximum - sizes.target, value >> 4 <= threshold else { return false }
            chunkBytes = 0
            return true
        }
        let isolated = bytesSinceCandidate >= sizes.minimum
        bytesSinceCandidate = 0
        if isolated { chunkBytes = 0 }
        return isolated
    }

    @inline(__always)
    private func threshold(_ size: Int) -> UInt64 {
        guard size < sizes.target else { return .max }
        let plain = UInt64(size) * perByte
        guard size < sizes.minimum else { return plain }
        // Below: plain ≤ 2^62 and the factor < 1, so neither product overflows.
        let factor = correction * UInt64(sizes.minimum - size) / UInt64(sizes.minimum)
        return plain + (plain >> 16) * factor
    }
}
