public import BSON
import Bytes

/// What a server itself shows of some databases: the truth that a backup is measured by.
public struct ServerState: Sendable {
    /// One collection, view or time series.
    public struct Collection: Sendable {
        /// `collection`, `view` or `timeseries`.
        public var kind: String
        /// Of the collection that holds the documents; nil for views.
        public var uuid: [UInt8]?
        /// By name, for their order says nothing.
        public var options: [String: BSONValue]
        /// By name.
        public var indexes: [String: [String: BSONValue]]
        /// The documents, those of a time series its buckets.
        public var documents: [[UInt8]]
    }

    /// The cluster time.
    public var time: Timestamp
    /// By namespace.
    public var collections: [String: Collection]

    /// The state now, which nobody may change meanwhile.
    ///
    /// - Throws: `.server` or `.unreachable` when the server does not answer.
    public static func capture(_ client: WireClient, databases: [String]) throws -> ServerState {
        let reply = try client.run(["appendOplogNote": 1, "data": ["workload": "quiet"]], db: "admin")
        let time: Timestamp = try reply.require("operationTime", in: "reply")
        var collections: [String: Collection] = [:]
        for db in databases {
            let listed = try client.documents(of: ["listCollections": 1], db: db)
            var buckets: [String: [UInt8]] = [:]
            for entry in listed {
                let name: String = try entry.require("name", in: "listCollections")
                buckets[name] = try uuid(of: entry)
            }
            for entry in listed {
                let name: String = try entry.require("name", in: "listCollections")
                let kind: String = try entry.require("type", in: "listCollections")
                guard !name.hasPrefix("system.") else { continue }
                let data = kind == "timeseries" ? "system.buckets." + name : name
                let options = try entry.optional("options", as: BSONDocument.self, in: name) ?? [:]
                var collection = Collection(
                    kind: kind, uuid: kind == "view" ? nil : buckets[data], options: byName(options), indexes: [:],
                    documents: [])
                if kind != "view" {
                    for index in try client.documents(of: ["listIndexes": .string(name)], db: db) {
                        collection.indexes[try index.require("name", in: name)] = byName(index)
                    }
                    collection.documents = try documents(
                        client, ["find": .string(data), "hint": ["$natural": 1]], db)
                }
                collections[db + "." + name] = collection
            }
        }
        return ServerState(time: time, collections: collections)
    }

    /// The documents that the collection with this UUID had at `time`; nil when the server cannot tell, because the
    /// collection was defined anew or renamed since, or is capped.
    ///
    /// - Throws: `.unreachable` when the connection ends.
    public static func documents(
        _ client: WireClient, db: String, uuid: [UInt8], at time: Timestamp
    ) throws -> [[UInt8]]? {
        let concern: BSONValue = ["level": "snapshot", "atClusterTime": .timestamp(time)]
        let find: BSONDocument = ["find": .binary(subtype: 4, uuid), "readConcern": concern]
        do { return try documents(client, find, db) } catch let error as CairnError where error.code == .server {
            return nil
        }
    }

    private static func documents(_ client: WireClient, _ command: BSONDocument, _ db: String) throws -> [[UInt8]] {
        var found: [[UInt8]] = []
        try client.scan(command, db: db) { chunk in
            try DocumentBatch.forEachDocument(inChunk: chunk) { found.append([UInt8]($0)) }
        }
        return found
    }

    private static func uuid(of entry: BSONDocument) throws -> [UInt8]? {
        let info = try entry.optional("info", as: BSONDocument.self, in: "listCollections") ?? [:]
        return try info.optional("uuid", as: BSONBinary.self, in: "listCollections")?.bytes
    }

    private static func byName(_ document: BSONDocument) -> [String: BSONValue] {
        Dictionary(document.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}
