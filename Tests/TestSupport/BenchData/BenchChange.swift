import BSON

/// Changes a share of the documents of a server, the same ones on every server with the same data.
public struct BenchChange: Sendable {
    private let percent: Double
    private let seed: UInt64
    private let mixed: Bool

    /// `percent` of 0 to 100. When `mixed`, a third of it is updated, a third deleted, and as many are inserted.
    public init(percent: Double, seed: UInt64, mixed: Bool = false) {
        self.percent = percent
        self.seed = seed
        self.mixed = mixed
    }

    /// Sets a field of the chosen documents in all plain collections, or inserts, updates and deletes, and returns how
    /// many documents that concerned; inserted ones are not counted.
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
                if mixed { try client.run(insert(name), db: db) }
                let reply = try client.run(update(name), db: db)
                changed += try reply.require("nModified", as: Int.self, in: "update")
                guard mixed else { continue }
                let deletion = try client.run(delete(name), db: db)
                changed += try deletion.require("n", as: Int.self, in: "delete")
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
    /// Part 0 of three is updated, part 1 deleted, part 2 copied.
    private func chosen(_ part: Int) -> BSONValue {
        let hash: BSONValue = ["$toHashedIndexKey": ["id": "$_id", "seed": .int64(Int64(bitPattern: seed))]]
        let share = Int64(percent / 100 * 1_000_000) / (mixed ? 3 : 1)
        let place: BSONValue = ["$abs": ["$mod": [hash, 1_000_000]]]
        let start: BSONValue = .int64(Int64(part) * share)
        let end: BSONValue = .int64(Int64(part + 1) * share)
        return ["$expr": ["$and": [["$gte": [place, start]], ["$lt": [place, end]]]]]
    }

    private func update(_ collection: String) -> BSONDocument {
        let change: BSONValue = ["$set": ["changedBy": .int64(Int64(bitPattern: seed))]]
        return [
            "update": .string(collection), "updates": [["q": chosen(0), "u": change, "multi": true]],
            "bypassDocumentValidation": true,
        ]
    }

    private func delete(_ collection: String) -> BSONDocument {
        ["delete": .string(collection), "deletes": [["q": chosen(1), "limit": 0]]]
    }

    /// Copies of documents under new `_id`s; what an index wants unique is made so.
    private func insert(_ collection: String) -> BSONDocument {
        func renamed(_ field: BSONValue) -> BSONValue {
            let isMissing: BSONValue = ["$eq": [["$type": field], "missing"]]
            return ["$cond": [isMissing, "$$REMOVE", ["$concat": [.string("\(seed)."), field]]]]
        }
        let copy: BSONValue = [
            "_id": ["copyOf": "$_id", "seed": .int64(Int64(bitPattern: seed))], "email": renamed("$email"),
            "slug": renamed("$slug"),
        ]
        return [
            "aggregate": .string(collection),
            "pipeline": [["$match": chosen(2)], ["$set": copy], ["$merge": ["into": .string(collection)]]],
            "cursor": [:], "bypassDocumentValidation": true,
        ]
    }
}
