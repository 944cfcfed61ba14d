import Bytes
import Columns

/// Encodes chunks in rows or in columns, whichever is smaller, and decodes them. One instance a thread.
///
/// In columns a chunk of documents takes between a tenth and all of what it takes in rows; trying both would cost the
/// time of both. So a sample of the rows tells what they would take, corrected by what earlier chunks took of what
/// their samples told. Where columns are not clearly smaller than that, rows are tried too: always when they seem
/// smaller, and now and then when they do not, to correct what samples tell.
final class ChunkCompressor {
    private let rows: ZstdCompressor
    private let columns: ColumnarEncoder?
    private let triesBoth: Bool
    private let scratch = Buffer(capacity: 0)
    /// What chunks took in rows of late, as a share of what their samples told.
    private var correction = 1.0
    /// Chunks until rows are tried again although they do not seem smaller.
    private var untilNextTrial = 0

    /// Bytes of a chunk that tell of its rows.
    private static let sampleMax = 32 << 10
    private static let trialEvery = 8
    /// Above this level the search takes so long that the other encoding's time does not count.
    private static let patientLevel = 10

    /// - Parameter columns: Whether readers of the repository know columns, format-spec.md §6.6 [J-1].
    init(level: Int, columns: Bool) {
        rows = ZstdCompressor(level: level)
        self.columns = columns ? ColumnarEncoder(level: level) : nil
        triesBoth = level >= Self.patientLevel
    }

    /// Appends the encoded chunk to `output`, or the chunk itself where no encoding makes it smaller.
    func encode(_ plaintext: RawSpan, type: ChunkType, appendingTo output: Buffer) -> ChunkEncoding {
        let start = output.count
        guard let columns, type == .documents || type == .oplog,
            let size = columns.encode(plaintext, appendingTo: output)
        else { return encodeRows(plaintext, appendingTo: output) }
        let told = tell(plaintext)
        guard triesBoth || isInDoubt(size, told * correction) else { return .columns }
        let scratch = scratch
        scratch.removeAll()
        guard let rowSize = rows.compress(plaintext, appendingTo: scratch) else { return .columns }
        correction += (min(1, Double(rowSize) / told) - correction) / 4
        guard rowSize < size else { return .columns }
        output.truncate(to: start)
        output.append(scratch.bytes)
        return .zstd
    }

    private func encodeRows(_ plaintext: RawSpan, appendingTo output: Buffer) -> ChunkEncoding {
        if rows.compress(plaintext, appendingTo: output) != nil { return .zstd }
        output.append(plaintext)
        return .raw
    }

    /// What a sample tells of the size of all in rows.
    private func tell(_ plaintext: RawSpan) -> Double {
        let count = min(plaintext.byteCount, Self.sampleMax)
        let start = (plaintext.byteCount - count) / 2
        let scratch = scratch
        scratch.removeAll()
        let sample = rows.compress(plaintext.extracting(start..<(start + count)), appendingTo: scratch) ?? count
        return Double(sample) * Double(plaintext.byteCount) / Double(count)
    }

    private func isInDoubt(_ size: Int, _ rows: Double) -> Bool {
        if Double(size) < rows * 0.95 { return false }
        untilNextTrial -= 1
        if Double(size) < rows, untilNextTrial > 0 { return false }
        untilNextTrial = Self.trialEvery
        return true
    }
}

/// Decodes what `ChunkCompressor` encoded. One instance a thread.
final class ChunkDecompressor {
    private let rows = ZstdDecompressor()
    private lazy var columns = ColumnarDecoder()

    /// Appends the chunk's `rawCount` bytes to `output`.
    ///
    /// - Returns: false when `encoded` is no such chunk; nothing is appended then.
    func decode(_ encoded: RawSpan, _ encoding: ChunkEncoding, rawCount: Int, appendingTo output: Buffer) -> Bool {
        switch encoding {
        case .raw:
            guard encoded.byteCount == rawCount else { return false }
            output.append(encoded)
            return true
        case .zstd: return rows.decompress(encoded, rawCount: rawCount, appendingTo: output)
        case .columns: return columns.decode(encoded, rawCount: rawCount, appendingTo: output)
        }
    }
}
