internal import Archive
internal import Bytes
internal import Oplog
internal import Synchronization

/// The documents of some collections in pieces that are given out to threads one by one. All threads work on one
/// collection until its pieces are gone, then on the next: parallel inside a collection as well as across small ones.
///
/// A capped collection is given out whole, for its order is data.
final class PieceQueue: Sendable {
    enum Piece {
        /// One leaf of the collection with that number.
        case leaf(Leaf, layer: Int, Overlay?, item: Int)
        /// What came in with the oplog: given out when every leaf of the collection was read.
        case new(FoldTable, item: Int)
        /// All documents of the collection with that number, in order.
        case whole(item: Int)
        /// Something that cannot be read; the documents behind it are lost.
        case damage(CairnError, item: Int)
    }

    private struct State {
        var next = 0
        var current = 0
        var cursor: LayeredCursor?
        var overlay: Overlay?
        var passes: ArraySlice<LayerTable.Partition?> = []
        /// Leaves that threads have not finished, and whether all were given out: for collections with a fold.
        var open: [Int: (leaves: Int, isLast: Bool)] = [:]
    }

    private let reader: SnapshotReader
    private let collections: [ArchivedCollection?]
    private let state = Mutex(State())

    /// A queue of all documents of `collections`, whose chunks `reader` knows. Nil keeps a place.
    init(_ collections: [ArchivedCollection?], _ reader: SnapshotReader) {
        self.collections = collections
        self.reader = reader
    }

    /// The next piece, nil when there is none left.
    func next() -> Piece? {
        state.withLock { state in
            while true {
                do {
                    if let piece = try nextLeaf(&state) { return piece }
                    guard state.passes.isEmpty else {
                        try beginPass(&state)
                        continue
                    }
                } catch {
                    let error = error as? CairnError ?? CairnError(.io, "cannot be read", underlying: error)
                    return .damage(error, item: state.current)
                }
                if let piece = end(state.current, &state) { return piece }
                guard state.next < collections.count else { return nil }
                let next = collections[state.next]
                state.current = state.next
                state.next += 1
                guard let collection = next, collection.entry.totalLeafCount > 0 || collection.fold != nil else {
                    continue
                }
                if collection.isCapped { return .whole(item: state.current) }
                state.passes = collection.passes()[...]
                if collection.fold != nil { state.open[state.current] = (0, false) }
            }
        }
    }

    /// Says that a piece was read.
    ///
    /// - Returns: what is to be done next because of that, by the same thread.
    func finished(_ piece: Piece) -> Piece? {
        guard case .leaf(_, _, _, let item) = piece else { return nil }
        return state.withLock { state in
            guard state.open[item] != nil else { return nil }
            state.open[item]?.leaves -= 1
            return settle(item, &state)
        }
    }

    private func end(_ item: Int, _ state: inout State) -> Piece? {
        guard state.open[item]?.isLast == false else { return nil }
        state.open[item]?.isLast = true
        return settle(item, &state)
    }

    private func settle(_ item: Int, _ state: inout State) -> Piece? {
        guard let fold = collections[item]?.fold, let open = state.open[item], open == (0, true) else { return nil }
        state.open[item] = nil
        return .new(fold, item: item)
    }

    private func nextLeaf(_ state: inout State) throws -> Piece? {
        guard state.cursor != nil else { return nil }
        if let (leaf, layer) = try state.cursor?.next() {
            state.open[state.current]?.leaves += 1
            return .leaf(leaf, layer: layer, state.overlay, item: state.current)
        }
        state.cursor = nil
        state.overlay = nil
        return nil
    }

    /// The other threads wait meanwhile: without the runs nobody knows which documents are live.
    private func beginPass(_ state: inout State) throws {
        let pass = state.passes.removeFirst()
        guard let collection = collections[state.current] else { return }
        do {
            state.overlay = try collection.overlay(pass, reader.makeChunkReader())
        } catch {
            state.passes = []
            throw error
        }
        state.cursor = reader.layers(of: collection.entry)
    }
}
