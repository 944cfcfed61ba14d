import BSON
import Bytes
import TestSupport

/// What servers hold beside the sample data: leftovers of older drivers, rare options, documents that no driver of
/// today writes.
enum AwkwardData {
    /// 2001: long expired.
    static let past: Int64 = 1_000_000_000_000
    /// 2100.
    static let future: Int64 = 4_102_444_800_000

    /// Creates and fills everything in `db`, which must not exist. The server must not run its TTL thread.
    static func load(_ client: WireClient, _ db: String) throws {
        try loadCollections(client, db)
        try loadIndexes(client, db)
        try loadDocuments(client, db)
        try client.run(
            ["create": "only a view's base is missing", "viewOn": "nowhere", "pipeline": []], db: db + "views")
    }

    private static func create(
        _ client: WireClient, _ db: String, _ name: String, _ options: BSONDocument, _ documents: [BSONDocument]
    ) throws {
        try client.run(
            BSONDocument([("create", .string(name))] + options.fields.map { ($0.name, $0.value) }), db: db)
        if !documents.isEmpty { try client.insert(documents, db: db, collection: name) }
    }

    private static func loadCollections(_ client: WireClient, _ db: String) throws {
        let expired: [BSONDocument] = (0..<20).map {
            ["_id": .date((Bool.random() ? past : future) + Int64($0)), "n": BSONValue($0)]
        }
        try create(
            client, db, "clustered, expiring",
            ["clusteredIndex": ["key": ["_id": 1], "unique": true], "expireAfterSeconds": 3_600], expired)
        try create(
            client, db, "warns",
            ["validator": ["n": ["$type": "int"]], "validationLevel": "strict", "validationAction": "warn"],
            [["_id": 1, "n": "no number"], ["_id": 2, "n": 2]])
        try create(
            client, db, "moderate",
            ["validator": ["$expr": ["$gt": ["$n", 5]]], "validationLevel": "moderate"], [["_id": 1, "n": 1]])
        try create(
            client, db, "never checked", ["validator": ["n": 1], "validationLevel": "off"], [["_id": 1, "n": 3]])
        try create(
            client, db, "expired series",
            [
                "timeseries": ["timeField": "at", "metaField": "m", "granularity": "hours"],
                "expireAfterSeconds": .int64(60),
            ],
            (0..<200).map { ["at": .date(past + Int64($0) * 3_600_000), "m": BSONValue($0 % 3), "v": BSONValue($0)] })
        try create(
            client, db, "series of odd sources", ["timeseries": ["timeField": "t", "metaField": "meta"]],
            [
                ["t": .date(past), "meta": .null], ["t": .date(past)], ["t": .date(past), "meta": ["b": 1, "a": 2]],
                ["t": .date(future), "meta": "x", "": "no name", "a.b": 1],
            ])
        try create(
            client, db, "capped by number", ["capped": true, "size": 1_048_576, "max": 7],
            (0..<20).map { ["_id": BSONValue(100 - $0), "n": BSONValue($0)] })
        try create(client, db, "capped and empty", ["capped": true, "size": 4_096], [])
        try create(
            client, db, "collated", ["collation": ["locale": "sv", "caseLevel": true, "numericOrdering": true]],
            [["_id": "a10"], ["_id": "A2"], ["_id": "å"], ["_id": "z"]])
    }

    private static func loadIndexes(_ client: WireClient, _ db: String) throws {
        try create(
            client, db, "indexed", [:],
            (0..<30).map {
                [
                    "_id": BSONValue($0), "until": .date(past), "u": BSONValue($0), "t": .string("text \($0)"),
                    "at": [BSONValue($0), 1],
                ]
            })
        let indexes: [BSONDocument] = [
            ["key": ["until": 1], "name": "expires", "expireAfterSeconds": 0],
            ["key": ["until": 1, "u": 1], "name": "u", "unique": true, "hidden": true],
            ["key": ["u": -1], "name": "unique part", "unique": true, "partialFilterExpression": ["u": ["$gt": 3]]],
            ["key": ["$**": "text"], "name": "all words", "weights": ["t": 7], "default_language": "none"],
            ["key": ["_id": "hashed"], "name": "hashed _id"],
            ["key": ["g": "2dsphere", "u": 1], "name": "old sphere", "2dsphereIndexVersion": 2],
            ["key": ["h": 1], "name": "own collation", "collation": ["locale": "simple"]],
            ["key": ["i": 1], "name": "engine", "storageEngine": ["wiredTiger": ["configString": ""]]],
            ["key": ["k": 1], "name": "ünïcödé \n 🪨 $ . name"],
            ["key": ["l.m.0": -1.5], "name": "odd direction"],
        ]
        try client.run(["createIndexes": "indexed", "indexes": .array(indexes.map { .document($0) })], db: db)
        try client.run(
            [
                "createIndexes": "collated",
                "indexes": [
                    ["key": ["n": 1], "name": "n"],
                    [
                        "key": ["n": 1], "name": "n simple", "collation": ["locale": "simple"],
                    ],
                ],
            ], db: db)
        try create(client, db, "will be unique", [:], [["_id": 1, "k": 1], ["_id": 2, "k": 1]])
        try client.run(["createIndexes": "will be unique", "indexes": [["key": ["k": 1], "name": "k"]]], db: db)
        try client.run(["collMod": "will be unique", "index": ["name": "k", "prepareUnique": true]], db: db)
    }

    private static func loadDocuments(_ client: WireClient, _ db: String) throws {
        let empty = BSONValue.timestamp(Timestamp(t: 0, i: 0))
        try create(client, db, "empty timestamps", [:], [])
        let documents: [BSONDocument] = [
            ["_id": 0, "a": empty], ["_id": 1, "a": 1, "b": empty, "c": [empty]], ["_id": 2, "": empty],
        ]
        for document in documents {
            let insert: BSONDocument = ["op": "i", "ns": .string("\(db).empty timestamps"), "o": .document(document)]
            try client.run(["applyOps": [.document(insert)]], db: "admin")
        }
        try client.run(["insert": "empty timestamps", "documents": [["_id": empty]]], db: db)
        // Text that is no UTF-8, as old drivers wrote it: in a value, a name, and an `_id`.
        let template: BSONDocument = ["_id": "id: caf@", "caf@ name": 1, "value": "caf@"]
        let latin = template.bytes.map { $0 == UInt8(ascii: "@") ? 0xE9 : $0 }
        try create(client, db, "latin 1", [:], [["_id": "ordinary"]])
        try client.insert(sequence: latin, db: db, collection: "latin 1")
    }
}
