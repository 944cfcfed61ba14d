import Bytes
import ObjectStore

/// What the packs hold, and what of it is needed: the ground on which packs are taken out of service. Nothing is
/// touched by making one.
struct PackSurvey: Sendable {
    /// Packs in the store that are not condemned, with their sizes.
    let sizes: [RandomID: Int]
    /// Packs that a writer may have put that is under way, and that it has not come to refer to.
    let fresh: Set<RandomID>
    /// The packs in `sizes` that index objects name and that have the size that follows from it.
    let contents: [RandomID: PackContents]
    /// The same of packs that are condemned.
    let condemned: [RandomID: PackContents]
    /// Chunks that some snapshot or segment needs.
    let reachable: Set<ChunkID>
    /// The place of each chunk in `contents`.
    let index = ChunkIndex()
    private let everything = ChunkIndex()

    /// Looks at everything. format-spec.md §11.1 [D-5].
    ///
    /// - Parameter last: packs that are a place of a chunk only when no other one is.
    /// - Throws: `.corrupt` when a chunk that is needed is in no pack that is there; what keeps it from seeing
    ///   everything.
    init(_ repository: Repository, last: (PackContents) -> Bool) throws {
        let roots = try Roots(repository)
        let already = Set(try repository.condemned().flatMap(\.packs))
        let since = try repository.oldestWriter()
        let infos = try repository.packInfos()
        fresh = Set(infos.filter { $0.value.modified * 1_000 >= since }.keys)
        var contents: [RandomID: PackContents] = [:]
        var condemned: [RandomID: PackContents] = [:]
        let everything = everything
        try repository.forEachIndex { _, object in
            // A pack that is gone, or cut off, is no place of its chunks: others that have them are needed. [D-8]
            for pack in object.packs where infos[pack.identity.id]?.size == pack.objectSize {
                everything.insert(pack)
                let id = pack.identity.id
                if already.contains(id) { condemned[id] = pack } else { contents[id, default: pack].merge(pack) }
            }
        }
        for pack in contents.values where !last(pack) { index.insert(pack) }
        for pack in contents.values where last(pack) { index.insert(pack) }
        reachable = try Reachability(roots, repository, everything).chunks
        sizes = infos.filter { !already.contains($0.key) }.mapValues(\.size)
        self.contents = contents
        self.condemned = condemned
        for chunk in reachable where everything.lookup(chunk) == nil { throw Reachability.missing(chunk) }
    }

    /// The chunks for which a pack is needed, in the order in which they lie. Of a condemned pack those that only
    /// condemned ones hold: it is spared for their sake.
    func needed(of pack: PackContents) -> [(id: ChunkID, location: ChunkLocation)] {
        let isCondemned = condemned[pack.identity.id] != nil
        var chunks: [(id: ChunkID, location: ChunkLocation)] = []
        pack.forEachLocation { id, location in
            guard reachable.contains(id) else { return }
            let place = index.lookup(id)
            if isCondemned ? place == nil && everything.lookup(id) == location : place == location {
                chunks.append((id, location))
            }
        }
        return chunks
    }
}

extension PackContents {
    /// Takes over what another index object says of the same pack.
    mutating func merge(_ other: PackContents) {
        if let level = other.level { self.level = max(level, self.level ?? level) }
    }
}

extension Repository {
    /// Throws when the store holds what this program does not know, for it may need what would be taken out of service.
    /// format-spec.md §10.1 [V-7].
    func requireNothingUnknown() throws {
        var unknown: ObjectName?
        let known = Set(ObjectKind.allCases.map(\.folder) + [Names.keys])
        try store.list(prefix: "") { info in
            let folder = info.name.path.prefix { $0 != "/" }
            if info.name != Names.config, !known.contains(folder + "/") { unknown = info.name }
        }
        guard let unknown else { return }
        throw CairnError(
            .unsupportedFormat,
            "an object of a kind that this program does not know: it might need what would be "
                + "removed. Use the program that made it, or move the object away", object: unknown.path)
    }

    /// Writes down that nothing needs `packs`: once nobody can be about to need them, sweeping removes them.
    func condemn(_ packs: [RandomID]) throws {
        var rest = packs[...]
        while !rest.isEmpty {
            let some = Array(rest.prefix(CondemnedRecord.packsMax))
            rest = rest.dropFirst(some.count)
            let record = CondemnedRecord(id: newID(), created: now(), packs: some)
            try writeSealed(record.encode(), kind: .condemned, id: record.id)
        }
    }

    /// Replaces index objects by new ones, which are durable before an old one goes. format-spec.md §8 [I-1].
    ///
    /// - Parameters:
    ///   - old: the index objects.
    ///   - packs: what they say of the packs that stay.
    func replaceIndexes(_ old: [RandomID], by packs: [PackContents], under lease: Lease) throws {
        try lease.requireHeld()
        try writeIndexes(of: packs)
        for id in old {
            try lease.requireHeld()
            try store.delete(Names.object(.index, id))
        }
    }
}
