import BSON
import Bytes

// A second walk, only when something was found.
extension ReferenceWalk {
    /// Tells of every bad chunk what is lost with it, in every snapshot and segment.
    func attribute() throws {
        guard !findings.badChunks.isEmpty else { return }
        var clean: Set<ChunkID> = []
        for snapshot in snapshots {
            try monitor.requireNotCancelled()
            for id in snapshot.catalogue {
                if hit(id, Affected(snapshot: snapshot.id, namespace: nil, documents: nil)) { continue }
                let buffer = Buffer(capacity: 0)
                try reader.read(id, type: .catalogue, into: buffer)
                try CatalogueEntry.forEach(inCatalogue: buffer.bytes, object: "catalogue chunk \(id.hex)") { entry in
                    try attribute(entry, of: snapshot.id, &clean)
                }
            }
        }
        for segment in segments { attribute(segment) }
    }

    private func attribute(_ entry: CatalogueEntry, of snapshot: RandomID, _ clean: inout Set<ChunkID>) throws {
        for leaves in [entry.leaves] + entry.runs.map(\.leaves) {
            try attribute(leaves, of: entry.namespace, in: snapshot, &clean)
        }
        // Whoever loses a list of removals does not know which documents should be gone.
        for id in entry.runs.flatMap(\.removals) {
            hit(id, Affected(snapshot: snapshot, namespace: entry.namespace, documents: nil))
        }
    }

    private func attribute(
        _ leaves: CatalogueEntry.Leaves, of namespace: String, in snapshot: RandomID, _ clean: inout Set<ChunkID>
    ) throws {
        switch leaves {
        case .inline(let leaves):
            for leaf in leaves { hit(leaf.chunk, Affected(leaf, snapshot: snapshot, namespace: namespace)) }
        case .lists(let ids):
            for id in ids where !clean.contains(id) {
                if hit(id, Affected(snapshot: snapshot, namespace: namespace, documents: nil)) { continue }
                let buffer = Buffer(capacity: 0)
                try reader.read(id, type: .leafList, into: buffer)
                var any = false
                try Leaf.forEach(inList: buffer.bytes, object: "leaf list \(id.hex)") { leaf in
                    if hit(leaf.chunk, Affected(leaf, snapshot: snapshot, namespace: namespace)) { any = true }
                }
                if !any { clean.insert(id) }
            }
        }
    }

    private func attribute(_ segment: Segment) {
        for chunk in segment.chunks {
            let affected = Affected(segment: segment.id, entries: chunk.entries, times: chunk.first...chunk.last)
            hit(chunk.chunk, affected)
        }
        // The transactions that began before `from` cannot be applied; where in the segment they end, only they say.
        for chunk in segment.prelude {
            let times = segment.from.timestamp...segment.to.timestamp
            hit(chunk.chunk, Affected(segment: segment.id, entries: nil, times: times))
        }
    }

    /// Notes `affected` when the chunk `id` is bad.
    @discardableResult
    private func hit(_ id: ChunkID, _ affected: Affected) -> Bool {
        guard let number = findings.badChunks[id] else { return false }
        if let snapshot = affected.snapshot { incomplete.insert(snapshot) }
        if let segment = affected.segment { incompleteSegments.insert(segment) }
        findings.attribute(affected, to: number)
        return true
    }
}
