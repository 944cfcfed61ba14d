import Archive
import BSON
import Bytes
import ObjectStore
import TestSupport

/// What one run does, by the documents' numbers.
struct RunChange {
    /// Number → version.
    var puts: [Int: Int] = [:]
    var removals: [Int] = []
}

/// One collection with runs: how it is written, and what must come back.
struct LayeredCollection {
    let namespace: String
    let entry: CatalogueEntry
    /// Number → version.
    let expected: [Int: Int]

    static func document(_ number: Int, _ version: Int) -> BSONDocument {
        // Identities of all sizes, those that SipHash takes in one word and in several.
        let identity: BSONValue =
            switch number % 3 {
            case 0: .int32(Int32(number))
            case 1: .string("document \(number) " + String(repeating: "x", count: number % 40))
            default: .document(["a": .int64(Int64(number)), "b": .double(Double(number))])
            }
        return ["_id": identity, "n": .int32(Int32(number)), "version": .int32(Int32(version))]
    }

    static func identity(_ number: Int) throws -> [UInt8] { try Engine.identity(document(number, 0)) }

    /// Stores documents 0 ..< `base` in version 0, and `changes` as runs.
    static func write(
        _ namespace: String, base: Int, _ changes: [RunChange], with writer: ArchiveWriter
    ) throws -> LayeredCollection {
        let stored = try Engine.feed((0..<base).map { document($0, 0) }, to: writer.makeStream())
        let list = writer.makeLeafList()
        try list.append(stored.leaves)
        let parts = namespace.split(separator: ".", maxSplits: 1)
        let entry = CatalogueEntry(
            database: String(parts[0]), collection: String(parts[1]), kind: .collection,
            uuid: [UInt8](repeating: 1, count: 16), options: [:], indexes: [], documents: stored.documents,
            rawBytes: stored.rawBytes, plan: nil, leafCount: list.count, leaves: try list.finish())
        let bare = LayeredCollection(
            namespace: namespace, entry: entry, expected: Dictionary(uniqueKeysWithValues: (0..<base).map { ($0, 0) }))
        return try changes.reduce(bare) { try $0.changed($1, with: writer) }
    }

    /// The same with one more run.
    func changed(_ change: RunChange, with writer: ArchiveWriter) throws -> LayeredCollection {
        let runWriter = writer.makeRunWriter()
        var expected = expected
        for (number, version) in change.puts.sorted(by: { $0.key < $1.key }) {
            let bytes = Self.document(number, version).bytes
            try runWriter.put(
                document: bytes.rawSpan, identity: try DocumentIdentity.idBytes(of: bytes.rawSpan))
            expected[number] = version
        }
        for number in change.removals {
            let identity = try Self.identity(number)
            try runWriter.remove(identity: identity.rawSpan)
            expected[number] = nil
        }
        var entry = entry
        entry.runs.append(try runWriter.finish(delta: expected.count - self.expected.count))
        return LayeredCollection(namespace: namespace, entry: entry, expected: expected)
    }

    /// A change of random documents below `limit`; some of what it removes is not there.
    static func randomChange(_ random: inout SeededGenerator, limit: Int, version: Int) -> RunChange {
        var change = RunChange()
        for _ in 0..<random.integer(0..<limit / 2 + 2) {
            let number = random.integer(0..<limit)
            if random.once(in: 3) {
                if change.puts[number] == nil, !change.removals.contains(number) { change.removals.append(number) }
            } else if !change.removals.contains(number) {
                change.puts[number] = version
            }
        }
        return change
    }
}

enum Layers {
    /// Commits `collections` as one snapshot.
    static func commit(
        _ collections: [LayeredCollection], with writer: ArchiveWriter, kind: Snapshot.Kind = .incremental,
        at seconds: UInt32 = 5
    ) throws -> Snapshot {
        let entries = collections.map(\.entry).sorted(by: CatalogueEntry.precedes)
        var draft = Engine.draft(
            try writer.store(documents: entries.map { $0.encode() }, type: .catalogue), Snapshot.Totals(of: entries),
            at: seconds)
        draft.kind = kind
        draft.layered = entries.contains { !$0.runs.isEmpty }
        draft.term = 1
        return try writer.commit(draft)
    }

    /// The live documents of each collection, number → version, read in as many passes as there are partitions.
    static func contents(
        _ snapshot: Snapshot, of repository: Repository, budget: Int = LayerTable.standardBudget
    ) throws -> [String: [Int: Int]] {
        let reader = SnapshotReader(repository: repository, chunks: try repository.loadIndex(), snapshot: snapshot)
        var contents: [String: [Int: Int]] = [:]
        try reader.forEachEntry { entry in
            var found: [Int: Int] = [:]
            for partition in LayerTable.partitions(for: entry.runs, budget: budget) {
                let table = try LayerTable(entry.runs, reader: reader.makeChunkReader(), partition: partition)
                for document in try live(entry, reader, table) {
                    guard case .int32(let number)? = document["n"], case .int32(let version)? = document["version"],
                        found.updateValue(Int(version), forKey: Int(number)) == nil
                    else { throw CairnError(.corrupt, "\(document) came twice") }
                }
            }
            contents[entry.namespace] = found
        }
        return contents
    }

    /// The live documents of each collection, in the order of the layers.
    static func liveBytes(_ snapshot: Snapshot, of repository: Repository) throws -> [String: [UInt8]] {
        let reader = SnapshotReader(repository: repository, chunks: try repository.loadIndex(), snapshot: snapshot)
        var contents: [String: [UInt8]] = [:]
        try reader.forEachEntry { entry in
            let table = try LayerTable(entry.runs, reader: reader.makeChunkReader())
            contents[entry.namespace] = try live(entry, reader, table).flatMap(\.bytes)
        }
        return contents
    }

    private static func live(
        _ entry: CatalogueEntry, _ reader: SnapshotReader, _ table: LayerTable
    ) throws -> [BSONDocument] {
        var leaves = reader.layers(of: entry)
        let chunks = reader.makeChunkReader()
        let buffer = Buffer(capacity: 0)
        var documents: [BSONDocument] = []
        while let (leaf, layer) = try leaves.next() {
            buffer.removeAll()
            try chunks.read(leaf.chunk, type: .documents, into: buffer)
            try DocumentBatch.forEachDocument(inChunk: buffer.bytes) { document in
                guard table.isLive(try DocumentIdentity.idBytes(of: document), layer: layer) else { return }
                documents.append(try BSONDocument(copying: document))
            }
        }
        return documents
    }
}
