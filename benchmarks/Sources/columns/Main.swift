import BSON
import Bytes
import Columns
import Foundation

/// Measures the encoding in columns on files of documents, one behind the other, against rows: stored size and MB of
/// documents a second of one core.
@main
struct Main {
    private static let chunkTarget = 1 << 20

    static func main() throws {
        var paths = Array(CommandLine.arguments.dropFirst())
        var levels = [3]
        if let first = paths.first, first.hasPrefix("--levels=") {
            levels = first.dropFirst("--levels=".count).split(separator: ",").compactMap { Int($0) }
            paths.removeFirst()
        }
        // The share of each stage, in percent; reading clocks costs a little.
        let showsStages = paths.first == "--stages"
        if showsStages { paths.removeFirst() }
        guard !paths.isEmpty else {
            print("usage: columns [--levels=1,3,19] [--stages] FILE.bson …")
            exit(2)
        }
        print("file, MiB: rows and columns by level as ratio, encode MB/s, decode MB/s")
        for path in paths {
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            let chunks = try cut(bytes)
            var line = pad(URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent, 14)
            line += fixed(Double(bytes.count) / 1_048_576, 7, 1) + " "
            for level in levels {
                line += " | \(level): " + rows(bytes, chunks, level: level)
                line += " ; " + (try columns(bytes, chunks, level: level, showsStages: showsStages))
            }
            print(line)
        }
    }

    private static func cut(_ bytes: [UInt8]) throws -> [Range<Int>] {
        var chunks: [Range<Int>] = []
        var start = 0
        var end = 0
        try DocumentBatch.forEachDocument(inChunk: bytes.rawSpan) { document in
            end += document.byteCount
            if end - start >= chunkTarget {
                chunks.append(start..<end)
                start = end
            }
        }
        if end > start { chunks.append(start..<end) }
        return chunks
    }

    private static func rows(_ bytes: [UInt8], _ chunks: [Range<Int>], level: Int) -> String {
        let compressor = ZstdCompressor(level: level)
        let decompressor = ZstdDecompressor()
        let output = Buffer(capacity: 2 << 20)
        let plain = Buffer(capacity: 2 << 20)
        var stored = 0
        var (encoding, decoding) = (0.0, 0.0)
        for chunk in chunks {
            let span = bytes.rawSpan.extracting(chunk)
            output.removeAll()
            plain.removeAll()
            encoding += seconds { stored += compressor.compress(span, appendingTo: output) ?? span.byteCount }
            decoding += seconds { _ = decompressor.decompress(output.bytes, rawCount: chunk.count, appendingTo: plain) }
        }
        return text(bytes.count, stored, encoding, decoding)
    }

    private static func columns(_ bytes: [UInt8], _ chunks: [Range<Int>], level: Int, showsStages: Bool) throws
        -> String
    {
        let encoder = ColumnarEncoder(level: level)
        let decoder = ColumnarDecoder()
        let (encoderWatch, decoderWatch) = (StageWatch(clock: nanoseconds), StageWatch(clock: nanoseconds))
        if showsStages { (encoder.watch, decoder.watch) = (encoderWatch, decoderWatch) }
        let output = Buffer(capacity: 2 << 20)
        let plain = Buffer(capacity: 2 << 20)
        var stored = 0
        var refused = 0
        var (encoding, decoding) = (0.0, 0.0)
        for chunk in chunks {
            let span = bytes.rawSpan.extracting(chunk)
            output.removeAll()
            plain.removeAll()
            var size: Int? = nil
            encoding += seconds { size = encoder.encode(span, appendingTo: output) }
            guard let size else {
                refused += 1
                stored += span.byteCount
                continue
            }
            stored += size
            var isDone = false
            decoding += seconds { isDone = decoder.decode(output.bytes, rawCount: chunk.count, appendingTo: plain) }
            guard isDone, spansEqual(plain.bytes, span) else {
                print("a chunk at \(chunk.lowerBound) does not come back")
                exit(1)
            }
        }
        let stages = showsStages ? " encode \(shares(encoderWatch)), decode \(shares(decoderWatch))" : ""
        return text(bytes.count, stored, encoding, decoding) + stages
            + (refused > 0 ? " (\(refused) chunks refused)" : "")
    }

    private static func text(_ raw: Int, _ stored: Int, _ encoding: Double, _ decoding: Double) -> String {
        fixed(Double(raw) / Double(max(1, stored)), 5, 2) + fixed(Double(raw) / encoding / 1e6, 6, 0)
            + fixed(Double(raw) / decoding / 1e6, 6, 0)
    }

    /// What part of the time each stage took, in percent.
    private static func shares(_ watch: StageWatch) -> String {
        let total = StageWatch.Stage.allCases.reduce(0) { $0 + watch.nanoseconds(of: $1) }
        return StageWatch.Stage.allCases.filter { watch.nanoseconds(of: $0) > 0 }
            .map { "\($0) \(watch.nanoseconds(of: $0) * 100 / max(1, total))" }.joined(separator: " ")
    }

    private static func nanoseconds() -> Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    private static func seconds(_ body: () -> Void) -> Double {
        var before = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before)
        body()
        var after = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after)
        return Double(after.tv_sec - before.tv_sec) + Double(after.tv_nsec - before.tv_nsec) * 1e-9
    }

    private static func fixed(_ value: Double, _ width: Int, _ digits: Int) -> String {
        pad(String(format: "%.\(digits)f", value), -width)
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        let fill = String(repeating: " ", count: max(0, abs(width) - text.utf8.count))
        return width < 0 ? fill + text : text + fill
    }
}
