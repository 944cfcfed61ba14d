internal import Archive
internal import Bytes

/// Finds what two collections share, leaf list by leaf list and then chunk by chunk.
enum CommonLeaves {
    /// The leaves of either side whose chunks the other does not have.
    static func without(
        _ old: CatalogueEntry, _ oldReader: SnapshotReader, _ new: CatalogueEntry, _ newReader: SnapshotReader
    ) throws -> (old: [Leaf], new: [Leaf]) {
        var leftLists: [ChunkID] = []
        var rightLists: [ChunkID] = []
        var left: [Leaf] = []
        var right: [Leaf] = []
        split(old, &leftLists, &left)
        split(new, &rightLists, &right)
        // A chunk may occur twice in a collection, so counts matter: equal lists cancel out one by one.
        cancel(&leftLists, &rightLists) { $0 }
        let reader = oldReader.makeChunkReader()
        for list in leftLists { try read(list, reader, &left) }
        let secondReader = newReader.makeChunkReader()
        for list in rightLists { try read(list, secondReader, &right) }
        cancel(&left, &right) { $0.chunk }
        return (left, right)
    }

    private static func split(_ entry: CatalogueEntry, _ lists: inout [ChunkID], _ leaves: inout [Leaf]) {
        switch entry.leaves {
        case .inline(let inline): leaves = inline
        case .lists(let ids): lists = ids
        }
    }

    private static func read(_ list: ChunkID, _ reader: ChunkReader, _ leaves: inout [Leaf]) throws {
        let buffer = Buffer(capacity: 0)
        try reader.read(list, type: .leafList, into: buffer)
        try Leaf.forEach(inList: buffer.bytes, object: "leaf list \(list.hex)") { leaves.append($0) }
    }

    /// Removes from both sides what both have.
    private static func cancel<Element>(_ left: inout [Element], _ right: inout [Element], _ id: (Element) -> ChunkID) {
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
