public import Bytes
import ObjectStore

/// What a writer knows of the repository before it starts: which chunks it need not store again.
///
/// The index objects are compared with the packs that are there. A pack that no index object names was left by a
/// backup that was interrupted; its directory is read and its chunks are used. A pack that index objects name but
/// that is missing, or not of the size that its entries add up to, is forgotten: its chunks are stored anew when
/// they come by, and the snapshots that miss them are whole again. Packs that are condemned do not count: a chunk that
/// only they hold is stored anew.
public struct WriterIndex: Sendable {
    /// All chunks.
    public let chunks: ChunkIndex
    /// Packs that were left by an interrupted backup; the next index object names them.
    public let adopted: [PackContents]
    /// Packs that are named but missing or of the wrong size: damage that `check` reports and a person should hear
    /// of.
    public let missing: [RandomID]
    /// Packs that are condemned.
    let condemned: Set<RandomID>

    /// Reads the index objects of `repository`, lists its packs, and reads the directories of those that no index
    /// object names.
    ///
    /// A leftover whose directory does not open is left alone: `check` reports it.
    public static func load(_ repository: Repository) throws -> WriterIndex {
        // Read before the index: what is condemned stays named there until the index objects that name its packs have
        // been replaced (format-spec.md §11.1 [D-3]). A writer's lease is held by now, so what is condemned from here
        // on waits for this writer.
        let condemned = Set(try repository.condemned().flatMap(\.packs))
        return try load(repository, condemned: condemned, listed: nil)
    }

    /// - Parameter listed: the index objects, listed after `condemned` was read; nil lists them.
    static func load(
        _ repository: Repository, condemned: Set<RandomID>, listed: [RandomID]?
    ) throws -> WriterIndex {
        var chunks = ChunkIndex()
        var sizes = try readIndexes(of: repository, into: chunks, without: condemned, listed: listed)
        var leftovers: [(id: RandomID, size: Int)] = []
        // Listed after the index objects were read: a pack that another writer puts meanwhile is a leftover, never
        // missing.
        try repository.store.list(prefix: ObjectKind.chunk.folder) { info in
            guard let id = Names.id(of: info.name, kind: .chunk), !condemned.contains(id) else { return }
            guard let size = sizes.removeValue(forKey: id) else { return leftovers.append((id, info.size)) }
            if size != info.size { sizes[id] = size }
        }
        let missing = Set(sizes.keys)
        if !missing.isEmpty {
            // Read again and not only removed: another pack may hold a chunk of a missing one, and the index keeps
            // one place of each.
            chunks = ChunkIndex()
            _ = try readIndexes(of: repository, into: chunks, without: missing.union(condemned), listed: nil)
        }
        var adopted: [PackContents] = []
        for (id, size) in leftovers {
            guard let contents = try? repository.readPackDirectory(id, listedSize: size) else { continue }
            chunks.insert(contents)
            adopted.append(contents)
        }
        // What the next snapshot will rest on must last as long as it: format-spec.md §11 [W-7]. Packs that index
        // objects name were durable before they were named.
        try repository.store.settle(
            [Names.config, Names.key(repository.openedBy)] + adopted.map { Names.pack($0.identity.id) })
        return WriterIndex(chunks: chunks, adopted: adopted, missing: missing.sorted(), condemned: condemned)
    }

    /// Where to read chunks that are there: those that only condemned packs hold included.
    public func forReading(_ repository: Repository) throws -> ChunkIndex {
        condemned.isEmpty ? chunks : try repository.loadIndex()
    }

    /// Makes sure that all chunks that `snapshot` needs are ones that this writer may refer to: those that only
    /// condemned packs hold are stored anew. Whoever builds on a snapshot refers to its chunks without having them in
    /// hand, and the snapshot may be forgotten before the commit. format-spec.md §11.1 [D-6].
    ///
    /// Packs are read only where there are condemned ones that the snapshot needs.
    ///
    /// - Throws: `.corrupt` when something of the snapshot cannot be read; what the store throws.
    public func takeOver(_ snapshot: Snapshot, _ repository: Repository) throws {
        guard !condemned.isEmpty else { return }
        let everything = ChunkIndex()
        let sizes = try repository.packSizes()
        try repository.forEachIndex { _, object in
            for pack in object.packs where sizes[pack.identity.id] == pack.objectSize { everything.insert(pack) }
        }
        let rewriter = PackRewriter(repository)
        for chunk in try Reachability(Roots(snapshot), repository, everything).chunks
        where chunks.lookup(chunk) == nil {
            guard let location = everything.lookup(chunk) else { throw Reachability.missing(chunk) }
            try rewriter.copy(chunk, at: location, level: nil)
        }
        try rewriter.finish()
        for pack in rewriter.packs { chunks.insert(pack) }
    }

    private static func readIndexes(
        of repository: Repository, into chunks: ChunkIndex, without excluded: Set<RandomID>, listed: [RandomID]?
    ) throws -> [RandomID: Int] {
        var sizes: [RandomID: Int] = [:]
        var ids: [RandomID] = []
        try repository.forEachIndex(listed: listed) { id, index in
            ids.append(id)
            for pack in index.packs where !excluded.contains(pack.identity.id) {
                sizes[pack.identity.id] = pack.objectSize
                chunks.insert(pack)
            }
        }
        try repository.store.settle(ids.map { Names.object(.index, $0) })
        return sizes
    }
}
