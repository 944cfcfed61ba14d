import BSON
import Bytes
import Mongo
import Synchronization
import TestSupport
import Testing

@testable import Oplog

/// A database of its own on the shared server, and what the server's oplog says about it.
final class LiveOplog {
    static let isAvailable = ThrowawayServer.isAvailable
    private static let count = Mutex(0)

    private let server: ThrowawayServer
    let database: String
    let client: WireClient
    let deployment: MongoDeployment
    /// The time of the newest entry that was read.
    private(set) var time: Timestamp

    /// On the server that tests share, or on one of its own.
    init(_ own: ThrowawayServer? = nil) throws {
        let number = Self.count.withLock { count in
            count += 1
            return count
        }
        database = "oplog\(number)"
        let server = try own ?? ThrowawayServer.shared("oplog")
        self.server = server
        client = try server.connect()
        deployment = try MongoDeployment.connect(uri: server.uri)
        time = Timestamp(t: 0, i: 0)
        time = try newest()
    }

    @discardableResult
    func run(_ command: BSONDocument) throws -> BSONDocument { try client.run(command, db: database) }

    func insert(_ collection: String, _ documents: [BSONDocument]) throws {
        try run(["insert": .string(collection), "documents": .array(documents.map(BSONValue.document))])
    }

    func update(_ collection: String, _ query: BSONDocument, _ change: BSONValue) throws {
        try run([
            "update": .string(collection),
            "updates": .array([["q": .document(query), "u": change, "upsert": true]]),
        ])
    }

    func delete(_ collection: String, _ query: BSONDocument, limit: Int = 1) throws {
        try run([
            "delete": .string(collection),
            "deletes": .array([["q": .document(query), "limit": BSONValue(limit)]]),
        ])
    }

    private func newest() throws -> Timestamp {
        let command: BSONDocument = ["find": "oplog.rs", "sort": ["$natural": -1], "limit": 1]
        let entry = try #require(try client.documents(of: command, db: "local").first)
        return try entry.require("ts", in: "the newest oplog entry")
    }

    /// The entries behind those that were read before, those of other tests' databases left out.
    func entries() throws -> [[UInt8]] {
        var found: [[UInt8]] = []
        let command: BSONDocument = ["find": "oplog.rs", "filter": ["ts": ["$gt": .timestamp(time)]]]
        let last = try newest()
        try client.scan(command, db: "local") { batch in
            try DocumentBatch.forEachDocument(inChunk: batch) { bytes in
                let document = try BSONDocument(copying: bytes)
                let own: Timestamp = try document.require("ts", in: "an oplog entry")
                guard own <= last, isOwn(document) else { return }
                found.append(document.bytes)
            }
        }
        time = last
        return found
    }

    private func isOwn(_ entry: BSONDocument) -> Bool {
        guard case .string(let namespace)? = entry["ns"] else { return false }
        if namespace.hasPrefix(database + ".") { return true }
        // A transaction's entries name no database of a user.
        return namespace == "admin.$cmd"
    }

    /// What the server's own catalogue lists of this database now.
    func catalogue() throws -> [CollectionDefinition] {
        try Catalogue.list(deployment, connections: 1, sizes: false).filter { $0.db == database }.map { info in
            let kind = try #require(CollectionDefinition.Kind(rawValue: info.kind.rawValue))
            return CollectionDefinition(
                database: info.db, name: info.name, kind: kind, uuid: info.uuid.flatMap { UUIDKey($0.rawSpan) },
                options: info.options, indexes: info.indexes)
        }
    }

    /// Whether a name is in this database.
    func admits() -> @Sendable (String, String) -> Bool {
        let own = database
        return { database, _ in database == own }
    }

    /// All documents of a collection in natural order.
    func documents(_ collection: String) throws -> [BSONDocument] {
        try client.documents(of: ["find": .string(collection), "hint": ["$natural": 1]], db: database)
    }
}

/// A definition as text, so that a difference can be read.
func describe(_ definition: CollectionDefinition) -> String {
    let indexes = definition.indexes.map { "  \(text($0))" }.joined(separator: "\n")
    let uuid = definition.uuid.map { Hex.encode($0.bytes) } ?? "-"
    return "\(definition.namespace) \(definition.kind) \(uuid) \(text(definition.options))\n\(indexes)"
}

private func text(_ document: BSONDocument) -> String {
    "{" + document.fields.map { "\($0.name): \(text($0.value))" }.joined(separator: ", ") + "}"
}

private func text(_ value: BSONValue) -> String {
    switch value {
    case .document(let document): text(document)
    case .array(let values): "[" + values.map { text($0) }.joined(separator: ", ") + "]"
    default: "\(value)"
    }
}
