import Bytes
import Testing

@Suite struct ZstdTests {
    private let compressible = [UInt8]((0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 37) })

    // `#expect` cannot look into calls that take spans: results are named first.
    @Test(arguments: [1, 3, 19]) func roundTrip(level: Int) throws {
        let output = Buffer(copying: [1, 2, 3])
        let compressed = ZstdCompressor(level: level).compress(compressible.rawSpan, appendingTo: output)
        let size = try #require(compressed)
        #expect(output.count == 3 + size && size < compressible.count / 10)

        let frame = [UInt8](output.array[3...])
        let decoded = Buffer(capacity: 0)
        let decompressor = ZstdDecompressor()
        let complete = decompressor.decompress(frame.rawSpan, rawCount: compressible.count, appendingTo: decoded)
        #expect(complete && decoded.array == compressible)

        // Another size than the frame's and a truncated frame are refused without a trace.
        let short = decompressor.decompress(frame.rawSpan, rawCount: compressible.count - 1, appendingTo: decoded)
        let long = decompressor.decompress(frame.rawSpan, rawCount: compressible.count + 1, appendingTo: decoded)
        let truncated = Array(frame.dropLast())
        let cut = decompressor.decompress(truncated.rawSpan, rawCount: compressible.count, appendingTo: decoded)
        #expect(!short && !long && !cut && decoded.count == compressible.count)
    }

    @Test func incompressibleIsLeftAlone() {
        let output = Buffer(capacity: 16)
        let compressor = ZstdCompressor(level: 3)
        let random = compressor.compress(SecureRandom.bytes(5000).rawSpan, appendingTo: output)
        let tiny = compressor.compress([7].rawSpan, appendingTo: output)
        #expect(random == nil && tiny == nil && output.count == 0)
    }
}
