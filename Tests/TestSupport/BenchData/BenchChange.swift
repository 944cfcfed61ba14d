import BSON

/// Changes a share of the documents of a server, the same ones on every server with the same data.
public struct BenchChange: Sendable {
    private let percent: Double
    private let seed: UInt64

    /// `percent` of 0 to 100.
    public init(percent: Double, seed: UInt64) {
        self.percent = percent
        self.seed = seed
    }

    /// Sets a field of the chosen documents in all plain collections and returns how many that were.
    ///
    /// - Throws: `.server`, `.unreachable`.
    public func apply(to client: WireClient) throws -> Int {
        let reply = try client.run(["listDatabases": 1, "nameOnly": true], db: "admin")
        var changed = 0
        for database in try reply.require("databases", as: [BSONDocument].self, in: "listDatabases") {
            let db: String = try database.require("name", in: "listDatabases")
            if ["admin", "config", "local"].contains(db) { continue }
            for listed in try client.documents(of: ["listCollections": 1], db: db) where try isPlain(listed) {
                let name: String = try listed.require("name", in: "listCollections")
                let reply = try client.run(update(name), db: db)
                changed += try reply.require("nModified", as: Int.self, in: "update")
            }
        }
        return changed
    }

    private func isPlain(_ listed: BSONDocument) throws -> Bool {
        let name: String = try listed.require("name", in: "listCollections")
        let type: String = try listed.require("type", in: "listCollections")
        let options = try listed.optional("options", as: BSONDocument.self, in: name) ?? [:]
        return type == "collection" && !name.hasPrefix("system.") && !options.contains("capped")
            && !options.contains("validator")
    }

    /// The server hashes each `_id` together with the seed; a share of the hash's range is a share of the documents.
    private func update(_ collection: String) -> BSONDocument {
        let hash: BSONValue = ["$toHashedIndexKey": ["id": "$_id", "seed": .int64(Int64(bitPattern: seed))]]
        let limit = Int64(percent / 100 * 1_000_000)
        let chosen: BSONValue = ["$expr": ["$lt": [["$abs": ["$mod": [hash, 1_000_000]]], .int64(limit)]]]
        let change: BSONValue = ["$set": ["changedBy": .int64(Int64(bitPattern: seed))]]
        return [
            "update": .string(collection), "updates": [["q": chosen, "u": change, "multi": true]],
            "bypassDocumentValidation": true,
        ]
    }
}
