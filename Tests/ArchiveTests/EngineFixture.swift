import Archive
import BSON
import Bytes
import ObjectStore

/// Collections of documents by namespace `db.coll`; each inner array is one stream.
typealias SampleData = [String: [[BSONDocument]]]

/// What the tests of the pipeline share: a repository with small chunks, so that little data makes many of them.
enum Engine {
    static let key = KeySource.keyFile(SecretBytes(copying: [UInt8](repeating: 7, count: 32).rawSpan))
    static let sizes = ChunkSizes(minimum: 1 << 10, target: 4 << 10, maximum: 16 << 10)

    static func makeRepository(_ store: any ObjectStore = MemoryStore()) throws -> Repository {
        let parameters = RepositoryParameters(
            documentChunks: sizes,
            metadataChunks: ChunkSizes(minimum: 256, target: 1 << 10, maximum: 4 << 10))
        return try Repository.create(store: store, parameters: parameters, key: key)
    }

    /// A document with an `_id` and compressible filling.
    static func document(_ id: Int, size: Int = 300, version: Int = 0) -> BSONDocument {
        let filling = String(repeating: "stone \(id % 17) \(version) ", count: max(1, size / 12))
        return ["_id": .int64(Int64(id)), "version": .int32(Int32(version)), "filling": .string(filling)]
    }

    static func documents(_ ids: Range<Int>, size: Int = 300) -> [BSONDocument] { ids.map { document($0, size: size) } }

    static func identity(_ document: BSONDocument) throws -> [UInt8] {
        let bytes = document.bytes
        return [UInt8](try DocumentIdentity.idBytes(of: bytes.rawSpan))
    }

    static let sample: SampleData = [
        "shop.orders": [documents(0..<200), documents(200..<350)],
        "shop.users": [documents(0..<3)],
        "shop.empty": [],
    ]

    static let options = WriterOptions(workers: 2, level: 1, streams: 4, packTarget: 1 << 16, packsPerIndex: 3)

    /// Backs `data` up, each stream on a thread of its own.
    @discardableResult
    static func backUp(
        _ data: SampleData, to repository: Repository, options: WriterOptions = Engine.options, at seconds: UInt32 = 1
    ) throws -> Snapshot {
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: options)
        return try backUp(data, with: writer, at: seconds)
    }

    static func backUp(_ data: SampleData, with writer: ArchiveWriter, at seconds: UInt32 = 1) throws -> Snapshot {
        var entries: [CatalogueEntry] = []
        for (namespace, streams) in data {
            let list = writer.makeLeafList()
            var documents = 0
            var rawBytes = 0
            for stored in try store(streams, with: writer) {
                try list.append(stored.leaves)
                documents += stored.documents
                rawBytes += stored.rawBytes
            }
            let parts = namespace.split(separator: ".", maxSplits: 1)
            entries.append(
                CatalogueEntry(
                    database: String(parts[0]), collection: String(parts[1]), kind: .collection,
                    uuid: [UInt8](repeating: 1, count: 16), options: [:], indexes: [], documents: documents,
                    rawBytes: rawBytes, plan: nil, leafCount: list.count, leaves: try list.finish()))
        }
        entries.sort(by: CatalogueEntry.precedes)
        return try writer.commit(
            draft(
                try writer.store(documents: entries.map { $0.encode() }, type: .catalogue),
                Snapshot.Totals(of: entries), at: seconds))
    }

    private static func store(_ streams: [[BSONDocument]], with writer: ArchiveWriter) throws -> [StoredStream] {
        let results = BoundedQueue<(Int, Result<StoredStream, any Error>)>(capacity: max(1, streams.count))
        let threads = streams.enumerated().map { number, documents in
            OwnedThread(name: "reader") {
                let result = Result { try feed(documents, to: writer.makeStream()) }
                try? results.push((number, result))
            }
        }
        for thread in threads { thread.join() }
        var stored = [StoredStream?](repeating: nil, count: streams.count)
        for _ in streams {
            guard let (number, result) = try results.pop() else { break }
            stored[number] = try result.get()
        }
        return stored.map { $0! }
    }

    static func feed(_ documents: [BSONDocument], to stream: ChunkStream) throws -> StoredStream {
        for document in documents {
            let bytes = document.bytes
            try stream.append(document: bytes.rawSpan, identity: try DocumentIdentity.idBytes(of: bytes.rawSpan))
        }
        try stream.finish()
        return try stream.wait()
    }

    static func draft(_ catalogue: [ChunkID], _ totals: Snapshot.Totals, at seconds: UInt32) -> Snapshot {
        Snapshot(
            id: .random(), kind: .full, parent: nil, at: Timestamp(t: seconds, i: 1), started: 1, finished: 2,
            source: Snapshot.Source(
                set: "rs0", host: "localhost:27017", serverVersion: "6.0.5", featureCompatibilityVersion: "6.0"),
            scanOrder: .natural, tags: [], catalogue: catalogue, totals: totals, warnings: [], exact: true)
    }

    /// The same repository in a store of its own.
    static func copy(_ repository: Repository) throws -> Repository {
        let store = MemoryStore()
        var names: [ObjectName] = []
        try repository.store.list(prefix: "") { names.append($0.name) }
        for name in names {
            let buffer = Buffer(capacity: 0)
            try repository.store.get(name, into: buffer)
            try store.put(name, buffer.bytes, mode: .ifAbsent)
        }
        return try Repository.open(store: store, key: key)
    }

    /// Everything that a snapshot holds, read back.
    static func contents(_ snapshot: Snapshot, of repository: Repository) throws -> [String: [BSONDocument]] {
        let index = try repository.loadIndex()
        let reader = SnapshotReader(repository: repository, chunks: index, snapshot: snapshot)
        let chunks = reader.makeChunkReader()
        var contents: [String: [BSONDocument]] = [:]
        try reader.forEachEntry { entry in
            var leaves = reader.leaves(of: entry)
            var documents: [BSONDocument] = []
            let buffer = Buffer(capacity: 0)
            while let leaf = try leaves.next() {
                buffer.removeAll()
                try chunks.read(leaf.chunk, type: .documents, into: buffer)
                try DocumentBatch.forEachDocument(inChunk: buffer.bytes) {
                    documents.append(try BSONDocument(copying: $0))
                }
            }
            contents[entry.namespace] = documents
        }
        return contents
    }

    /// What `contents` gives for data that came through whole.
    static func expected(_ data: SampleData) -> [String: [BSONDocument]] { data.mapValues { Array($0.joined()) } }
}
