import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// Every parser of the format against changed input: it throws an error that says so, or reads something valid; it
/// never traps. Lengths are overwritten with extreme values on purpose. format-spec.md §12.1.
@Suite struct FuzzTests {
    private static let rounds = 4000
    private static let seed: UInt64 = 20_261_122
    private static let expected: Set<CairnError.Code> = [.corrupt, .unsupportedFormat, .wrongKey]

    private let store = MemoryStore()
    private let repository: Repository

    init() throws {
        repository = try Repository.create(
            store: store, parameters: .cheap, key: .passphrase("open sesame"), surroundings: .seeded("fuzz"))
    }

    /// One to four changes of the kinds that damage, cutting and ill will make.
    private static func mutate(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = original
        for _ in 0..<random.integer(1..<5) where !bytes.isEmpty {
            let offset = random.integer(0..<bytes.count)
            switch random.integer(0..<7) {
            case 0: bytes[offset] ^= 1 << UInt8(random.integer(0..<8))
            case 1: bytes[offset] = UInt8(truncatingIfNeeded: random.next())
            case 2: bytes.removeLast(bytes.count - offset)
            case 3: bytes.insert(contentsOf: random.bytes(random.integer(1..<9)), at: offset)
            case 4: bytes.remove(at: offset)
            case 5:
                let extremes: [UInt32] = [0, 1, 4, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x0400_0001]
                let value = random.pick(extremes)
                for index in 0..<4 where offset + index < bytes.count {
                    bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
                }
            default:
                let length = random.integer(0..<min(40, bytes.count - offset) + 1)
                bytes.insert(contentsOf: bytes[offset..<(offset + length)], at: random.integer(0..<bytes.count + 1))
            }
        }
        return bytes
    }

    private func fuzz(
        _ what: String, _ original: [UInt8], rounds: Int = rounds, _ parse: ([UInt8]) throws -> Void
    ) throws {
        try parse(original)
        var random = SeededGenerator(seed: Self.seed)
        for round in 0..<rounds {
            let bytes = Self.mutate(original, &random)
            do {
                try parse(bytes)
            } catch let error as CairnError {
                #expect(
                    Self.expected.contains(error.code), "\(what), round \(round) of seed \(Self.seed): \(error)")
            }
        }
    }

    private func bytes(of name: ObjectName) throws -> [UInt8] {
        let buffer = Buffer(capacity: 1024)
        try store.get(name, into: buffer)
        return buffer.array
    }

    /// Changed documents reach the parsers as they would from a writer with a bug: sealed and authentic.
    private func fuzzDocument(_ what: String, _ document: BSONDocument, _ parse: (BSONDocument) throws -> Void) throws {
        try fuzz(what, document.bytes) { try parse(try BSONDocument.parse($0.rawSpan, object: what)) }
    }

    @Test func config() throws {
        let original = try bytes(of: Names.config)
        try fuzz("config", original) { _ = try RepositoryConfig($0.rawSpan) }
        // The hash made to fit, so that the parser behind it is reached.
        try fuzz("config", Array(original.dropLast(32))) { bytes in
            _ = try RepositoryConfig((bytes + SHA256.hash(bytes.rawSpan).bytes).rawSpan)
        }
    }

    @Test func keyObject() throws {
        let id = repository.openedBy
        let original = try bytes(of: Names.key(id))
        try fuzz("key", original) { _ = try KeyObject(id: id, $0.rawSpan) }
        try fuzz("key", Array(original.dropLast(32))) { bytes in
            // Only parsed: opening is what the bounds on the cost are for, and they are checked when parsing.
            _ = try KeyObject(id: id, (bytes + SHA256.hash(bytes.rawSpan).bytes).rawSpan)
        }
    }

    @Test func opening() throws {
        let name = Names.key(repository.openedBy)
        let original = try bytes(of: name)
        try fuzz("opening", original, rounds: 500) { bytes in
            try store.put(name, bytes.rawSpan, mode: .replace)
            _ = try Repository.open(store: store, key: .passphrase("open sesame"))
        }
    }

    @Test func sealedObject() throws {
        let codec = repository.makeSealedObjects()
        let id = RandomID.random()
        for text in ["", String(repeating: "compresses ", count: 50)] {
            let sealed = try codec.seal(["text": .string(text)], kind: .snapshot, id: id)
            try fuzz("sealed object", sealed.array) {
                _ = try codec.open(Buffer(copying: $0), kind: .snapshot, id: id)
            }
        }
    }

    @Test func pack() throws {
        let builder = repository.makePackBuilder()
        let hasher = ChunkHasher(keys: repository.keys)
        try builder.begin(in: Buffer(capacity: 4096))
        for number in 0..<5 {
            let plaintext = [UInt8](repeating: UInt8(number), count: 50)
            let start = builder.buffer.count
            builder.buffer.append(plaintext)
            try builder.seal(
                from: start, id: hasher.id(of: plaintext.rawSpan, type: .documents), type: .documents, encoding: .raw,
                rawCount: 50)
        }
        let pack = builder.finish()
        try fuzz("pack", pack.buffer.array) { _ = try repository.packDirectory(of: $0.rawSpan, id: pack.id) }
        try fuzz("stored pack", pack.buffer.array, rounds: 1000) { bytes in
            try store.put(pack.name, bytes.rawSpan, mode: .replace)
            _ = try repository.readPackDirectory(pack.id)
        }
        let entries = Buffer(capacity: 512)
        for entry in pack.contents.entries { entry.append(to: entries) }
        try fuzz("directory", entries.array) { _ = try PackDirectory.readEntries($0.rawSpan, object: "directory") }
        let header = Array(pack.buffer.array.prefix(PackHeader.size))
        try fuzz("header", header) { bytes in
            var reader = ByteReader(bytes.rawSpan, object: "header")
            _ = try PackHeader(&reader)
        }
        try fuzz("trailer", Array(pack.buffer.array.suffix(PackTrailer.size))) { bytes in
            _ = try PackDirectory.trailer(of: bytes.rawSpan, object: "trailer")
        }
    }

    @Test func snapshot() throws {
        let snapshot = SnapshotFormatTests.snapshot()
        try fuzzDocument("snapshot", snapshot.encode()) { _ = try Snapshot(id: snapshot.id, $0) }
    }

    @Test func index() throws {
        let identity = PackIdentity(id: .random(), epoch: 0, salt: SHA256.hash([1].rawSpan))
        let entry = PackEntry(
            id: SHA256.hash([2].rawSpan), type: .catalogue, encoding: .zstd, rawCount: 99, storedCount: 77)
        let index = IndexObject(packs: [
            PackContents(identity: identity, entries: [entry, entry]),
            PackContents(identity: identity, entries: [entry]),
        ])
        try fuzzDocument("index", index.encode()) { document in
            // What was read goes into the index in memory, whatever it says.
            let index = ChunkIndex()
            for pack in try IndexObject(document, object: "index").packs { index.insert(pack) }
            index.forEach { _, location in _ = location.range }
        }
    }

    @Test func leavesAndCatalogue() throws {
        let document: BSONDocument = ["_id": "key", "x": 1]
        let identity = [UInt8](try DocumentIdentity.idBytes(of: document.bytes.rawSpan))
        let leaf = Leaf(
            chunk: SHA256.hash([1].rawSpan), documents: 3, rawBytes: 300, firstID: identity, lastID: identity)
        let list = (0..<3).flatMap { _ in leaf.encode().bytes }
        try fuzz("leaf list", list) { try Leaf.forEach(inList: $0.rawSpan, object: "leaf list") { _ in } }
        let run = Run(
            documents: 3, rawBytes: 300, leafCount: 1, leaves: .inline([leaf]), removed: 2, removals: [leaf.chunk],
            delta: -1)
        for (leaves, runs) in [(CatalogueEntry.Leaves.inline([leaf]), []), (.lists([leaf.chunk]), [run, run])] {
            let entry = CatalogueEntry(
                database: "db", collection: "coll", kind: .collection, uuid: [UInt8](repeating: 1, count: 16),
                options: ["capped": true], indexes: [["key": ["_id": 1]]], documents: 3, rawBytes: 300, plan: nil,
                leafCount: 1, leaves: leaves, runs: runs)
            try fuzz("catalogue", entry.encode().bytes + entry.encode().bytes) { bytes in
                try CatalogueEntry.forEach(inCatalogue: bytes.rawSpan, object: "catalogue") { _ in }
            }
        }
    }

    @Test func removals() throws {
        let removals = [1, 2, 3].flatMap { BSONDocument([("_id", .int32($0))]).bytes }
        try fuzz("removals", removals) { _ = try Run.countRemovals(inChunk: $0.rawSpan, object: "removals") }
    }

    @Test func segment() throws {
        let chunk = OplogChunk(
            chunk: SHA256.hash([1].rawSpan), entries: 2, rawBytes: 300, first: Timestamp(t: 7, i: 1),
            last: Timestamp(t: 8, i: 1))
        var early = chunk
        (early.first, early.last) = (Timestamp(t: 1, i: 1), Timestamp(t: 1, i: 2))
        let segment = Segment(
            id: .random(), set: "rs0", host: "h:1", from: OpTime(timestamp: Timestamp(t: 7, i: 1), term: 1),
            to: OpTime(timestamp: Timestamp(t: 9, i: 1), term: 2), created: 1, firstWall: 2, lastWall: 3, entries: 2,
            rawBytes: 300, addedBytes: 5, chunks: [chunk], prelude: [early])
        try fuzzDocument("segment", segment.encode()) { _ = try Segment(id: segment.id, $0) }
        let entries = [7, 8].flatMap { SegmentSample.entry($0).bytes }
        try fuzz("oplog entries", entries, rounds: 1000) { bytes in
            var order = OplogOrder(chunk, object: "chunk")
            try DocumentBatch.forEachDocument(inChunk: bytes.rawSpan) { _ = try order.take($0) }
            try order.finish()
        }
    }

    @Test func leaseAndAudit() throws {
        let id = RandomID.random()
        let lease = LeaseRecord(id: id, kind: .writer, created: 1, renewed: 2, expires: 3, note: "note")
        try fuzzDocument("lease", lease.encode()) { document in
            let record = try LeaseRecord(id: id, document)
            _ = record.isExpired(at: 0)
            let found = FoundLease(id: id, modified: 0, content: .success(record))
            _ = found.conflict(with: .maintenance, scope: nil, at: 0)
        }
        let audit = AuditRecord(
            id: id, at: 1, operation: "backup", program: "test", details: ["a": 1],
            previous: [AuditRecord.Link(id: id, hash: SHA256.hash([1].rawSpan))])
        try fuzzDocument("audit", audit.encode()) { _ = try AuditRecord(id: id, $0) }
    }
}
