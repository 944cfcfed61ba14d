import Bytes
import ObjectStore

/// What of the packs is of no use, and what to do about it. Nothing is touched by making one.
struct PrunePlan {
    /// Packs to condemn: those that nothing needs, and those whose needed chunks are moved.
    private(set) var condemned: [RandomID] = []
    /// Chunks to move into new packs, pack by pack in the order in which they lie.
    private(set) var moves: [(id: ChunkID, location: ChunkLocation)] = []
    private var sizes: [RandomID: Int] = [:]
    private var needed: [RandomID: Int] = [:]
    private var repacked: Set<RandomID> = []

    init(_ repository: Repository, maxUnused: Double) throws {
        let roots = try Roots(repository)
        let already = Set(try repository.condemned().flatMap(\.packs))
        sizes = try repository.packSizes()
        let index = ChunkIndex()
        let everything = ChunkIndex()
        var contents: [RandomID: PackContents] = [:]
        try repository.forEachIndex { _, object in
            // A pack that is gone, or cut off, is no place of its chunks: others that have them are needed.
            for pack in object.packs where sizes[pack.identity.id] == pack.objectSize {
                everything.insert(pack)
                guard !already.contains(pack.identity.id) else { continue }
                index.insert(pack)
                contents[pack.identity.id] = pack
            }
        }
        for id in already { sizes[id] = nil }
        let reachable = try Reachability(roots, repository, everything).chunks
        for chunk in reachable {
            guard let location = index.lookup(chunk) else {
                // Only a condemned pack has it: sweeping will spare that.
                guard everything.lookup(chunk) == nil else { continue }
                throw CairnError(
                    .corrupt, "a chunk that a snapshot or segment needs is in no pack that is there: run `cairn check`",
                    object: "chunk \(chunk.hex)")
            }
            needed[location.pack.id, default: 0] += location.storedCount
        }
        condemned = sizes.keys.filter { needed[$0] == nil }.sorted()
        chooseMoves(contents, index, reachable, maxUnused: maxUnused)
    }

    /// The packs with the largest share of waste first, until what is left is within the bound.
    private mutating func chooseMoves(
        _ contents: [RandomID: PackContents], _ index: ChunkIndex, _ reachable: Set<ChunkID>, maxUnused: Double
    ) {
        let used = sizes.keys.filter { needed[$0] != nil && contents[$0] != nil }
        func share(_ id: RandomID) -> Double { Double(unused(id)) / Double(max(1, sizes[id] ?? 0)) }
        var waste = used.reduce(0) { $0 + unused($1) }
        let bound = Int(Double(used.reduce(0) { $0 + (needed[$1] ?? 0) }) * maxUnused)
        for id in used.sorted(by: { (share($1), $0) < (share($0), $1) }) {
            guard waste > bound, unused(id) > 0 else { break }
            waste -= unused(id)
            repacked.insert(id)
            contents[id]?.forEachLocation { chunk, location in
                if reachable.contains(chunk), index.lookup(chunk) == location { moves.append((chunk, location)) }
            }
        }
        condemned = (condemned + repacked).sorted()
    }

    /// Bytes of a pack that nothing needs. Its header, directory and trailer do not count.
    private func unused(_ id: RandomID) -> Int {
        max(0, (sizes[id] ?? 0) - (needed[id] ?? 0) - PrunePlan.overhead)
    }

    /// What a pack of a few chunks takes beside them, about: not worth a rewrite.
    private static let overhead = 4 << 10

    /// Fills in the figures.
    func describe(in report: inout PruneReport) {
        report.packs = sizes.count
        report.packBytes = sizes.values.reduce(0, +)
        report.neededBytes = needed.values.reduce(0, +)
        report.repackedPacks = repacked.count
        report.uselessPacks = condemned.count - repacked.count
        report.condemnedBytes = condemned.reduce(0) { $0 + (sizes[$1] ?? 0) }
        let gone = Set(condemned)
        report.unusedBytes = sizes.keys.filter { !gone.contains($0) }.reduce(0) { $0 + unused($1) }
    }
}
