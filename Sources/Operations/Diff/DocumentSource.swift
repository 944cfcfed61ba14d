internal import Archive
internal import BSON
internal import Bytes
internal import Oplog

/// The documents of one side of a comparison, which may be read several times. Confined to one thread.
struct DocumentSource: JoinSource {
    private let collection: ArchivedCollection?
    private let leaves: [Leaf]?
    private let state: ArchivedState
    private let pieces: PieceReader

    /// All documents of `collection`, or none when the state has no such collection; with `leaves` those in them,
    /// which are the collection's own and nobody's behind them.
    init(_ collection: ArchivedCollection?, _ state: ArchivedState, leaves: [Leaf]? = nil) {
        self.collection = collection
        self.leaves = leaves
        self.state = state
        pieces = PieceReader(state.reader)
    }

    /// Whether there is nothing to read.
    var isEmpty: Bool {
        guard let collection else { return true }
        return leaves?.isEmpty ?? (collection.entry.totalLeafCount == 0 && !collection.isFolded)
    }

    /// The number of documents; nil when only reading them tells.
    var documents: Int? {
        guard let collection else { return 0 }
        guard let leaves else { return collection.documents }
        return leaves.reduce(0) { $0 + $1.documents }
    }

    /// About how many documents there are, rather too many.
    var estimate: Int {
        documents ?? collection.map { $0.entry.liveDocuments + ($0.fold?.documentCount ?? 0) } ?? 0
    }

    /// Calls `body` with each document and its identity, borrowed for the call.
    ///
    /// - Throws: `.corrupt` for what cannot be read, and where snapshot and oplog do not fit; what `body` throws.
    func forEachDocument(_ body: (_ document: RawSpan, _ identity: RawSpan) throws -> Void) throws {
        guard let collection else { return }
        collection.fold?.forgetSeen()
        func give(_ span: RawSpan) throws {
            var documents = DocumentBatch.Chunk(span)
            while let document = try documents.next() {
                try body(document, try DocumentIdentity.idBytes(of: document))
            }
        }
        if let leaves {
            for leaf in leaves {
                try pieces.fetch(leaf)
                try pieces.forEachSpan(layer: 0, through: nil) { try give($0) }
            }
        } else if collection.isFolded, collection.fold == nil {
            try state.forEachWave { wave in
                guard let part = wave[collection.number] else { return }
                try pieces.read(part, of: state.reader) { try give($0) }
            }
        } else {
            try pieces.read(collection, of: state.reader) { try give($0) }
        }
    }
}

/// The documents that can differ between two states that stand on the same leaves. Immutable.
struct Suspects {
    /// What the runs touched that only one of the states has.
    let tables: [LayerTable]
    /// What the oplog touched.
    let folds: [FoldTable]

    /// Whether a run or the oplog touched the document. They touch none without `_id`.
    func contains(_ identity: RawSpan) -> Bool {
        tables.contains { !$0.isLive(identity, layer: 0) } || folds.contains { $0.touches(identity) }
    }
}
