import Bytes
import Columns

/// Encodes chunks in rows or in columns, whichever is smaller, and decodes them. One instance a thread.
///
/// In columns a chunk of documents takes between a third and nine tenths of what it takes in rows; trying both would
/// cost the time of both. So a sample of the rows tells what they would take, corrected by what the chunks before it
/// took of what their samples told; rows are tried where that does not settle it.
final class ChunkCompressor {
    private let rows: ZstdCompressor
    private let columns: ColumnarEncoder?
    private let triesBoth: Bool
    private let scratch = Buffer(capacity: 0)
    /// What chunks took in rows, as a share of what their samples told.
    private var correction = 1.0

    /// Bytes of a chunk that tell of its rows.
    private static let sampleMax = 64 << 10
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
        guard triesBoth || isInDoubt(size, plaintext) else { return .columns }
        let scratch = scratch
        scratch.removeAll()
        guard let rowSize = rows.compress(plaintext, appendingTo: scratch) else { return .columns }
        correct(by: rowSize, plaintext)
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

    /// What the sample of the chunk that was asked about last told, in bytes of the whole chunk.
    private var told = 0.0

    private func isInDoubt(_ size: Int, _ plaintext: RawSpan) -> Bool {
        let count = min(plaintext.byteCount, Self.sampleMax)
        let start = (plaintext.byteCount - count) / 2
        let scratch = scratch
        scratch.removeAll()
        let sample = rows.compress(plaintext.extracting(start..<(start + count)), appendingTo: scratch) ?? count
        told = Double(sample) * Double(plaintext.byteCount) / Double(count)
        return Double(size) > told * correction * 0.95
    }

    /// Follows the smallest share of late, so that a collection whose rows compress well is not taken for another.
    private func correct(by rowSize: Int, _ plaintext: RawSpan) {
        guard told > 0 else { return }
        let share = min(1, Double(rowSize) / told)
        correction = min(share, correction + 0.02)
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
