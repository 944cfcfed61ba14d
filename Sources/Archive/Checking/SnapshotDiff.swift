import BSON
import Bytes

/// Compares two snapshots, collection by collection, in time that follows the difference and not the data: equal
/// leaf lists and equal chunks are skipped by their ids. What is left is read, and its documents are joined by the
/// exact bytes of their `_id`s.
///
/// Memory is bounded whatever the difference: documents are joined in partitions by the hash of the `_id`, as many
/// as it takes, and the differing chunks are read once for each. A document without `_id` counts as added or
/// removed, never as changed.
public struct SnapshotDiff {
    /// What differs in one collection.
    public struct Collection: Hashable, Sendable {
        /// `db.coll`.
        public var namespace: String
        /// Whether only the second snapshot has it.
        public var isNew = false
        /// Whether only the first snapshot has it.
        public var isGone = false
        /// Whether options, indexes, kind or UUID differ.
        public var definitionChanged = false
        /// Documents whose `_id` only the second has.
        public var added = 0
        /// Documents whose `_id` only the first has.
        public var removed = 0
        /// Documents whose bytes differ.
        public var changed = 0

        /// Whether nothing differs.
        public var isEqual: Bool {
            !isNew && !isGone && !definitionChanged && added == 0 && removed == 0 && changed == 0
        }
    }

    /// What became of a document.
    public enum Change: Hashable, Sendable {
        /// Only the second snapshot has it.
        case added
        /// Only the first snapshot has it.
        case removed
        /// Both have it, with other bytes.
        case changed
    }

    /// Called with the `_id` element (`DocumentIdentity`), in no particular order.
    public typealias Visitor = (_ namespace: String, _ change: Change, _ identity: RawSpan) throws -> Void

    private let first: SnapshotReader
    private let second: SnapshotReader
    private let partitionDocuments: Int
    private let visitor: Visitor?

    /// A comparison from `first` to `second`.
    ///
    /// - Parameters:
    ///   - partitionDocuments: documents that are joined at a time, 48 bytes each: the memory.
    ///   - visitor: is told of every document that differs.
    public init(
        from first: SnapshotReader, to second: SnapshotReader, partitionDocuments: Int = 1 << 20,
        visitor: Visitor? = nil
    ) {
        precondition(partitionDocuments > 0)
        self.first = first
        self.second = second
        self.partitionDocuments = partitionDocuments
        self.visitor = visitor
    }

    /// Calls `body` with each collection of either snapshot, equal ones too, in the order of the namespaces.
    ///
    /// - Throws: `.corrupt` when a chunk that differs cannot be read.
    public func forEachCollection(_ body: (Collection) throws -> Void) throws {
        // Entries without their leaves are some kilobytes a collection; both catalogues are in memory.
        var old = try entries(of: first)[...]
        var new = try entries(of: second)[...]
        while let next = [old.first, new.first].compactMap({ $0 }).min(by: CatalogueEntry.precedes) {
            let left = old.first.flatMap { $0.namespace == next.namespace ? $0 : nil }
            let right = new.first.flatMap { $0.namespace == next.namespace ? $0 : nil }
            if left != nil { old.removeFirst() }
            if right != nil { new.removeFirst() }
            try body(try compare(left, right))
        }
    }

    private func entries(of reader: SnapshotReader) throws -> [CatalogueEntry] {
        var entries: [CatalogueEntry] = []
        try reader.forEachEntry { entries.append($0) }
        return entries
    }

    private func compare(_ old: CatalogueEntry?, _ new: CatalogueEntry?) throws -> Collection {
        var result = Collection(namespace: (old ?? new)!.namespace)
        result.isNew = old == nil
        result.isGone = new == nil
        if let old, let new {
            result.definitionChanged =
                old.kind != new.kind || old.uuid != new.uuid || old.options != new.options || old.indexes != new.indexes
            if old.leaves == new.leaves { return result }
        }
        let (left, right) = try differingLeaves(old, new)
        if left.isEmpty && right.isEmpty { return result }
        // Nothing to join: the leaves have the counts.
        if visitor == nil, left.isEmpty || right.isEmpty {
            result.added = right.reduce(0) { $0 + $1.documents }
            result.removed = left.reduce(0) { $0 + $1.documents }
            return result
        }
        let documents = max(left.reduce(0) { $0 + $1.documents }, right.reduce(0) { $0 + $1.documents })
        let partitions = (documents + partitionDocuments - 1) / partitionDocuments
        for partition in 0..<partitions {
            var join = PartitionJoin(
                namespace: result.namespace, partition: partition, partitions: partitions, visitor: visitor)
            try join.run(left, first.makeChunkReader(), right, second.makeChunkReader())
            result.added += join.added
            result.removed += join.removed
            result.changed += join.changed
        }
        return result
    }

    /// The leaves of either side whose chunks the other does not have.
    private func differingLeaves(
        _ old: CatalogueEntry?, _ new: CatalogueEntry?
    ) throws -> (old: [Leaf], new: [Leaf]) {
        var leftLists: [ChunkID] = []
        var rightLists: [ChunkID] = []
        var left: [Leaf] = []
        var right: [Leaf] = []
        if let old { split(old, &leftLists, &left) }
        if let new { split(new, &rightLists, &right) }
        // A chunk may occur twice in a collection, so counts matter: equal lists cancel out one by one.
        cancel(&leftLists, &rightLists) { $0 }
        let reader = first.makeChunkReader()
        for list in leftLists { try read(list, reader, &left) }
        let secondReader = second.makeChunkReader()
        for list in rightLists { try read(list, secondReader, &right) }
        cancel(&left, &right) { $0.chunk }
        return (left, right)
    }

    private func split(_ entry: CatalogueEntry, _ lists: inout [ChunkID], _ leaves: inout [Leaf]) {
        switch entry.leaves {
        case .inline(let inline): leaves = inline
        case .lists(let ids): lists = ids
        }
    }

    private func read(_ list: ChunkID, _ reader: ChunkReader, _ leaves: inout [Leaf]) throws {
        let buffer = Buffer(capacity: 0)
        try reader.read(list, type: .leafList, into: buffer)
        try Leaf.forEach(inList: buffer.bytes, object: "leaf list \(list.hex)") { leaves.append($0) }
    }

    /// Removes from both sides what both have.
    private func cancel<Element>(_ left: inout [Element], _ right: inout [Element], _ id: (Element) -> ChunkID) {
        var counts: [ChunkID: Int] = [:]
        for element in right { counts[id(element), default: 0] += 1 }
        var common: [ChunkID: Int] = [:]
        left.removeAll { element in
            guard let count = counts[id(element)], count > 0 else { return false }
            counts[id(element)] = count - 1
            common[id(element), default: 0] += 1
            return true
        }
        right.removeAll { element in
            guard let count = common[id(element)], count > 0 else { return false }
            common[id(element)] = count - 1
            return true
        }
    }
}
