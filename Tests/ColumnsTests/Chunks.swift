import BSON
import Bytes
import Testing

@testable import Columns

/// Chunks of documents, and the way there and back.
enum Chunks {
    static func of(_ documents: [BSONDocument]) -> [UInt8] { documents.flatMap(\.bytes) }

    /// Encodes and decodes; the chunk must come back byte for byte.
    ///
    /// - Returns: the encoded bytes; nil when the encoder cannot take the chunk apart.
    @discardableResult
    static func roundTrip(
        _ chunk: [UInt8], level: Int = 3, sourceLocation: SourceLocation = #_sourceLocation
    ) -> [UInt8]? {
        let output = Buffer(capacity: 0)
        guard ColumnarEncoder(level: level).encodeWhateverItTakes(chunk.rawSpan, appendingTo: output) else {
            return nil
        }
        let plain = Buffer(capacity: 0)
        let isDone = ColumnarDecoder().decode(output.bytes, rawCount: chunk.count, appendingTo: plain)
        #expect(isDone && plain.array == chunk, sourceLocation: sourceLocation)
        return output.array
    }
}
