import Bytes
import ObjectStore

/// Follows every snapshot down to its leaves, and looks each chunk up.
///
/// Leaf lists that snapshots share are read once: what they hold is remembered by their id. Memory: some 80 bytes a
/// leaf list, and some 50 bytes a chunk for the number of its documents.
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

    private let repository: Repository
    private let inventory: Inventory
    private let findings: Findings
    private let reader: ChunkReader
    private let monitor: CheckMonitor
    private var lists: [ChunkID: Sums] = [:]
    private var snapshots: [Snapshot] = []
    /// Packs that some snapshot needs.
    private(set) var usedPacks: Set<RandomID> = []
    /// Documents of each chunk, as its leaf has it; for comparison with what is in the chunk.
    private(set) var documentsOfChunk: [ChunkID: UInt32] = [:]
    /// Snapshots of which something cannot be read.
    private(set) var incomplete: Set<RandomID> = []

    private let countsDocuments: Bool

    /// - Parameter countsDocuments: whether `documentsOfChunk` will be asked for.
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
                let snapshot = try repository.snapshot(id)
                snapshots.append(snapshot)
                try walk(snapshot)
            } catch let error as CairnError where error.isDamage {
                // Forgotten by somebody since the listing: not there, not damaged.
                if error.code == .notFound, try repository.store.stat(Names.object(.snapshot, id)) == nil { continue }
                incomplete.insert(id)
                let number = findings.add(Damage(error, object: Names.text(.snapshot, id)))
                findings.attribute(Affected(snapshot: id, namespace: nil, documents: nil), to: number)
            }
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
                    sums.add(Sums(leaves: 0, documents: entry.documents, rawBytes: entry.rawBytes))
                    if let previous, !CatalogueEntry.precedes(previous, entry) {
                        inconsistent(snapshot, nil, "\(entry.namespace) is out of order in the catalogue", object)
                    }
                    previous = entry
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
        var sums = Sums()
        switch entry.leaves {
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
        let expected = Sums(leaves: entry.leafCount, documents: entry.documents, rawBytes: entry.rawBytes)
        if sums != expected {
            let message = "the leaves of \(entry.namespace) do not add up to what its catalogue entry says"
            inconsistent(snapshot, entry.namespace, message, Names.text(.snapshot, snapshot.id))
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

    /// Looks the chunk of `leaf` up, and notes the number of its documents.
    private func look(_ leaf: Leaf) -> Sums {
        let id = leaf.chunk
        if let location = inventory.chunks.lookup(id) {
            usedPacks.insert(location.pack.id)
            let count = UInt32(clamping: leaf.documents)
            let earlier = countsDocuments ? documentsOfChunk.updateValue(count, forKey: id) : nil
            if location.type != .documents || location.rawCount != leaf.rawBytes
                || earlier.map({ Int($0) != leaf.documents }) == true
            {
                let damage = Damage(
                    object: Names.packText(location.pack.id), offset: location.offset,
                    message: "chunk \(id.hex) is not what the leaves that refer to it say")
                findings.add(damage, chunk: id)
            }
        } else {
            blameForMissing(id)
        }
        return Sums(leaves: 1, documents: leaf.documents, rawBytes: leaf.rawBytes)
    }

    /// Finds out why no sound pack has the chunk `id`.
    private func blameForMissing(_ id: ChunkID) {
        guard findings.badChunks[id] == nil else { return }
        if let location = inventory.lost.lookup(id), let number = inventory.badPacks[location.pack.id] {
            return findings.blame(number, chunk: id)
        }
        if let location = inventory.unindexedChunks.lookup(id) {
            usedPacks.insert(location.pack.id)
            let message = "no index object names \(Names.packText(location.pack.id)), which a snapshot needs: "
            let damage = Damage(
                object: ObjectKind.index.folder, message: message + "`cairn check --repair` restores it")
            return findings.add(damage, chunk: id)
        }
        findings.add(
            Damage(object: ObjectKind.chunk.folder, message: "no pack holds chunk \(id.hex), which a snapshot needs"),
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

// Attribution: a second walk, only when something was found.
extension ReferenceWalk {
    /// Tells of every bad chunk what is lost with it, in every snapshot.
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
    }

    private func attribute(_ entry: CatalogueEntry, of snapshot: RandomID, _ clean: inout Set<ChunkID>) throws {
        let namespace = entry.namespace
        switch entry.leaves {
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

    /// Notes `affected` when the chunk `id` is bad.
    @discardableResult
    private func hit(_ id: ChunkID, _ affected: Affected) -> Bool {
        guard let number = findings.badChunks[id] else { return false }
        incomplete.insert(affected.snapshot)
        findings.attribute(affected, to: number)
        return true
    }
}
