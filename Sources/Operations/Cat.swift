internal import Archive
internal import BSON
internal import Bytes
internal import Oplog

/// Gives out the documents of one collection as of a snapshot or a time. No server is needed.
public struct Cat: Sendable {
    /// What is wanted.
    public struct Options: Sendable {
        /// The repository.
        public var repository: RepositoryAccess
        /// As of when.
        public var moment: Moment
        /// `db.collection`.
        public var namespace: String
        /// Only the document with this `_id`: type byte and value bytes, as `DocumentIdentity` gives them.
        public var id: [UInt8]?
        /// At most so many documents.
        public var limit: Int?

        /// All documents of a collection.
        public init(repository: RepositoryAccess, moment: Moment, namespace: String) {
            self.repository = repository
            self.moment = moment
            self.namespace = namespace
            id = nil
            limit = nil
        }
    }

    /// Thrown to leave the readers when the limit is reached.
    private struct Enough: Error {}

    private static let readAhead = (threads: 2, window: 4)

    private let options: Options

    /// Prepares to give out what `options` select.
    public init(options: Options) {
        self.options = options
    }

    /// Calls `body` with every document, in the order of the scan that archived them. The bytes are lent for the call.
    ///
    /// - Returns: the number of documents.
    /// - Throws: what `body` throws; `.notFound` for a namespace that is not there, and for an `_id` that is not in it.
    public func run(_ body: (RawSpan) throws -> Void) throws -> Int {
        let repository = try options.repository.open(caching: true)
        let index = try repository.loadIndex()
        let state = try repository.state(at: options.moment, chunks: index)
        let collection = try state.collection(options.namespace)
        try requireDocuments(collection.entry)
        if options.limit == 0 { return 0 }
        let chunks = ChunkPrefetcher(
            repository: repository, chunks: index, threads: Cat.readAhead.threads, window: Cat.readAhead.window)
        var count = 0
        do {
            try state.forEachWave { wave in
                guard let collection = wave[collection.number] else { return }
                try read(collection, of: state, chunks) { document in
                    try body(document)
                    count += 1
                    if count == options.limit { throw Enough() }
                }
            }
        } catch is Enough {}
        if options.id != nil && count == 0 {
            throw CairnError(
                .notFound, "no document with that _id in \(state.description)",
                object: options.namespace)
        }
        return count
    }

    private func read(
        _ collection: ArchivedCollection, of state: ArchivedState, _ chunks: ChunkPrefetcher,
        _ body: (RawSpan) throws -> Void
    ) throws {
        let isSorted = state.snapshot.scanOrder == .id && Cat.isSortedByID(collection.entry)
        let wanted = Wanted(options, skipsLeaves: isSorted)
        let scratch = FoldScratch()
        for pass in collection.passes() {
            let overlay = try collection.overlay(pass, state.reader.makeChunkReader())
            var leaves = state.reader.layers(of: collection.entry)
            // Of the leaves that are read ahead, in order.
            var layers: [Int] = []
            try chunks.read {
                guard let (leaf, layer) = try wanted.next(&leaves) else { return nil }
                layers.append(layer)
                return leaf
            } _: { _, chunk in
                let layer = layers.removeFirst()
                guard let overlay else { return try wanted.forEachDocument(of: chunk, body) }
                try overlay.forEachSpan(of: chunk, layer: layer, scratch) {
                    try wanted.forEachDocument(of: $0, body)
                }
            }
        }
        try collection.fold?.forEachRemaining(into: scratch) { document, _ in
            try wanted.forEachDocument(of: document, body)
        }
    }

    /// A view holds nothing; saying so beats giving out nothing. A time series gives out its buckets, which are what it
    /// stores.
    private func requireDocuments(_ entry: CatalogueEntry) throws {
        guard entry.kind == .view else { return }
        throw CairnError(.usage, "a view, which holds no documents", object: options.namespace)
    }

    /// Whether an `_id`-ordered scan gave the documents in the order of `BSONOrder`: a collation orders strings
    /// otherwise, and capped collections are always read in natural order.
    private static func isSortedByID(_ entry: CatalogueEntry) -> Bool {
        !entry.options.contains("collation") && !entry.options.contains("capped")
    }
}

/// Which leaves and documents are given out.
private struct Wanted {
    private let id: [UInt8]?
    private let limit: Int?
    private let skipsLeaves: Bool

    init(_ options: Cat.Options, skipsLeaves: Bool) {
        id = options.id
        limit = options.limit
        self.skipsLeaves = skipsLeaves
    }

    /// The next leaf that can hold a wanted document.
    func next(_ leaves: inout LayeredCursor) throws -> (leaf: Leaf, layer: Int)? {
        while let (leaf, layer) = try leaves.next() {
            if try canHold(leaf, layer) { return (leaf, layer) }
        }
        return nil
    }

    /// The leaves of runs are not in the order of the scan.
    private func canHold(_ leaf: Leaf, _ layer: Int) throws -> Bool {
        guard let id, skipsLeaves, layer == 0, !leaf.firstID.isEmpty, !leaf.lastID.isEmpty else { return true }
        return try BSONOrder.compareIdentities(id.rawSpan, leaf.firstID.rawSpan) != .less
            && BSONOrder.compareIdentities(id.rawSpan, leaf.lastID.rawSpan) != .greater
    }

    /// Numbers match across types, as `find({_id: 5})` does.
    func forEachDocument(of chunk: RawSpan, _ body: (RawSpan) throws -> Void) throws {
        var documents = DocumentBatch.Chunk(chunk)
        while let document = try documents.next() {
            if let id {
                let own = try DocumentIdentity.idBytes(of: document)
                guard try BSONOrder.compareIdentities(own, id.rawSpan) == .equal else { continue }
            }
            try body(document)
        }
    }
}
