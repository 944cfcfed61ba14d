import Bytes
import ObjectStore

/// What nothing may be removed from: the snapshots and segments that there are.
///
/// Read before the index, the reverse of the order in which a writer makes them: what they need is then in the index.
struct Roots {
    let snapshots: [Snapshot]
    let segments: [Segment]

    /// What one snapshot needs.
    init(_ snapshot: Snapshot) {
        segments = []
        snapshots = [snapshot]
    }

    /// - Throws: for any that cannot be read: it might need anything.
    init(_ repository: Repository) throws {
        segments = try repository.segments()
        snapshots = try repository.snapshots()
    }
}

/// Every chunk that snapshots and segments need. Strict: whatever cannot be read might need anything, so it throws.
/// format-spec.md §11.1 [D-5].
///
/// Memory: some 50 bytes a chunk.
struct Reachability {
    private(set) var chunks: Set<ChunkID> = []
    /// Leaf lists that were read: snapshots share most of them.
    private var lists: Set<ChunkID> = []
    private let reader: ChunkReader
    private let repository: Repository
    private let index: ChunkIndex

    /// Walks everything there is.
    ///
    /// - Parameter index: where chunks are; loaded after `roots` were.
    /// - Throws: `.corrupt`, `.unsupportedFormat`, `.io`: nothing may be removed then.
    init(_ roots: Roots, _ repository: Repository, _ index: ChunkIndex) throws {
        self.repository = repository
        self.index = index
        reader = ChunkReader(repository: repository, chunks: index)
        for segment in roots.segments {
            for chunk in segment.chunks + segment.prelude { chunks.insert(chunk.chunk) }
        }
        for snapshot in roots.snapshots { try walk(snapshot) }
    }

    /// The error for a chunk that is needed and nowhere.
    static func missing(_ chunk: ChunkID) -> CairnError {
        CairnError(
            .corrupt, "a chunk that a snapshot or segment needs is in no pack that is there: run `cairn check`",
            object: "chunk \(chunk.hex)")
    }

    private mutating func walk(_ snapshot: Snapshot) throws {
        chunks.formUnion(snapshot.catalogue)
        var entries: [CatalogueEntry] = []
        try SnapshotReader(repository: repository, chunks: index, snapshot: snapshot).forEachEntry {
            entries.append($0)
        }
        for entry in entries {
            try walk(entry.leaves)
            for run in entry.runs {
                chunks.formUnion(run.removals)
                try walk(run.leaves)
            }
        }
    }

    private mutating func walk(_ leaves: CatalogueEntry.Leaves) throws {
        switch leaves {
        case .inline(let leaves): for leaf in leaves { chunks.insert(leaf.chunk) }
        case .lists(let ids):
            let buffer = Buffer(capacity: 0)
            for id in ids where lists.insert(id).inserted {
                chunks.insert(id)
                buffer.removeAll()
                try reader.read(id, type: .leafList, into: buffer)
                try Leaf.forEach(inList: buffer.bytes, object: "leaf list \(id.hex)") { chunks.insert($0.chunk) }
            }
        }
    }
}

extension Repository {
    /// The packs in the store, with their sizes. Asked for after the roots were read: what these need is in it.
    func packSizes() throws -> [RandomID: Int] { try packInfos().mapValues(\.size) }

    /// The packs that cannot be read before their store has brought them back.
    func archivedPacks() throws -> Set<RandomID> {
        guard let archive = store.archive else { return [] }
        return Set(
            try archive.archived(prefix: ObjectKind.chunk.folder).compactMap { Names.id(of: $0.name, kind: .chunk) })
    }

    /// As `packSizes`, with what else the store knows of them.
    func packInfos() throws -> [RandomID: ObjectInfo] {
        var infos: [RandomID: ObjectInfo] = [:]
        try store.list(prefix: ObjectKind.chunk.folder) { info in
            if let id = Names.id(of: info.name, kind: .chunk) { infos[id] = info }
        }
        return infos
    }
}
