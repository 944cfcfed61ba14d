import BSON
import Bytes
import ObjectStore
import Synchronization

/// Reads packs whole and checks every byte of them: each chunk is decrypted, decoded and hashed, documents are
/// validated and counted, metadata is parsed. In parallel, one pack a thread.
///
/// Memory a thread: a pack, and three times its largest chunk.
struct PackVerifier: Sendable {
    /// What is wrong with one chunk, or, without an id, with a pack as a whole.
    struct Finding: Sendable {
        let damage: Damage
        let chunk: ChunkID?
    }

    /// What was read.
    struct Sums: Sendable {
        var packs = 0
        var chunks = 0
        var documents = 0
        var rawBytes = 0
    }

    let repository: Repository
    let monitor: CheckMonitor
    /// Documents of each chunk as the leaves have it; chunks that no leaf refers to are missing.
    let documentsOfChunk: [ChunkID: UInt32]
    /// What segments say of their chunks.
    let oplogChunks: [ChunkID: OplogChunk]

    /// Verifies the packs `ids`.
    func verify(_ ids: [RandomID], workers: Int) throws -> (findings: [Finding], sums: Sums) {
        monitor.begin(packs: ids.count)
        let results = Results()
        _ = try Parallel.map(ids, threads: workers, name: "cairn-verify") {
            PackVerifierThread(verifier: self)
        } each: { worker, id in
            try monitor.requireNotCancelled()
            let (findings, sums) = try worker.verify(id)
            monitor.finishPack(rawBytes: sums.rawBytes)
            results.add(findings, sums)
        }
        return results.take()
    }

    private final class Results: Sendable {
        private let state = Mutex((findings: [Finding](), sums: Sums()))

        func add(_ findings: [Finding], _ sums: Sums) {
            state.withLock { state in
                state.findings += findings
                state.sums.packs += 1
                state.sums.chunks += sums.chunks
                state.sums.documents += sums.documents
                state.sums.rawBytes += sums.rawBytes
            }
        }

        func take() -> (findings: [Finding], sums: Sums) {
            state.withLock { state in
                let sorted = state.findings.sorted {
                    ($0.damage.object, $0.damage.offset ?? -1) < ($1.damage.object, $1.damage.offset ?? -1)
                }
                return (sorted, state.sums)
            }
        }
    }
}

/// What one thread of a `PackVerifier` owns.
private final class PackVerifierThread {
    private let verifier: PackVerifier
    private let opener: ChunkOpener
    private let hasher: ChunkHasher
    private let pack = Buffer(capacity: 0)
    private let plaintext = Buffer(capacity: 0)
    private var findings: [PackVerifier.Finding] = []
    private var sums = PackVerifier.Sums()

    init(verifier: PackVerifier) {
        self.verifier = verifier
        opener = verifier.repository.makeChunkOpener()
        hasher = ChunkHasher(keys: verifier.repository.keys)
    }

    func verify(_ id: RandomID) throws -> ([PackVerifier.Finding], PackVerifier.Sums) {
        findings = []
        sums = PackVerifier.Sums()
        let object = Names.packText(id)
        do {
            let pack = pack
            pack.removeAll()
            try verifier.repository.store.get(Names.pack(id), into: pack)
            let contents = try verifier.repository.packDirectory(of: pack.bytes, id: id)
            contents.forEachLocation { id, location in verify(id, at: location) }
        } catch let error as CairnError where error.isDamage {
            findings.append(PackVerifier.Finding(damage: Damage(error, object: object), chunk: nil))
        }
        return (findings, sums)
    }

    private func verify(_ id: ChunkID, at location: ChunkLocation) {
        // Local names: a span may not outlive the access to the property that its buffer came from.
        let pack = pack
        let plaintext = plaintext
        do {
            plaintext.removeAll()
            let stored = pack.bytes.extracting(location.range)
            try opener.open(id, at: location, stored: stored, into: plaintext)
            guard hasher.id(of: plaintext.bytes, type: location.type) == id else {
                throw CairnError(
                    .corrupt, "chunk \(id.hex) holds something else than its name says: whoever wrote it was faulty")
            }
            try parse(plaintext, id, location.type)
            sums.chunks += 1
            sums.rawBytes += plaintext.count
        } catch {
            let cause = error as? CairnError
            // An offset that the error has is one inside the plaintext; people look for the chunk.
            let damage = Damage(
                object: Names.packText(location.pack.id), offset: location.offset,
                message: cause?.message ?? String(describing: error))
            findings.append(PackVerifier.Finding(damage: damage, chunk: id))
        }
    }

    private func parse(_ plaintext: Buffer, _ id: ChunkID, _ type: ChunkType) throws {
        let object = "chunk \(id.hex)"
        switch type {
        case .documents:
            let count = try BSONValidator.validateDocuments(inChunk: plaintext.bytes, strictness: .server)
            sums.documents += count
            guard let expected = verifier.documentsOfChunk[id], Int(expected) != count else { return }
            throw CairnError(.corrupt, "chunk \(id.hex) holds \(count) documents, its leaf says \(expected)")
        case .leafList: try Leaf.forEach(inList: plaintext.bytes, object: object) { _ in }
        case .catalogue: try CatalogueEntry.forEach(inCatalogue: plaintext.bytes, object: object) { _ in }
        case .oplog:
            _ = try BSONValidator.validateDocuments(inChunk: plaintext.bytes, strictness: .server)
            guard let expected = verifier.oplogChunks[id] else { return }
            var order = OplogOrder(expected, object: object)
            try DocumentBatch.forEachDocument(inChunk: plaintext.bytes) { _ = try order.take($0) }
            try order.finish()
        case .run: _ = try Run.countRemovals(inChunk: plaintext.bytes, object: object)
        }
    }
}
