internal import Archive
internal import BSON
internal import Bytes
internal import Oplog

/// Makes leaves without runs of a collection with runs, or with a window of the oplog behind it. Confined to one
/// thread.
///
/// A chunk that nothing touches is taken over by its id. In the others a changed document keeps its place, as it does
/// on the server, so that a later scan makes the same chunks; what is new comes at the end.
struct CollectionCompactor {
    private let state: ArchivedState
    private let writer: ArchiveWriter
    private let pieces: PieceReader
    private let scratch = FoldScratch()
    private let progress: JobProgress
    private let cancellation: Cancellation

    init(_ state: ArchivedState, _ writer: ArchiveWriter, _ progress: JobProgress, _ cancellation: Cancellation) {
        self.state = state
        self.writer = writer
        self.progress = progress
        self.cancellation = cancellation
        pieces = PieceReader(state.reader)
    }

    /// Adds the documents of `collection`, or of the part of it that this wave has, to `leaves`.
    func compact(_ collection: ArchivedCollection, isPart: Bool, into leaves: LeafRewriter) throws {
        let passes = collection.passes()
        guard !isPart, passes.count == 1, RunDocuments.fits(collection.entry) else {
            return try rewrite(collection, into: leaves)
        }
        let reader = state.reader.makeChunkReader()
        let overlay = try collection.overlay(passes[0], reader)
        guard let overlay else { return try rewrite(collection, into: leaves) }
        var replacements = try replacements(of: collection, overlay)
        var base = state.reader.leaves(of: collection.entry)
        while let leaf = try base.next() {
            try cancellation.check()
            try compact(leaf, overlay, &replacements, into: leaves)
            progress.add(documents: leaf.documents, bytesIn: leaf.rawBytes)
        }
        try replacements.forEachLeft { document in try append(document, overlay, into: leaves) }
        if let fold = collection.fold {
            try pieces.forEachNewDocument(of: fold, isComplete: true) { try leaves.append(contentsOf: $0) }
        }
    }

    /// Where tables do not fit memory at once, every document is written anew, in the order in which it comes.
    private func rewrite(_ collection: ArchivedCollection, into leaves: LeafRewriter) throws {
        try pieces.read(collection, of: state.reader) { documents in
            try cancellation.check()
            try leaves.append(contentsOf: documents)
            progress.add(documents: 0, bytesIn: documents.byteCount)
        }
    }

    private func replacements(of collection: ArchivedCollection, _ overlay: Overlay) throws -> RunDocuments {
        var documents = RunDocuments()
        var cursor = state.reader.layers(of: collection.entry)
        while let (leaf, layer) = try cursor.next() {
            guard layer > 0 else { continue }
            try pieces.fetch(leaf)
            try pieces.withChunk { chunk in
                var walk = DocumentBatch.Chunk(chunk)
                while let document = try walk.next() {
                    let identity = try DocumentIdentity.idBytes(of: document)
                    if overlay.isLive(identity, layer: layer) { documents.add(document, identity) }
                }
            }
        }
        return documents
    }

    private func compact(
        _ leaf: Leaf, _ overlay: Overlay, _ replacements: inout RunDocuments, into leaves: LeafRewriter
    ) throws {
        try pieces.fetch(leaf)
        let isTouched = try pieces.withChunk { chunk in
            var walk = DocumentBatch.Chunk(chunk)
            // Documents that stay as they are, and were not handed on yet.
            var (start, end) = (0, 0)
            var isTouched = !leaves.canKeep
            while let document = try walk.next() {
                let identity = try DocumentIdentity.idBytes(of: document)
                let outcome = try overlay.outcome(of: document, identity, layer: 0, scratch)
                let next = end + document.byteCount
                if case .untouched = outcome {
                    end = next
                    continue
                }
                isTouched = true
                try leaves.append(contentsOf: chunk.extracting(start..<end))
                (start, end) = (next, next)
                if case .replaced = outcome { try leaves.append(contentsOf: scratch.document.bytes) }
                // A run holds it as it was later, or removed it.
                if case .foreign = outcome {
                    try replacements.take(identity) { try append($0, overlay, into: leaves) }
                }
            }
            if isTouched { try leaves.append(contentsOf: chunk.extracting(start..<end)) }
            return isTouched
        }
        if !isTouched { try leaves.keep(leaf) }
    }

    /// Adds a document of a run as the oplog left it.
    private func append(_ document: RawSpan, _ overlay: Overlay, into leaves: LeafRewriter) throws {
        let identity = try DocumentIdentity.idBytes(of: document)
        switch try overlay.outcome(ofLive: document, identity, scratch) {
        case .untouched: try leaves.append(contentsOf: document)
        case .replaced: try leaves.append(contentsOf: scratch.document.bytes)
        case .removed, .foreign: break
        }
    }
}
