public import BSON
import Bytes

/// One collection or view of the sample data, and how it comes to be.
public struct SampleCollection: Sendable {
    /// The database's name.
    public let db: String
    /// The collection's name.
    public let name: String
    /// What `create` takes beside the name; empty for a plain collection.
    public let options: BSONDocument
    /// What `createIndexes` takes, after the documents are in.
    public let indexes: [BSONDocument]
    /// In the order of insertion.
    public let documents: [BSONDocument]

    init(
        _ db: String, _ name: String, options: BSONDocument = [:], indexes: [BSONDocument] = [],
        documents: [BSONDocument] = []
    ) {
        self.db = db
        self.name = name
        self.options = options
        self.indexes = indexes
        self.documents = documents
    }
}

/// A small deployment that has one of everything a backup must bring back: all BSON types, all kinds of collections and
/// indexes, odd names, odd documents.
///
/// Loading it twice gives the same documents; only the collections' UUIDs and the time series' bucket ids differ.
public enum SampleData {
    /// Everything, views behind what they show.
    public static func collections() -> [SampleCollection] {
        values + structures + indexed + specials + names
    }

    /// Creates and fills all collections on the server behind `client`; databases must not exist.
    ///
    /// - Throws: what the server refuses.
    public static func load(into client: WireClient) throws {
        for collection in collections() {
            try client.run(
                BSONDocument([("create", .string(collection.name))] + collection.options.pairs), db: collection.db)
            try client.insert(collection.documents, db: collection.db, collection: collection.name)
            guard !collection.indexes.isEmpty else { continue }
            try client.run(
                [
                    "createIndexes": .string(collection.name),
                    "indexes": .array(collection.indexes.map { .document($0) }),
                ], db: collection.db)
        }
    }

    /// The databases that `load` makes.
    public static var databases: Set<String> { Set(collections().map(\.db)) }

    /// 2100-01-01T00:00:00Z in milliseconds: dates below TTL indexes are in the far future, or the server's TTL thread
    /// would change the data under the test.
    static let farFuture: Int64 = 4_102_444_800_000

    static func objectID(_ number: UInt32) -> ObjectID {
        let bytes: [UInt8] = [0x65, 0x43, 0x21, 0x00, 0xCA, 0x12, 0x17, 0x00]
        let tail = (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(24 - 8 * $0)) }
        return ObjectID(copying: bytes + tail)
    }
}

extension BSONDocument {
    /// Fields as the initialiser takes them.
    var pairs: [(String, BSONValue)] { fields.map { ($0.name, $0.value) } }
}

extension ObjectID {
    init(copying bytes: [UInt8]) {
        self.init(bytes.rawSpan)
    }
}

extension WireClient {
    /// Inserts in batches that fit a message, without validation, so that documents which break a validator get in.
    ///
    /// - Throws: what the server refuses.
    public func insert(_ documents: [BSONDocument], db: String, collection: String) throws {
        let batchBytesMax = 16_000_000
        let batchDocumentsMax = 1_000
        var start = 0
        while start < documents.count {
            var end = start
            var size = 0
            while end < documents.count && end - start < batchDocumentsMax
                && (end == start || size + documents[end].bytes.count < batchBytesMax)
            {
                size += documents[end].bytes.count
                end += 1
            }
            try insert(sequence: documents[start..<end].flatMap(\.bytes), db: db, collection: collection)
            start = end
        }
    }
}
