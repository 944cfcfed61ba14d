internal import Archive
internal import BSON
internal import Bytes
internal import Oplog

/// What decides which of a collection's archived documents are its documents, and what they look like: the runs of
/// its incrementals, and behind them a window of the oplog. Threads share it.
///
/// A collection without one is what its leaves say, byte for byte, and its chunks are handed on whole.
final class Overlay: Sendable {
    private let layers: LayerTable?
    private let fold: FoldTable?

    init(layers: LayerTable?, fold: FoldTable?) {
        self.layers = layers
        self.fold = fold
    }

    /// Calls `body` with the live documents of a chunk of `layer`, in order, in spans that are as long as they can be.
    ///
    /// - Parameter scratch: where a document that the oplog changed is built.
    func forEachSpan(
        of chunk: RawSpan, layer: Int, _ scratch: FoldScratch, _ body: (RawSpan) throws -> Void
    ) throws {
        var documents = DocumentBatch.Chunk(chunk)
        var offset = 0
        var live = 0..<0
        while let document = try documents.next() {
            let next = offset + document.byteCount
            let outcome = try outcome(
                of: document, DocumentIdentity.idBytes(of: document), layer: layer, scratch)
            if case .untouched = outcome {
                live = live.isEmpty ? offset..<next : live.lowerBound..<next
            } else {
                if !live.isEmpty { try body(chunk.extracting(live)) }
                live = 0..<0
                if case .replaced = outcome { try body(scratch.document.bytes) }
            }
            offset = next
        }
        if !live.isEmpty { try body(chunk.extracting(live)) }
    }

    /// What became of one document of `layer`: foreign when a later run replaced or removed it, or another pass has it.
    func outcome(
        of document: RawSpan, _ identity: RawSpan, layer: Int, _ scratch: FoldScratch
    ) throws -> FoldTable.Outcome {
        isLive(identity, layer: layer) ? try outcome(ofLive: document, identity, scratch) : .foreign
    }

    /// What the oplog made of a document that no later run replaced or removed.
    func outcome(
        ofLive document: RawSpan, _ identity: RawSpan, _ scratch: FoldScratch
    ) throws -> FoldTable.Outcome {
        guard let fold else { return .untouched }
        return try fold.apply(document, identity: identity, into: scratch)
    }

    /// Whether no later run replaced or removed a document of `layer`, and this pass has it.
    func isLive(_ identity: RawSpan, layer: Int) -> Bool { layers?.isLive(identity, layer: layer) ?? true }
}
