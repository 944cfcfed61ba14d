import Bytes
import ObjectStore

/// Follows every snapshot down to its leaves and runs, every segment to its chunks, and looks each chunk up.
///
/// Leaf lists and removals that snapshots share are read once: what they hold is remembered by their id. Memory: some
/// 80 bytes a leaf list, and some 50 bytes a chunk for the number of its documents.
final class ReferenceWalk {
    /// What leaves add up to.
    private struct Sums: Equatable {
        var leaves = 0
        var documents = 0
        var rawBytes = 0

        mutating func add(_ other: Sums) {
            leaves += other.leaves
            documents += other.documents
            rawBytes += other.rawBytes
        }
    }

    let repository: Repository
    let inventory: Inventory
    let findings: Findings
    let reader: ChunkReader
    let monitor: CheckMonitor
    private var lists: [ChunkID: Sums] = [:]
    /// The `_id`s in each chunk of removals.
    private var removals: [ChunkID: Int] = [:]
    /// The snapshots that could be opened.
    private(set) var snapshots: [Snapshot] = []
    /// The segments that could be opened.
    var segments: [Segment] = []
    /// Packs that some snapshot or segment needs.
    private(set) var usedPacks: Set<RandomID> = []
    /// Documents of each chunk, as its leaf has it; for comparison with what is in the chunk.
    private(set) var documentsOfChunk: [ChunkID: UInt32] = [:]
    /// What segments say of each chunk of theirs; for comparison with what is in the chunk.
    var oplogChunks: [ChunkID: OplogChunk] = [:]
    /// Snapshots of which something cannot be read.
    var incomplete: Set<RandomID> = []
    /// Segments of which something cannot be read.
    var incompleteSegments: Set<RandomID> = []
    /// Snapshots and segments whose own object is damaged.
    var damagedObjects: [ObjectName] = []

    let countsDocuments: Bool

    /// - Parameter countsDocuments: whether `documentsOfChunk` and `oplogChunks` will be asked for.
    init(
        repository: Repository, inventory: Inventory, findings: Findings, monitor: CheckMonitor, countsDocuments: Bool
    ) {
        self.countsDocuments = countsDocuments
        self.repository = repository
        self.inventory = inventory
        self.findings = findings
        self.monitor = monitor
        reader = ChunkReader(repository: repository, chunks: inventory.chunks)
    }

    /// The snapshots that could be opened.
    var readableSnapshots: [RandomID] { snapshots.map(\.id) }

    /// Walks through the snapshots `ids`.
    func walk(_ ids: [RandomID]) throws {
        for id in ids {
            try monitor.requireNotCancelled()
            do {
                snapshots.append(try repository.snapshot(id))
            } catch let error as CairnError where error.isDamage {
                // Forgotten by somebody since the listing, or void: not there, not damaged.
                if error.code == .notFound { continue }
                incomplete.insert(id)
                if error.code == .corrupt { damagedObjects.append(Names.object(.snapshot, id)) }
                let number = findings.add(Damage(error, object: Names.text(.snapshot, id)))
                findings.attribute(Affected(snapshot: id, namespace: nil, documents: nil), to: number)
            }
        }
        for snapshot in snapshots {
            try monitor.requireNotCancelled()
            try walk(snapshot)
        }
    }

    private func walk(_ snapshot: Snapshot) throws {
        var sums = Sums()
        var namespaces = 0
        var complete = true
        var previous: CatalogueEntry?
        let object = Names.text(.snapshot, snapshot.id)
        for id in snapshot.catalogue {
            let read = try readMetadata(id, .catalogue) { [self] bytes in
                try CatalogueEntry.forEach(inCatalogue: bytes, object: "catalogue chunk \(id.hex)") { entry in
                    namespaces += 1
                    sums.add(Sums(leaves: 0, documents: entry.liveDocuments, rawBytes: entry.totalRawBytes))
                    if let previous, !CatalogueEntry.precedes(previous, entry) {
                        inconsistent(snapshot, nil, "\(entry.namespace) is out of order in the catalogue", object)
                    }
                    previous = entry
                    if !entry.runs.isEmpty && !snapshot.layered {
                        inconsistent(
                            snapshot, entry.namespace, "\(entry.namespace) has runs in a snapshot of version 1", object)
                    }
                    try walk(entry, of: snapshot)
                }
            }
            complete = complete && read
        }
        let totals = snapshot.totals
        if complete,
            namespaces != totals.namespaces || sums.documents != totals.documents || sums.rawBytes != totals.rawBytes
        {
            inconsistent(snapshot, nil, "the snapshot's totals are not the sums over its catalogue", object)
        }
    }

    private func walk(_ entry: CatalogueEntry, of snapshot: Snapshot) throws {
        let expected = Sums(leaves: entry.leafCount, documents: entry.documents, rawBytes: entry.rawBytes)
        try walk(entry.leaves, expecting: expected, of: entry.namespace, entry.namespace, in: snapshot)
        for (number, run) in entry.runs.enumerated() {
            let name = "\(entry.namespace), run \(number + 1)"
            let expected = Sums(leaves: run.leafCount, documents: run.documents, rawBytes: run.rawBytes)
            try walk(run.leaves, expecting: expected, of: name, entry.namespace, in: snapshot)
            var removed: Int? = 0
            for id in run.removals {
                let count = try removals(id)
                removed = removed.flatMap { known in count.map { known + $0 } }
            }
            if let removed, removed != run.removed {
                let message = "\(name) removes \(removed) documents, its catalogue entry says \(run.removed)"
                inconsistent(snapshot, entry.namespace, message, Names.text(.snapshot, snapshot.id))
            }
        }
    }

    private func walk(
        _ leaves: CatalogueEntry.Leaves, expecting expected: Sums, of owner: String, _ namespace: String,
        in snapshot: Snapshot
    ) throws {
        var sums = Sums()
        switch leaves {
        case .inline(let leaves):
            for leaf in leaves { sums.add(look(leaf)) }
        case .lists(let ids):
            // All of them, also behind a bad one: whatever is bad must be known before `attribute` reads the rest.
            var complete = true
            for id in ids {
                if let list = try self.list(id) { sums.add(list) } else { complete = false }
            }
            guard complete else { return }
        }
        if sums != expected {
            let message = "the leaves of \(owner) do not add up to what its catalogue entry says"
            inconsistent(snapshot, namespace, message, Names.text(.snapshot, snapshot.id))
        }
    }

    private func inconsistent(_ snapshot: Snapshot, _ namespace: String?, _ message: String, _ object: String) {
        incomplete.insert(snapshot.id)
        let number = findings.add(Damage(object: object, message: message))
        findings.attribute(Affected(snapshot: snapshot.id, namespace: namespace, documents: nil), to: number)
    }

    /// What the leaf list `id` adds up to; nil when it cannot be read.
    private func list(_ id: ChunkID) throws -> Sums? {
        if let known = lists[id] { return known }
        if findings.badChunks[id] != nil { return nil }
        var sums = Sums()
        let read = try readMetadata(id, .leafList) { [self] bytes in
            try Leaf.forEach(inList: bytes, object: "leaf list \(id.hex)") { sums.add(look($0)) }
        }
        guard read else { return nil }
        lists[id] = sums
        return sums
    }

    /// The `_id`s in a chunk of removals; nil when it cannot be read. They are few beside the documents, so they are
    /// read and not only looked up.
    private func removals(_ id: ChunkID) throws -> Int? {
        if let known = removals[id] { return known }
        if findings.badChunks[id] != nil { return nil }
        var count = 0
        let read = try readMetadata(id, .run) { bytes in
            count = try Run.countRemovals(inChunk: bytes, object: "chunk \(id.hex)")
        }
        guard read else { return nil }
        removals[id] = count
        return count
    }

    /// Looks the chunk of `leaf` up, and notes the number of its documents.
    private func look(_ leaf: Leaf) -> Sums {
        let id = leaf.chunk
        let count = UInt32(clamping: leaf.documents)
        let earlier = countsDocuments ? documentsOfChunk.updateValue(count, forKey: id) : nil
        require(
            id, type: .documents, rawBytes: leaf.rawBytes, agrees: earlier.map { Int($0) == leaf.documents } ?? true)
        return Sums(leaves: 1, documents: leaf.documents, rawBytes: leaf.rawBytes)
    }

    /// Looks a chunk up that something refers to as `type` with `rawBytes`.
    ///
    /// - Parameter agrees: whether others that refer to it say the same of it.
    func require(_ id: ChunkID, type: ChunkType, rawBytes: Int, agrees: Bool) {
        guard let location = inventory.chunks.lookup(id) else { return blameForMissing(id) }
        usedPacks.insert(location.pack.id)
        guard location.type != type || location.rawCount != rawBytes || !agrees else { return }
        let damage = Damage(
            object: Names.packText(location.pack.id), offset: location.offset,
            message: "chunk \(id.hex) is not what \(type == .oplog ? "segments" : "the leaves") that refer to it say")
        findings.add(damage, chunk: id)
    }

    /// Finds out why no sound pack has the chunk `id`.
    private func blameForMissing(_ id: ChunkID) {
        guard findings.badChunks[id] == nil else { return }
        if let location = inventory.lost.lookup(id), let number = inventory.badPacks[location.pack.id] {
            return findings.blame(number, chunk: id)
        }
        if let location = inventory.unindexedChunks.lookup(id) {
            usedPacks.insert(location.pack.id)
            let message = "no index object names \(Names.packText(location.pack.id)), which is needed: "
            let damage = Damage(
                object: ObjectKind.index.folder, message: message + "`cairn check --repair` restores it")
            return findings.add(damage, chunk: id)
        }
        findings.add(
            Damage(object: ObjectKind.chunk.folder, message: "no pack holds chunk \(id.hex), which is needed"),
            chunk: id)
    }

    /// Reads a chunk of metadata and parses it; false when it is damaged.
    private func readMetadata(_ id: ChunkID, _ type: ChunkType, _ parse: (RawSpan) throws -> Void) throws -> Bool {
        guard findings.badChunks[id] == nil else { return false }
        guard let location = inventory.chunks.lookup(id) else {
            blameForMissing(id)
            return false
        }
        usedPacks.insert(location.pack.id)
        let buffer = Buffer(capacity: 0)
        do {
            try reader.readVerified(id, type: type, into: buffer)
            try parse(buffer.bytes)
            return true
        } catch let error as CairnError where error.isDamage {
            findings.add(Damage(error, object: Names.packText(location.pack.id)), chunk: id)
            return false
        }
    }
}
