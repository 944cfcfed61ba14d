import Archive
import BSON
import Bytes
import ObjectStore
import Operations
import TestSupport

/// Compaction without a server: a full snapshot of the corpus and one run with changes spread at random over it, from a
/// local repository into the same one.
struct CompactionRun {
    let corpus: Corpus
    let workers: Int
    let runs: Int

    private let key = KeySource.keyFile(SecretBytes(copying: [UInt8](repeating: 7, count: 32).rawSpan))
    /// One document in so many is updated, as many are deleted, and as many are inserted: 1 % in all.
    private static let rarity = 300

    /// Each run has a repository of its own: in a compacted one the next compaction finds its chunks.
    func run() throws {
        print("\nCompaction after 1 % of the documents changed at random, level 3, \(workers) workers")
        for _ in 0..<max(1, runs) {
            let directory = try TemporaryDirectory()
            try fill(directory.appending("repository"))
            var options = Compact.Options(
                repository: RepositoryAccess(location: .directory(directory.appending("repository")), key: key))
            options.workers = workers
            var report: BackupReport?
            let measured = try Measurement.of {
                report = try Compact(options: options, progress: JobProgress(), cancellation: Cancellation()).run()
            }
            let megabytes = Double(corpus.bytes) / 1e6
            print(
                "  " + column(megabytes / measured.cpu, 5) + " MB per CPU second, "
                    + column(measured.wall, 0, digits: 2) + " s wall, " + column(measured.cpu, 0, digits: 2)
                    + " s CPU, "
                    + "\(column(Double(measured.allocations) / Double(corpus.documents), 0, digits: 2)) allocations a "
                    + "document, \(report.map { $0.addedBytes >> 20 } ?? 0) MiB written")
        }
    }

    private func fill(_ path: String) throws {
        let repository = try Repository.create(store: try LocalStore.create(path: path), key: key)
        let full = try commit(.full, parent: nil, in: repository) { writer in
            try corpus.streams.enumerated().map { try entry($0, of: $1, writer) }
        }
        _ = try commit(.incremental, parent: full.snapshot.id, in: repository) { writer in
            try zip(full.entries, corpus.streams).enumerated().map { number, collection in
                var entry = collection.0
                entry.runs = [try change(collection.1, writer, seed: UInt64(number))]
                return entry
            }
        }
    }

    private func commit(
        _ kind: Snapshot.Kind, parent: RandomID?, in repository: Repository,
        _ body: (ArchiveWriter) throws -> [CatalogueEntry]
    ) throws -> (snapshot: Snapshot, entries: [CatalogueEntry]) {
        let writer = ArchiveWriter(
            repository: repository, index: try .load(repository), options: WriterOptions(workers: workers))
        let entries = try body(writer)
        let snapshot = Snapshot(
            id: repository.newID(), kind: kind, parent: parent,
            at: Timestamp(t: kind == .full ? 1 : 2, i: 1), started: 0, finished: 0,
            source: Snapshot.Source(
                set: "rs0", host: "db.example.org:27017", serverVersion: "6.0.5", featureCompatibilityVersion: "6.0"),
            scanOrder: .natural, tags: [],
            catalogue: try writer.store(documents: entries.map { $0.encode() }, type: .catalogue),
            totals: Snapshot.Totals(of: entries), warnings: [], exact: true, term: 1, layered: kind == .incremental)
        return (try writer.commit(snapshot), entries)
    }

    private func entry(_ number: Int, of documents: Buffer, _ writer: ArchiveWriter) throws -> CatalogueEntry {
        let stream = writer.makeStream()
        var batch = DocumentBatch.Chunk(documents.bytes)
        while let document = try batch.next() {
            try stream.append(document: document, identity: try DocumentIdentity.idBytes(of: document))
        }
        try stream.finish()
        let stored = try stream.wait()
        let leaves = writer.makeLeafList()
        try leaves.append(stored.leaves)
        return CatalogueEntry(
            database: "bench", collection: "c\(100 + number)", kind: .collection,
            uuid: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 16), options: [:], indexes: [],
            documents: stored.documents, rawBytes: stored.rawBytes, plan: nil, leafCount: leaves.count,
            leaves: try leaves.finish())
    }

    /// A run that updates, deletes and inserts.
    private func change(_ documents: Buffer, _ writer: ArchiveWriter, seed: UInt64) throws -> Run {
        let run = writer.makeRunWriter()
        var random = SeededGenerator(seed: seed)
        var inserts = RandomDocuments(seed: seed)
        let changed = Buffer(capacity: 1 << 16)
        var delta = 0
        var batch = DocumentBatch.Chunk(documents.bytes)
        while let document = try batch.next() {
            let identity = try DocumentIdentity.idBytes(of: document)
            switch random.integer(0..<CompactionRun.rarity) {
            case 0:
                update(document, into: changed)
                try run.put(document: changed.bytes, identity: identity)
            case 1:
                try run.remove(identity: identity)
                delta -= 1
            case 2:
                let new = inserts.ordinaryDocument(id: .objectID(ObjectID(random.bytes(12).rawSpan))).bytes
                try run.put(document: new.rawSpan, identity: DocumentIdentity.idBytes(of: new.rawSpan))
                delta += 1
            default: break
            }
        }
        return try run.finish(delta: delta)
    }

    /// Adds a field.
    private func update(_ document: RawSpan, into changed: Buffer) {
        changed.removeAll()
        changed.append(document.extracting(0..<(document.byteCount - 1)))
        changed.append([0x10, 0x7A, 0x00, 1, 0, 0, 0, 0])
        changed.overwrite(at: 0, littleEndian: Int32(changed.count))
    }
}
