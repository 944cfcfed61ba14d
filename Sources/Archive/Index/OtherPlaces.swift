import Bytes
import Synchronization

/// Further places of chunks, for readers that find the first one gone or damaged. format-spec.md §8 [I-2].
///
/// `ChunkIndex` keeps one place of each chunk: others are rare, and seldom asked for. They are looked up in the index
/// objects when they are, once for all packs that are gone, and once for each pack that is damaged. As the index
/// objects are read anew, a reader also finds what a prune moved behind its back. Safe to use from several threads.
final class OtherPlaces: Sendable {
    private typealias Places = [ChunkID: [ChunkLocation]]

    /// By the pack that is bad. Those that are gone share one table.
    private let known = Mutex<[RandomID: Places]>([:])

    /// The places of `id` besides `location`, which proved to be bad. Only packs that are there, and of the right size.
    ///
    /// - Throws: what the store throws. Index objects that cannot be read are passed over.
    func places(
        of id: ChunkID, besides location: ChunkLocation, in repository: Repository
    ) throws -> [ChunkLocation] {
        // Held while it reads: other threads meet the same pack next.
        let places = try known.withLock { known in
            if let places = known[location.pack.id] { return places }
            let (bad, places) = try OtherPlaces.find(location.pack.id, repository)
            for pack in bad { known[pack] = places }
            return places
        }
        return places[id, default: []].filter { $0.type == location.type }
    }

    private static func find(_ pack: RandomID, _ repository: Repository) throws -> (bad: Set<RandomID>, Places) {
        var bad: Set<RandomID> = [pack]
        var lost: Set<ChunkID> = []
        let sizes = try repository.packSizes()
        try repository.forEachIndex(damaged: { _, _ in }) { _, object in
            for contents in object.packs {
                let id = contents.identity.id
                guard id == pack || sizes[id] != contents.objectSize else { continue }
                bad.insert(id)
                lost.formUnion(contents.entries.map(\.id))
            }
        }
        var places: Places = [:]
        var seen: Set<RandomID> = []
        try repository.forEachIndex(damaged: { _, _ in }) { _, object in
            for contents in object.packs where !bad.contains(contents.identity.id) {
                guard sizes[contents.identity.id] == contents.objectSize, seen.insert(contents.identity.id).inserted
                else { continue }
                contents.forEachLocation { id, location in
                    if lost.contains(id) { places[id, default: []].append(location) }
                }
            }
        }
        return (bad, places)
    }
}
