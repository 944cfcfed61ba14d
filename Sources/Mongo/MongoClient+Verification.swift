public import BSON
internal import Bytes

/// What a restored target is compared by.
extension MongoClient {
    /// The server's hash of a database (`dbHash`): MD5 over raw documents in `_id` order, per collection. Blocks
    /// writers while it runs.
    public func dbHash(_ db: String) throws -> (all: String, collections: [String: String]) {
        let reply = try read(["dbHash": 1], db: db)
        return try reply.withView { reply in
            var collections: [String: String] = [:]
            if let hashes = try reply.first(named: "collections")?.document {
                var elements = hashes.makeElements()
                while let element = try elements.next() { collections[element.nameText] = element.string ?? "" }
            }
            return (try reply.string("md5") ?? "", collections)
        }
    }

    /// The number of documents, counted one by one. (`count` without a filter answers from metadata, which can be
    /// wrong after a crash.)
    public func exactCount(_ namespace: Namespace) throws -> Int {
        let command: BSONDocument = [
            "aggregate": .string(namespace.collection), "cursor": .document(BSONDocument()),
            "pipeline": [["$count": "n"]],
        ]
        return try MongoClient.retrying {
            var count = 0
            try forEachDocument(of: command, db: namespace.db, namespace: namespace.description) {
                count = try $0.integer("n") ?? 0
            }
            return count
        }
    }

    /// The document with that `_id`, byte for byte, or nil.
    public func document(id: BSONValue, in namespace: Namespace) throws -> BSONDocument? {
        let command: BSONDocument = [
            "find": .string(namespace.collection), "filter": ["_id": ["$eq": id]], "limit": 1, "singleBatch": true,
        ]
        return try MongoClient.retrying {
            var found: BSONDocument?
            try forEachDocument(of: command, db: namespace.db, namespace: namespace.description) {
                found = try BSONDocument(copying: $0.bytes)
            }
            return found
        }
    }
}
