import BSON
import Bytes
import TestSupport
import Testing

@testable import Columns

/// The decoder against changed input: it says no, or gives as many bytes as it was asked for; it never traps, and takes
/// no more memory than it may. Streams are left uncompressed, so that changes reach what is inside.
@Suite struct DecoderFuzzTests {
    private static func mutate(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = original
        for _ in 0..<random.integer(1..<6) where !bytes.isEmpty {
            let offset = random.integer(0..<min(bytes.count, random.once(in: 2) ? 400 : .max))
            switch random.integer(0..<6) {
            case 0: bytes[offset] ^= 1 << UInt8(random.integer(0..<8))
            case 1: bytes[offset] = random.pick([0, 1, 2, 3, 4, 0x7F, 0x80, 0xFE, 0xFF])
            case 2: bytes.removeLast(random.integer(0..<min(20, bytes.count)))
            case 3: bytes.insert(contentsOf: random.bytes(random.integer(1..<5)), at: offset)
            case 4: bytes.remove(at: offset)
            default: for place in offset..<min(bytes.count, offset + 9) { bytes[place] = 0xFF }
            }
        }
        return bytes
    }

    private static func chunk(_ seed: Int) -> [UInt8] {
        var documents = RandomDocuments(seed: UInt64(seed))
        switch seed % 4 {
        case 0: return Chunks.of((0..<60).map { documents.ordinaryDocument(id: .int32($0)) })
        case 1: return Chunks.of((0..<40).map { _ in documents.document(depth: 4, fieldsMax: 12) })
        case 2:
            let text = "the same words come again and again, and the others of them do so too; again and again. "
            return Chunks.of((0..<80).map { ["_id": .int32($0), "t": .string(text + "\($0) " + text), "d": 1.25] })
        default:
            return Chunks.of(
                (0..<60).map { number in
                    let entries = (0..<10).map { ("k\(number * 10 + $0)", BSONValue(number)) }
                    return ["m": .document(BSONDocument(entries)), "a": [1, "x", 2.5]]
                })
        }
    }

    @Test(arguments: 0..<8) func changedInputIsRefusedOrDecodes(seed: Int) throws {
        let chunk = Self.chunk(seed)
        let encoded = Buffer(capacity: 0)
        let encoder = ColumnarEncoder(sink: StreamSink(level: 1, compresses: seed >= 4))
        let isEncoded = encoder.encodeWhateverItTakes(chunk.rawSpan, appendingTo: encoded)
        try #require(isEncoded)
        let original = encoded.array
        let decoder = ColumnarDecoder()
        let output = Buffer(capacity: 0)
        var random = SeededGenerator(seed: UInt64(seed) + 1_000)
        for round in 0..<3_000 {
            let bytes = Self.mutate(original, &random)
            output.removeAll()
            let isDone = decoder.decode(bytes.rawSpan, rawCount: chunk.count, appendingTo: output)
            #expect(output.count == (isDone ? chunk.count : 0), "round \(round)")
        }
        #expect(output.capacity <= chunk.count * 4 + 65_536)
    }

    /// Counts that ask for more than a chunk of that size can have.
    @Test func bombsAreRefused() {
        let decoder = ColumnarDecoder()
        let output = Buffer(capacity: 0)
        let huge: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
        for head in [huge + [1], [1, 0], huge + huge, [1, 1] + huge + [1], [2, 2, 0, 0] + huge] {
            let isDone = decoder.decode((head + [0, 0, 0]).rawSpan, rawCount: 100, appendingTo: output)
            #expect(!isDone && output.count == 0)
        }
        // A frame of 60 bytes that holds 16 MB of zeros.
        let frame = Buffer(capacity: 0)
        _ = ZstdCompressor(level: 1).compress([UInt8](repeating: 0, count: 16 << 20).rawSpan, appendingTo: frame)
        let encoded = Buffer(capacity: 0)
        encoded.append(varint: 16 << 20)
        encoded.append(varint: UInt64(frame.count))
        encoded.append(varint: 0)
        encoded.append(varint: 0)
        encoded.append(frame.bytes)
        let isDone = decoder.decode(encoded.bytes, rawCount: 100, appendingTo: output)
        #expect(!isDone && output.count == 0)
    }
}
