import Bytes
import ObjectStore

/// What of the packs is of no use, and what to do about it. Nothing is touched by making one.
struct PrunePlan {
    /// Packs to condemn: those that nothing needs, and those whose needed chunks are moved.
    private(set) var condemned: [RandomID] = []
    /// Chunks to move into new packs, pack by pack in the order in which they lie.
    private(set) var moves: [(id: ChunkID, location: ChunkLocation)] = []
    /// What index objects say of the level of the packs that chunks are moved from.
    private(set) var levels: [RandomID: Int] = [:]
    private var sizes: [RandomID: Int] = [:]
    private var needed: [RandomID: Int] = [:]
    private var repacked: Set<RandomID> = []

    /// Packs that are condemned already.
    private var already: Set<RandomID> = []
    /// Packs that a writer may have put that is under way, and that it has not come to refer to.
    private var fresh: Set<RandomID> = []
    /// Packs that cannot be read before they are brought back: what is in them is not moved.
    private var archived: Set<RandomID> = []

    init(_ repository: Repository, maxUnused: Double) throws {
        let roots = try Roots(repository)
        already = Set(try repository.condemned().flatMap(\.packs))
        let since = try repository.oldestWriter()
        let infos = try repository.packInfos()
        archived = try repository.archivedPacks()
        fresh = Set(infos.filter { $0.value.modified * 1_000 >= since }.keys)
        sizes = infos.mapValues(\.size)
        let index = ChunkIndex()
        let everything = ChunkIndex()
        var contents: [RandomID: PackContents] = [:]
        try repository.forEachIndex { _, object in
            // A pack that is gone, or cut off, is no place of its chunks: others that have them are needed. [D-8]
            for pack in object.packs where sizes[pack.identity.id] == pack.objectSize {
                everything.insert(pack)
                guard !already.contains(pack.identity.id) else { continue }
                index.insert(pack)
                contents[pack.identity.id, default: pack].merge(pack)
            }
        }
        let reachable = try Reachability(roots, repository, everything).chunks
        var spared: [RandomID: [(ChunkID, ChunkLocation)]] = [:]
        for chunk in reachable {
            if let location = index.lookup(chunk) {
                // With its place in the directory, or a pack of many small chunks would be rewritten again and again.
                needed[location.pack.id, default: 0] += location.storedCount + PackEntry.size
            } else if let location = everything.lookup(chunk) {
                spared[location.pack.id, default: []].append((chunk, location))
            } else {
                throw Reachability.missing(chunk)
            }
        }
        moveOut(spared)
        for id in already { sizes[id] = nil }
        condemned = sizes.keys.filter { needed[$0] == nil && !fresh.contains($0) }.sorted()
        chooseMoves(contents, index, reachable, maxUnused: maxUnused)
    }

    /// A condemned pack that was spared is never written to again nor used for more, so it only gets emptier: once
    /// half of it is of no use, the other half is moved.
    private mutating func moveOut(_ spared: [RandomID: [(ChunkID, ChunkLocation)]]) {
        for (id, chunks) in spared.sorted(by: { $0.key < $1.key }) {
            let isWorthIt = chunks.reduce(0, { $0 + $1.1.storedCount }) * 2 <= (sizes[id] ?? 0)
            guard isWorthIt, !archived.contains(id) else { continue }
            moves += chunks.sorted { $0.1.offset < $1.1.offset }.map { (id: $0.0, location: $0.1) }
        }
    }

    /// The packs with the largest share of waste first, until what is left is within the bound.
    private mutating func chooseMoves(
        _ contents: [RandomID: PackContents], _ index: ChunkIndex, _ reachable: Set<ChunkID>, maxUnused: Double
    ) {
        let used = sizes.keys.filter {
            needed[$0] != nil && contents[$0] != nil && !fresh.contains($0) && !archived.contains($0)
        }
        func share(_ id: RandomID) -> Double { Double(unused(id)) / Double(max(1, sizes[id] ?? 0)) }
        var waste = used.reduce(0) { $0 + unused($1) }
        let bound = Int(Double(used.reduce(0) { $0 + (needed[$1] ?? 0) }) * maxUnused)
        for id in used.sorted(by: { (share($1), $0) < (share($0), $1) }) {
            guard waste > bound, unused(id) > 0 else { break }
            waste -= unused(id)
            repacked.insert(id)
            levels[id] = contents[id]?.level
            contents[id]?.forEachLocation { chunk, location in
                if reachable.contains(chunk), index.lookup(chunk) == location { moves.append((chunk, location)) }
            }
        }
        condemned = (condemned + repacked).sorted()
    }

    /// Bytes of a pack that nothing needs. Its header and trailer do not count.
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

extension Repository {
    /// Since when packs may be those of a writer that is under way, in milliseconds since 1970-01-01 UTC by the store's
    /// clock; `Int64.max` when there is none.
    ///
    /// A pack that no snapshot needs yet may be the better part of a backup that runs for hours. To condemn it would be
    /// safe, for its writer is a suspect; but whoever begins meanwhile would store it all a second time. Clocks decide
    /// nothing else here.
    func oldestWriter() throws -> Int64 {
        let now = now()
        let begun = try leases().filter { $0.mayCommit && !$0.isExpired(at: now) }.map { lease in
            switch lease.content {
            case .success(let record): record.created - Lease.clockSkewMargin
            case .failure: lease.modified - FormatLimits.leaseDurationMax
            }
        }
        return begun.min() ?? .max
    }
}
