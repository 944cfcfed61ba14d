internal import Archive
internal import Bytes
internal import Synchronization

/// The documents of some collections in pieces that are given out to threads one by one. All threads work on one
/// collection until its pieces are gone, then on the next: parallel inside a collection as well as across small ones.
///
/// A capped collection is given out whole, for its order is data.
final class PieceQueue: Sendable {
    enum Piece {
        /// One leaf of the collection with that number.
        case leaf(Leaf, layer: Int, Overlay?, item: Int)
        /// All leaves of the collection with that number, in order.
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
    }

    private let reader: SnapshotReader
    private let collections: [ArchivedCollection]
    private let state = Mutex(State())

    /// A queue of all documents of `collections`, whose chunks `reader` knows.
    init(_ collections: [ArchivedCollection], _ reader: SnapshotReader) {
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
                guard state.next < collections.count else { return nil }
                state.current = state.next
                state.next += 1
                guard collections[state.current].entry.totalLeafCount > 0 else { continue }
                if collections[state.current].isCapped { return .whole(item: state.current) }
                state.passes = collections[state.current].passes()[...]
            }
        }
    }

    private func nextLeaf(_ state: inout State) throws -> Piece? {
        guard state.cursor != nil else { return nil }
        if let (leaf, layer) = try state.cursor?.next() {
            return .leaf(leaf, layer: layer, state.overlay, item: state.current)
        }
        state.cursor = nil
        state.overlay = nil
        return nil
    }

    /// The other threads wait meanwhile: without the runs nobody knows which documents are live.
    private func beginPass(_ state: inout State) throws {
        let pass = state.passes.removeFirst()
        let collection = collections[state.current]
        do {
            state.overlay = try collection.overlay(pass, reader.makeChunkReader())
        } catch {
            state.passes = []
            throw error
        }
        state.cursor = reader.layers(of: collection.entry)
    }
}
