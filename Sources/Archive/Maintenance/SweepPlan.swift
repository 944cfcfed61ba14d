import Bytes
import ObjectStore

/// What of one list of condemned packs can go. Made once nobody can be about to need them; nothing is touched by it.
/// format-spec.md §11.1 [D-2].
struct SweepPlan {
    /// Packs to remove, with their sizes in bytes.
    private(set) var doomed: [RandomID: Int] = [:]
    /// Packs that are needed after all.
    private(set) var spared = 0
    /// Index objects that name packs to remove.
    private(set) var staleIndexes: [RandomID] = []
    /// The other packs that those name, to be named anew.
    private(set) var kept: [PackContents] = []

    /// - Parameter outlawed: all packs that are condemned, by whichever list: no place of a chunk, or two lists would
    ///   each rely on the other's packs.
    /// - Throws: whatever keeps it from seeing everything, and `.corrupt` when a needed chunk is nowhere.
    init(_ repository: Repository, _ record: CondemnedRecord, outlawed: Set<RandomID>) throws {
        let roots = try Roots(repository)
        let condemned = Set(record.packs)
        let sizes = try repository.packSizes()
        let places = ChunkIndex()
        let everything = ChunkIndex()
        var contents: [RandomID: PackContents] = [:]
        var naming: [RandomID: [PackContents]] = [:]
        try repository.forEachIndex { id, object in
            for pack in object.packs {
                let name = pack.identity.id
                if condemned.contains(name) { naming[id] = object.packs }
                // As in `PrunePlan`: what is gone or cut off is no place of its chunks.
                guard sizes[name] == pack.objectSize else { continue }
                everything.insert(pack)
                if !outlawed.contains(name) { places.insert(pack) }
                if condemned.contains(name) { contents[name] = pack }
            }
        }
        var orphans: Set<ChunkID> = []
        for chunk in try Reachability(roots, repository, everything).chunks where places.lookup(chunk) == nil {
            guard everything.lookup(chunk) != nil else { throw Reachability.missing(chunk) }
            orphans.insert(chunk)
        }
        for id in condemned {
            // Every pack that holds one, not one for each: a pruner that was overtaken may have chosen another.
            if let pack = contents[id], pack.entries.contains(where: { orphans.contains($0.id) }) {
                spared += 1
            } else if let size = sizes[id] {
                doomed[id] = size
            }
        }
        choose(naming, condemned: condemned, contents: contents)
    }

    /// Index objects that name packs that go, or are gone: killed between the two, a pruner leaves such.
    private mutating func choose(
        _ naming: [RandomID: [PackContents]], condemned: Set<RandomID>, contents: [RandomID: PackContents]
    ) {
        func goes(_ pack: PackContents) -> Bool {
            let id = pack.identity.id
            return condemned.contains(id) && (doomed[id] != nil || contents[id] == nil)
        }
        let stale = naming.filter { $0.value.contains(where: goes) }
        staleIndexes = stale.keys.sorted()
        var rest: [RandomID: PackContents] = [:]
        for pack in stale.values.joined() where !goes(pack) {
            rest[pack.identity.id, default: pack].merge(pack)
        }
        kept = rest.values.sorted { $0.identity.id < $1.identity.id }
    }
}
