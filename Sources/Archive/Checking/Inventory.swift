import Bytes
import ObjectStore

/// What index objects and packs say, compared with each other.
///
/// Index objects are read before packs are listed, and snapshots are listed before both: the reverse of the order
/// in which a writer makes them. So a backup that runs meanwhile never looks like damage.
final class Inventory {
    /// What an index object says of a pack, as far as it is kept.
    private struct Claim: Sendable {
        let index: RandomID
        let fingerprint: Digest256
    }

    /// Chunks of packs that are there and say the same as the index.
    let chunks = ChunkIndex()
    /// Chunks of packs that are missing or damaged, as index objects give them, to tell what is lost with them.
    let lost = ChunkIndex()
    /// Chunks of packs that no readable index object names.
    let unindexedChunks = ChunkIndex()
    /// Packs in the store, with their sizes.
    private(set) var packs: [RandomID: Int] = [:]
    /// Packs that are missing or damaged, with the number of the damage.
    private(set) var badPacks: [RandomID: Int] = [:]
    /// Packs that cannot be read before their store has brought them back.
    private(set) var archived: Set<RandomID> = []
    /// Packs that no readable index object names and whose directory opens.
    private(set) var unindexed: [RandomID: PackContents] = [:]
    /// Index objects that cannot be read, or name packs that are missing or not as they say.
    private(set) var badIndexes: Set<RandomID> = []
    private var claims: [RandomID: Claim] = [:]

    private let repository: Repository
    private let monitor: CheckMonitor

    init(repository: Repository, monitor: CheckMonitor) {
        self.repository = repository
        self.monitor = monitor
    }

    /// Takes stock.
    func take(workers: Int, _ findings: Findings) throws {
        try readIndexes(findings)
        try repository.store.list(prefix: ObjectKind.chunk.folder) { info in
            if let id = Names.id(of: info.name, kind: .chunk) { packs[id] = info.size }
        }
        for (id, claim) in claims.sorted(by: { $0.key < $1.key }) where packs[id] == nil {
            let message = "the pack is missing that \(Names.text(.index, claim.index)) names"
            badPacks[id] = findings.add(Damage(object: Names.packText(id), message: message))
        }
        archived = try repository.archivedPacks().intersection(packs.keys)
        try readDirectories(workers: workers, findings)
        try takeArchived(findings)
        if !badPacks.isEmpty { try collectLost() }
    }

    /// Packs that are gone, but for those that one of the damages `blamed` tells of.
    func missingPacks(without blamed: Set<Int>) -> [RandomID] {
        badPacks.filter { packs[$0.key] == nil && !blamed.contains($0.value) }.map(\.key)
    }

    private func readIndexes(_ findings: Findings) throws {
        try repository.forEachIndex { [self] id, error in
            badIndexes.insert(id)
            findings.add(Damage(error, object: Names.text(.index, id)))
        } _: { [self] id, index in
            try monitor.requireNotCancelled()
            for pack in index.packs { claim(pack, in: id, findings) }
        }
    }

    private func claim(_ pack: PackContents, in index: RandomID, _ findings: Findings) {
        let id = pack.identity.id
        let claim = Claim(index: index, fingerprint: Self.fingerprint(pack))
        guard let earlier = claims[id] else {
            claims[id] = claim
            return
        }
        guard earlier.fingerprint != claim.fingerprint else { return }
        badIndexes.insert(index)
        let message = "says of pack \(id.hex) something else than \(Names.text(.index, earlier.index))"
        findings.add(Damage(object: Names.text(.index, index), message: message))
    }

    private static func fingerprint(_ pack: PackContents) -> Digest256 {
        let buffer = Buffer(capacity: 64 + pack.entries.count * PackEntry.size)
        pack.identity.salt.append(to: buffer)
        buffer.append(littleEndian: pack.identity.epoch)
        for entry in pack.entries { entry.append(to: buffer) }
        return SHA256.hash(buffer.bytes)
    }

    /// What a pack's directory says, compared with the index. Contents are kept only where somebody will ask for
    /// them.
    private enum Verdict: Sendable {
        case asIndexed
        case unindexed(PackContents)
        case otherwise
        case damaged(CairnError)
    }

    private func readDirectories(workers: Int, _ findings: Findings) throws {
        monitor.begin(packs: packs.count - archived.count)
        let (repository, monitor, chunks, claims, packs) = (repository, monitor, chunks, claims, packs)
        let ids = packs.keys.filter { !archived.contains($0) }.sorted()
        let verdicts = try Parallel.map(ids, threads: workers, name: "cairn-check", context: {}) { _, id in
            try monitor.requireNotCancelled()
            defer { monitor.finishPack(rawBytes: 0) }
            do {
                let contents = try repository.readPackDirectory(id, listedSize: packs[id])
                guard let claim = claims[id] else { return Verdict.unindexed(contents) }
                // The directory is authenticated and is what the pack holds: it counts, whatever the index says.
                chunks.insert(contents)
                return claim.fingerprint == Self.fingerprint(contents) ? .asIndexed : .otherwise
            } catch let error as CairnError where error.isDamage {
                return .damaged(error)
            }
        }
        for (id, verdict) in zip(ids, verdicts) {
            switch verdict {
            case .asIndexed: break
            case .unindexed(let contents):
                unindexed[id] = contents
                unindexedChunks.insert(contents)
            case .otherwise: blameIndex(for: id, findings)
            case .damaged(let error): badPacks[id] = findings.add(Damage(error, object: Names.packText(id)))
            }
        }
    }

    /// Of packs that cannot be read before they are brought back, index and size are all that there is to go by.
    private func takeArchived(_ findings: Findings) throws {
        guard !archived.isEmpty else { return }
        try forEachIndexed { _, pack in
            let id = pack.identity.id
            guard archived.contains(id), badPacks[id] == nil else { return }
            guard packs[id] == pack.objectSize else {
                let message = "has \(packs[id] ?? 0) bytes, by its index \(pack.objectSize)"
                badPacks[id] = findings.add(Damage(object: Names.packText(id), message: message))
                return
            }
            chunks.insert(pack)
        }
    }

    private func blameIndex(for id: RandomID, _ findings: Findings) {
        guard let claim = claims[id] else { return }
        badIndexes.insert(claim.index)
        let message = "says of pack \(id.hex) something else than the pack's directory"
        findings.add(Damage(object: Names.text(.index, claim.index), message: message))
    }

    /// What the bad packs held, from the index objects that name them.
    private func collectLost() throws {
        for (id, _) in badPacks {
            guard let claim = claims[id] else { continue }
            badIndexes.insert(claim.index)
        }
        try forEachIndexed { index, pack in
            guard badPacks[pack.identity.id] != nil else { return }
            badIndexes.insert(index)
            lost.insert(pack)
        }
    }

    /// Calls `body` with every pack of every index object that can be read.
    func forEachIndexed(_ body: (RandomID, PackContents) throws -> Void) throws {
        try repository.forEachIndex(damaged: { _, _ in }) { id, index in
            for pack in index.packs { try body(id, pack) }
        }
    }
}
