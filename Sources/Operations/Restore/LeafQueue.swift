internal import Archive
internal import Bytes
internal import Mongo
internal import Synchronization

/// The leaves of all collections of a restore, given out to threads one by one. All threads work on one collection
/// until its leaves are gone, then on the next: parallel inside a collection as well as across small ones.
///
/// A capped collection is given out whole, for its order is data.
final class LeafQueue: Sendable {
    enum Work {
        /// One leaf of the item with that number.
        case leaf(Leaf, item: Int)
        /// All leaves of the item with that number, in order.
        case whole(LeafCursor, item: Int)
        /// A leaf list that cannot be read: the documents behind it are lost.
        case damage(CairnError, item: Int)
    }

    private struct State {
        var next = 0
        var cursor: LeafCursor?
        var current = 0
    }

    private let reader: SnapshotReader
    private let items: [RestoreItem]
    private let state = Mutex(State())

    init(_ items: [RestoreItem], _ reader: SnapshotReader) {
        self.items = items
        self.reader = reader
    }

    /// The next piece of work, nil when there is none left.
    func next() -> Work? {
        state.withLock { state in
            while true {
                if state.cursor != nil {
                    do {
                        if let leaf = try state.cursor?.next() { return .leaf(leaf, item: state.current) }
                    } catch {
                        return .damage(
                            error as? CairnError ?? CairnError(.io, "a leaf list cannot be read", underlying: error),
                            item: state.current)
                    }
                    state.cursor = nil
                }
                guard state.next < items.count else { return nil }
                let number = state.next
                state.next += 1
                guard items[number].entry.leafCount > 0 else { continue }
                let cursor = reader.leaves(of: items[number].entry)
                if items[number].info.isCapped { return .whole(cursor, item: number) }
                state.cursor = cursor
                state.current = number
            }
        }
    }
}
