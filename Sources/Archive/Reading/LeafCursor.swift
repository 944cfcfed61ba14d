import Bytes

/// The leaves of one collection, one by one, in order; leaf lists are read as they are reached. Confined to one
/// thread.
public struct LeafCursor {
    private let expected: (leaves: Int, documents: Int, rawBytes: Int)
    /// What the leaves are of, for messages.
    private let owner: String
    private let object: String
    private let reader: ChunkReader
    private let buffer = Buffer(capacity: 0)
    private var lists: ArraySlice<ChunkID>
    private var leaves: ArraySlice<Leaf>
    private var count = 0
    private var documents = 0
    private var rawBytes = 0
    private var ended = false

    /// The leaves that the entry had before its runs.
    init(entry: CatalogueEntry, snapshot: RandomID, reader: ChunkReader) {
        self.init(
            entry.leaves, expected: (entry.leafCount, entry.documents, entry.rawBytes), owner: entry.namespace,
            object: Names.text(.snapshot, snapshot), reader: reader)
    }

    /// The leaves of one run.
    init(run: Run, owner: String, object: String, reader: ChunkReader) {
        self.init(
            run.leaves, expected: (run.leafCount, run.documents, run.rawBytes), owner: owner, object: object,
            reader: reader)
    }

    /// The leaves of an entry that no snapshot names yet.
    public init(leaves entry: CatalogueEntry, reader: ChunkReader) {
        self.init(
            entry.leaves, expected: (entry.leafCount, entry.documents, entry.rawBytes), owner: entry.namespace,
            object: "the snapshot under way", reader: reader)
    }

    private init(
        _ leaves: CatalogueEntry.Leaves, expected: (leaves: Int, documents: Int, rawBytes: Int), owner: String,
        object: String, reader: ChunkReader
    ) {
        self.expected = expected
        self.owner = owner
        self.object = object
        self.reader = reader
        switch leaves {
        case .inline(let inline):
            self.leaves = inline[...]
            lists = []
        case .lists(let ids):
            self.leaves = []
            lists = ids[...]
        }
    }

    /// The next leaf, nil behind the last.
    ///
    /// - Throws: `.corrupt` when a leaf list cannot be read. Calling it again goes on with the list after it
    ///   (`--salvage`). At the end
    ///   also when the leaves do not add up to what the catalogue entry says, once.
    public mutating func next() throws -> Leaf? {
        while leaves.isEmpty {
            guard let list = lists.popFirst() else {
                try checkTotals()
                return nil
            }
            try read(list)
        }
        let leaf = leaves.removeFirst()
        count += 1
        documents += leaf.documents
        rawBytes += leaf.rawBytes
        return leaf
    }

    private mutating func read(_ list: ChunkID) throws {
        buffer.removeAll()
        try reader.read(list, type: .leafList, into: buffer)
        var read: [Leaf] = []
        try Leaf.forEach(inList: buffer.bytes, object: "leaf list \(list.hex)") { read.append($0) }
        leaves = read[...]
    }

    private mutating func checkTotals() throws {
        guard !ended else { return }
        ended = true
        guard count == expected.leaves, documents == expected.documents, rawBytes == expected.rawBytes else {
            throw CairnError(
                .corrupt,
                """
                \(owner): its leaves hold \(count) chunks, \(documents) documents and \(rawBytes) bytes, its \
                catalogue entry says \(expected.leaves), \(expected.documents) and \(expected.rawBytes)
                """, object: object)
        }
    }
}
