internal import Archive
internal import BSON
internal import Bytes

/// What decides which of a collection's archived documents are its documents, and what they look like: the runs of
/// its incrementals. Immutable; threads share it.
///
/// A collection without one is what its leaves say, byte for byte, and its chunks are handed on whole.
final class Overlay: Sendable {
    private let layers: LayerTable

    init(layers: LayerTable) {
        self.layers = layers
    }

    /// Calls `body` with the live documents of a chunk of `layer`, in order, in spans that are as long as they can be.
    func forEachSpan(of chunk: RawSpan, layer: Int, _ body: (RawSpan) throws -> Void) throws {
        var documents = DocumentBatch.Chunk(chunk)
        var offset = 0
        var live = 0..<0
        while let document = try documents.next() {
            let next = offset + document.byteCount
            if layers.isLive(try DocumentIdentity.idBytes(of: document), layer: layer) {
                live = live.isEmpty ? offset..<next : live.lowerBound..<next
            } else if !live.isEmpty {
                try body(chunk.extracting(live))
                live = 0..<0
            }
            offset = next
        }
        if !live.isEmpty { try body(chunk.extracting(live)) }
    }
}
