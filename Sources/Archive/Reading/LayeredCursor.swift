import Bytes

/// All leaves of one collection: those of its catalogue entry, which are layer 0, then those of its runs, of which
/// the i-th (from 1) is layer i. Confined to one thread.
public struct LayeredCursor {
    private let runs: [Run]
    private let owner: String
    private let object: String
    private let reader: ChunkReader
    private var layer = 0
    private var leaves: LeafCursor

    init(entry: CatalogueEntry, snapshot: RandomID, reader: ChunkReader) {
        runs = entry.runs
        owner = entry.namespace
        object = Names.text(.snapshot, snapshot)
        self.reader = reader
        leaves = LeafCursor(entry: entry, snapshot: snapshot, reader: reader)
    }

    /// All leaves of an entry that no snapshot names yet.
    public init(layers entry: CatalogueEntry, reader: ChunkReader) {
        runs = entry.runs
        owner = entry.namespace
        object = "the snapshot under way"
        self.reader = reader
        leaves = LeafCursor(leaves: entry, reader: reader)
    }

    /// The next leaf with its layer, nil behind the last.
    ///
    /// - Throws: as `LeafCursor.next`; calling it again goes on behind what cannot be read.
    public mutating func next() throws -> (leaf: Leaf, layer: Int)? {
        while true {
            if let leaf = try leaves.next() { return (leaf, layer) }
            guard layer < runs.count else { return nil }
            leaves = LeafCursor(
                run: runs[layer], owner: "\(owner), run \(layer + 1)", object: object, reader: reader)
            layer += 1
        }
    }
}
