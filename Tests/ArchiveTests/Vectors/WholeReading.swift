import BSON
import Bytes
import ObjectStore

@testable import Archive

/// Reads a repository as format-spec.md §9.4 says and checks everything that §14.2 asks for.
///
/// - Returns: for each snapshot, oldest first, the concatenated documents of each namespace.
func readEverything(_ repository: Repository) throws -> [[String: [UInt8]]] {
    let reading = try WholeReading(repository)
    for segment in try repository.segments() { try reading.read(segment) }
    return try repository.snapshots().map { try reading.read($0) }
}

private struct WholeReading {
    let repository: Repository
    let index: ChunkIndex
    let opener: ChunkOpener
    let hasher: ChunkHasher

    init(_ repository: Repository) throws {
        self.repository = repository
        index = try repository.loadIndex()
        opener = repository.makeChunkOpener()
        hasher = ChunkHasher(keys: repository.keys)
    }

    func read(_ snapshot: Snapshot) throws -> [String: [UInt8]] {
        var entries: [CatalogueEntry] = []
        for id in snapshot.catalogue {
            let plaintext = try chunk(id, .catalogue)
            try CatalogueEntry.forEach(inCatalogue: plaintext.rawSpan, object: "catalogue") { entries.append($0) }
        }
        for (one, next) in zip(entries, entries.dropFirst()) {
            try require(CatalogueEntry.precedes(one, next), "the catalogue is out of order")
        }
        let documents = entries.reduce(0) { $0 + $1.liveDocuments }
        let rawBytes = entries.reduce(0) { $0 + $1.totalRawBytes }
        try require(
            (entries.count, documents, rawBytes)
                == (snapshot.totals.namespaces, snapshot.totals.documents, snapshot.totals.rawBytes),
            "the catalogue is not what the totals say")
        try require(snapshot.layered || entries.allSatisfy(\.runs.isEmpty), "runs in a snapshot of version 1")
        var result: [String: [UInt8]] = [:]
        for entry in entries { result[entry.namespace] = try read(entry) }
        return result
    }

    /// The live documents of all layers, as [F-8] defines them: without `LayerTable`, which is compared with this.
    private func read(_ entry: CatalogueEntry) throws -> [UInt8] {
        var newest: [[UInt8]: Int] = [:]
        for (number, run) in entry.runs.enumerated() {
            var touched: [[UInt8]] = []
            for id in run.removals {
                let plaintext = try chunk(id, .run)
                touched += try documents(in: plaintext).map { document in
                    try require(document.fields.count == 1, "a removal is more than an `_id`")
                    return try identity(document)
                }
            }
            try require(touched.count == run.removed, "removals do not add up")
            touched += try layer(run.leaves, (run.leafCount, run.documents, run.rawBytes)).map(identity)
            try require(Set(touched).count == touched.count && !touched.contains([]), "a run is no set")
            for identity in touched { newest[identity] = number + 1 }
        }
        var all: [UInt8] = []
        var live = 0
        let base = try layer(entry.leaves, (entry.leafCount, entry.documents, entry.rawBytes))
        let runs = try entry.runs.map { try layer($0.leaves, ($0.leafCount, $0.documents, $0.rawBytes)) }
        for (number, layer) in ([base] + runs).enumerated() {
            for document in layer where newest[try identity(document), default: 0] <= number {
                all += document.bytes
                live += 1
            }
        }
        try require(live == entry.liveDocuments, "another number of documents is live")
        return all
    }

    private func layer(
        _ leaves: CatalogueEntry.Leaves, _ expected: (leaves: Int, documents: Int, rawBytes: Int)
    ) throws -> [BSONDocument] {
        var list: [Leaf] = []
        switch leaves {
        case .inline(let inline): list = inline
        case .lists(let ids):
            for id in ids {
                let plaintext = try chunk(id, .leafList)
                try Leaf.forEach(inList: plaintext.rawSpan, object: "leaf list") { list.append($0) }
            }
        }
        var all: [BSONDocument] = []
        var rawBytes = 0
        for leaf in list {
            let plaintext = try chunk(leaf.chunk, .documents)
            let found = try documents(in: plaintext)
            try require(
                (found.count, plaintext.count) == (leaf.documents, leaf.rawBytes), "a leaf and its chunk differ")
            all += found
            rawBytes += plaintext.count
        }
        try require((list.count, all.count, rawBytes) == expected, "leaves do not add up")
        return all
    }

    private func identity(_ document: BSONDocument) throws -> [UInt8] {
        [UInt8](try DocumentIdentity.idBytes(of: document.bytes.rawSpan))
    }

    private func documents(in plaintext: [UInt8]) throws -> [BSONDocument] {
        var all: [BSONDocument] = []
        try forEachDocument(plaintext.rawSpan, object: "chunk") { all.append($0) }
        return all
    }

    /// [S-2]
    func read(_ segment: Segment) throws {
        for piece in segment.prelude + segment.chunks {
            let entries = try documents(in: try chunk(piece.chunk, .oplog))
            let times = try entries.map { try $0.require("ts", as: Timestamp.self, in: "entry") }
            try require(
                times.count == piece.entries && times.first == piece.first && times.last == piece.last,
                "a chunk of the oplog is not what its segment says")
            try require(zip(times, times.dropFirst()).allSatisfy { $0 < $1 }, "entries are out of order")
        }
    }

    private func chunk(_ id: ChunkID, _ type: ChunkType) throws -> [UInt8] {
        guard let location = index.lookup(id) else {
            throw CairnError(.corrupt, "chunk \(id.hex) is in no index object", object: "indexes/")
        }
        try require(location.type == type, "a chunk of another type")
        let output = Buffer(capacity: location.rawCount)
        do {
            try repository.readChunk(id, at: location, opener: opener, into: output)
        } catch let error as CairnError where error.code == .notFound {
            throw CairnError(.corrupt, "a pack is missing", object: error.object)
        }
        try require(hasher.id(of: output.bytes, type: type) == id, "a chunk's id is not that of its plaintext")
        return output.array
    }

    private func require(_ condition: Bool, _ message: String) throws {
        guard condition else { throw CairnError(.corrupt, message) }
    }
}
