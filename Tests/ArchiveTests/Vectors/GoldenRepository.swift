import BSON
import Bytes
import Columns
import ObjectStore

@testable import Archive

/// Writes the small repository of `Tests/Vectors/valid`, the same each time, or one with a single defect.
struct GoldenRepository {
    static let passphrase = "correct horse battery staple"
    static let keyFile = [UInt8](repeating: 0x2A, count: 32)

    /// Changes to what is about to be sealed; each makes one defect that only a holder of the keys could make.
    struct Hooks {
        var leaf: (BSONDocument) -> BSONDocument = { $0 }
        var entry: (BSONDocument) -> BSONDocument = { $0 }
        var snapshot: (BSONDocument) -> BSONDocument = { $0 }
        var index: (BSONDocument) -> BSONDocument = { $0 }
        var chunkID: (ChunkID) -> ChunkID = { $0 }
        var packs: (inout [PackContents]) -> Void = { _ in }
        /// Adds `GoldenRepository+Layers`; the hooks below change what is in it.
        var hasLayers = false
        /// Adds `GoldenRepository+Fences`.
        var hasFences = false
        /// Has chunks in columns, which `columns` may change.
        var hasColumns = false
        var columns: ([UInt8]) -> [UInt8] = { $0 }
        var incremental: (BSONDocument) -> BSONDocument = { $0 }
        var removals: ([UInt8]) -> [UInt8] = { $0 }
        var putIntoRun: (BSONDocument) -> BSONDocument = { $0 }
        var runs: (inout [Run]) -> Void = { _ in }
        var segment: (BSONDocument) -> BSONDocument = { $0 }
        var oplog: ([BSONDocument]) -> [BSONDocument] = { $0 }
        var seed = "cairn vectors"
    }

    let store = MemoryStore()
    let repository: Repository
    let hooks: Hooks
    let builder: PackBuilder
    private let hasher: ChunkHasher
    private let compressor = ZstdCompressor(level: 3)
    private let columnar = ColumnarEncoder(level: 3)
    var packs: [PackContents] = []
    var snapshots: [RandomID] = []

    init(_ hooks: Hooks = Hooks()) throws {
        self.hooks = hooks
        var parameters = RepositoryParameters(
            passphraseCost: PassphraseCost(logN: 4, r: 8, p: 1), keyLabel: "passphrase of the vectors")
        parameters.columns = hooks.hasColumns
        repository = try Repository.create(
            store: store, parameters: parameters,
            key: .passphrase(SecretBytes(copying: Array(GoldenRepository.passphrase.utf8).rawSpan)),
            surroundings: .seeded(hooks.seed))
        builder = repository.makePackBuilder()
        hasher = ChunkHasher(keys: repository.keys)
        _ = try repository.addKey(
            .keyFile(SecretBytes(copying: GoldenRepository.keyFile.rawSpan)), label: "key file of the vectors",
            cost: .standard)
        try repository.appendAudit(operation: "init", program: "cairn vectors", details: [:])
        try backup(orders: [["first", "second", "third"]], at: 1_795_000_000)
        try backup(orders: [["first", "second", "third"], ["fourth"]], at: 1_795_086_400)
        if hooks.hasLayers { try addLayers() }
        if hooks.hasFences { try addFences() }
        let index = hooks.index(IndexObject(packs: packs).encode())
        try repository.writeSealed(index, kind: .index, id: repository.newID())
        let lease = LeaseRecord(
            id: repository.newID(), kind: .writer, created: 1_795_000_000_000, renewed: 1_795_000_000_000,
            expires: 1_795_000_600_000, note: "left by a job that was killed")
        try repository.writeSealed(lease.encode(), kind: .lease, id: lease.id)
    }

    mutating func backup(orders: [[String]], at: UInt32, lease: RandomID? = nil) throws {
        var added: Set<ChunkID> = Set(packs.flatMap { $0.entries.map(\.id) })
        try builder.begin(in: Buffer(capacity: 1 << 14))
        let entries = [
            // More leaves than fit inline: a leaf list.
            try entry(
                "big", "numbers", try (0..<6).map { number in try leaf(numbers(number), &added) }, options: [:],
                added: &added),
            try entry("shop", "empty", [], options: ["capped": true, "size": .int64(4096)], added: &added),
            try entry(
                "shop", "orders", try orders.map { try leaf(documents($0), &added) }, options: [:], added: &added),
            try entry("shop", "view", nil, options: ["viewOn": "orders", "pipeline": .array([])], added: &added),
        ]
        let encoded = entries.map { hooks.entry($0.encode()) }
        let catalogue = try chunk(encoded.flatMap(\.bytes), .catalogue, &added)
        let pack = builder.finish()
        try repository.writePack(pack)
        packs.append(pack.contents)
        var snapshot = snapshot(catalogue, entries, at: at, addedBytes: pack.buffer.count)
        snapshot.lease = lease
        try repository.writeSealed(hooks.snapshot(snapshot.encode()), kind: .snapshot, id: snapshot.id)
        snapshots.append(snapshot.id)
        try repository.appendAudit(
            operation: "backup", program: "cairn vectors", details: ["snapshot": .id(snapshot.id)])
        if snapshots.count == 2 { hooks.packs(&packs) }
    }

    private func snapshot(_ catalogue: ChunkID, _ entries: [CatalogueEntry], at: UInt32, addedBytes: Int) -> Snapshot {
        Snapshot(
            id: repository.newID(), kind: .full, parent: snapshots.last, at: Timestamp(t: at, i: 1),
            started: repository.now(), finished: repository.now(),
            source: Snapshot.Source(
                set: "rs0", host: "db.example:27017", serverVersion: "6.0.5", featureCompatibilityVersion: "6.0"),
            scanOrder: .natural, tags: snapshots.isEmpty ? [] : ["nightly"], catalogue: [catalogue],
            totals: Snapshot.Totals(
                namespaces: entries.count, documents: entries.reduce(0) { $0 + $1.documents },
                rawBytes: entries.reduce(0) { $0 + $1.rawBytes }, chunks: entries.reduce(0) { $0 + $1.leafCount },
                addedBytes: addedBytes),
            warnings: [], exact: true)
    }

    func entry(
        _ database: String, _ collection: String, _ leaves: [Leaf]?, options: BSONDocument, added: inout Set<ChunkID>
    ) throws -> CatalogueEntry {
        let all = leaves ?? []
        var stored = CatalogueEntry.Leaves.inline(all)
        if all.count > FormatLimits.inlineLeavesMax {
            let list = all.flatMap { hooks.leaf($0.encode()).bytes }
            stored = .lists([try chunk(list, .leafList, &added)])
        }
        return CatalogueEntry(
            database: database, collection: collection, kind: leaves == nil ? .view : .collection,
            uuid: leaves == nil ? nil : [UInt8](repeating: UInt8(collection.utf8.count), count: 16), options: options,
            indexes: leaves == nil ? [] : [["v": 2, "key": ["_id": 1], "name": "_id_"]],
            documents: all.reduce(0) { $0 + $1.documents }, rawBytes: all.reduce(0) { $0 + $1.rawBytes }, plan: nil,
            leafCount: all.count, leaves: stored)
    }

    func leaf(_ documents: [BSONDocument], _ added: inout Set<ChunkID>) throws -> Leaf {
        let plaintext = documents.flatMap(\.bytes)
        func identity(_ document: BSONDocument) throws -> [UInt8] {
            [UInt8](try DocumentIdentity.idBytes(of: document.bytes.rawSpan))
        }
        return Leaf(
            chunk: try chunk(plaintext, .documents, &added), documents: documents.count, rawBytes: plaintext.count,
            firstID: try identity(documents[0]), lastID: try identity(documents[documents.count - 1]))
    }

    func chunk(_ plaintext: [UInt8], _ type: ChunkType, _ added: inout Set<ChunkID>) throws -> ChunkID {
        var id = hasher.id(of: plaintext.rawSpan, type: type)
        if type == .documents { id = hooks.chunkID(id) }
        guard added.insert(id).inserted else { return id }
        let start = builder.buffer.count
        var encoding = ChunkEncoding.zstd
        let inColumns = Buffer(capacity: 0)
        if hooks.hasColumns, type == .documents || type == .oplog,
            columnar.encode(plaintext.rawSpan, appendingTo: inColumns) != nil
        {
            encoding = .columns
            builder.buffer.append(hooks.columns(inColumns.array))
        } else if compressor.compress(plaintext.rawSpan, appendingTo: builder.buffer) == nil {
            encoding = .raw
            builder.buffer.append(plaintext)
        }
        try builder.seal(from: start, id: id, type: type, encoding: encoding, rawCount: plaintext.count)
        return id
    }

    func numbers(_ number: Int) -> [BSONDocument] {
        (0..<3).map {
            ["_id": .int32(Int32(number * 3 + $0)), "square": .int64(Int64((number * 3 + $0) * (number * 3 + $0)))]
        }
    }

    func documents(_ names: [String]) -> [BSONDocument] {
        names.enumerated().map { number, name in
            [
                "_id": .string(name), "placed": .date(1_795_000_000_000 + Int64(number)),
                "note": .string(String(repeating: "\(name) order, delivered as asked. ", count: 6)),
                "items": .array([.document(["sku": "A-1", "count": 2]), .null, .double(0.5)]),
            ]
        }
    }
}
