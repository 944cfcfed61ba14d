import BSON
import Bytes
import Mongo
import TestSupport
import Testing

/// Listing a deployment, and making the same one again.
@Suite(.enabled(if: TestServer.isAvailable, "no mongod: set CAIRN_MONGOD"))
struct CatalogueTests {
    /// Every kind of collection and index that MongoDB 6.0 knows.
    private static let setUp: [BSONDocument] = [
        ["create": "plain"],
        ["create": "capped", "capped": true, "size": 65_536, "max": 100],
        [
            "create": "validated", "validator": ["a": ["$gt": 5]], "validationLevel": "moderate",
            "validationAction": "error",
        ],
        ["create": "collated", "collation": ["locale": "sv", "strength": 2]],
        ["create": "clustered", "clusteredIndex": ["key": ["_id": 1], "unique": true, "name": "my clustered key"]],
        [
            "create": "clusteredTTL", "clusteredIndex": ["key": ["_id": 1], "unique": true],
            "expireAfterSeconds": 3_600,
        ],
        ["create": "preimages", "changeStreamPreAndPostImages": ["enabled": true]],
        ["create": "engine", "storageEngine": ["wiredTiger": ["configString": "block_compressor=zlib"]]],
        [
            "create": "series", "timeseries": ["timeField": "t", "metaField": "m", "granularity": "minutes"],
            "expireAfterSeconds": 86_400,
        ],
        ["create": "view", "viewOn": "plain", "pipeline": [["$match": ["a": 1]]], "collation": ["locale": "fr"]],
        ["create": "viewOnView", "viewOn": "view", "pipeline": [], "collation": ["locale": "fr"]],
        ["create": "line\nfeed and ünïcode"],
    ]

    private static let indexes: BSONValue = [
        ["key": ["a": 1], "name": "plain"], ["key": ["b": -1, "c": 1], "name": "compound", "sparse": true],
        ["key": ["d": 1], "name": "unique", "unique": true],
        ["key": ["e": 1], "name": "partial", "partialFilterExpression": ["e": ["$exists": true]]],
        ["key": ["f": 1], "name": "ttl", "expireAfterSeconds": 100],
        [
            "key": ["g": "text", "h": "text"], "name": "text", "weights": ["g": 7], "default_language": "german",
            "language_override": "idioma",
        ],
        ["key": ["i": "2dsphere"], "name": "sphere", "2dsphereIndexVersion": 2],
        ["key": ["j": "2d"], "name": "flat", "bits": 20, "min": -10.0, "max": 10.0],
        ["key": ["k": "hashed"], "name": "hashed"], ["key": ["l": 1], "name": "hidden", "hidden": true],
        ["key": ["$**": 1], "name": "wildcard", "wildcardProjection": ["a": 0]],
        ["key": ["m": 1], "name": "collation", "collation": ["locale": "de", "numericOrdering": true]],
        ["key": ["n": 1], "name": "prepare", "prepareUnique": true],
        ["key": ["o.$**": 1], "name": "wildcard below"],
    ]

    private func fill(_ db: String) throws {
        let witness = try TestServer.source().connect()
        for command in Self.setUp { try witness.run(command, db: db) }
        try witness.run(["createIndexes": "plain", "indexes": Self.indexes], db: db)
        let onSeries: BSONValue = ["key": ["m.sensor": 1, "t": 1], "name": "by sensor"]
        try witness.run(["createIndexes": "series", "indexes": [onSeries]], db: db)
        try witness.run(["insert": "system.js", "documents": [["_id": "f", "value": .code("function() {}")]]], db: db)
        let day: Int64 = 1_700_000_000_000
        try witness.run(
            [
                "insert": "series",
                "documents": .array(
                    (0..<50).map { ["t": .date(day + $0 * 60_000), "m": ["sensor": .int64($0 % 3)], "v": .int64($0)] }),
            ],
            db: db)
    }

    private func list(_ db: String) throws -> [CollectionInfo] {
        try Catalogue.list(TestServer.reader(), filter: NamespaceFilter(include: [db + ".*"], exclude: []))
    }

    @Test func everythingIsListedAndCanBeMadeAgain() throws {
        let db = TestServer.database()
        try fill(db)
        let listed = try list(db)
        #expect(
            listed.map(\.name)
                == (Self.setUp.compactMap { $0.fields[0].value.text } + ["system.js"]).sorted {
                    $0.utf8.lexicographicallyPrecedes($1.utf8)
                })
        #expect(listed.first { $0.name == "series" }?.kind == .timeseries)
        #expect(listed.first { $0.name == "series" }?.uuid?.count == 16)
        #expect(listed.first { $0.name == "view" }?.kind == .view)
        #expect(listed.first { $0.name == "plain" }?.indexes.count == 15)

        let copy = TestServer.database()
        let client = try TestServer.writer().checkOut()
        let restorer = CatalogueRestorer(client: client)
        for var info in listed {
            info.namespace = Namespace(copy, info.name)
            try restorer.create(info)
            let order = CatalogueRestorer.buildOrder(of: info)
            #expect(try restorer.buildIndexes(order.first, on: info.namespace).isEmpty)
            #expect(try restorer.buildIndexes(order.last, on: info.namespace).isEmpty)
            try restorer.liftFences(info)
        }
        let made = try list(copy)
        #expect(made.map(\.name) == listed.map(\.name))
        for (old, new) in zip(listed, made) {
            #expect(old.kind == new.kind && old.options == new.options, "\(old.name): \(old.options) \(new.options)")
            #expect(Set(old.indexes) == Set(new.indexes), "\(old.name)")
        }
    }

    @Test func fencesKeepExpiryOut() throws {
        let db = TestServer.database()
        try fill(db)
        let copy = TestServer.database()
        let restorer = CatalogueRestorer(client: try TestServer.writer().checkOut())
        for var info in try list(db) where ["clusteredTTL", "series"].contains(info.name) {
            info.namespace = Namespace(copy, info.name)
            try restorer.create(info)
        }
        for info in try list(copy) {
            #expect(!info.options.contains("expireAfterSeconds"), "\(info.name)")
        }
    }

    @Test func uuidsArePreservedWhenAsked() throws {
        let db = TestServer.database()
        let witness = try TestServer.source().connect()
        try witness.run(["create": "c", "collation": ["locale": "sv"]], db: db)
        let info = try #require(list(db).first)
        let restorer = CatalogueRestorer(client: try TestServer.writer().checkOut())
        try restorer.drop(info.namespace)
        try restorer.drop(info.namespace)
        #expect(try list(db).isEmpty)
        try restorer.create(info, preservingUUID: true)
        #expect(try list(db) == [info])
        let error = #expect(throws: CairnError.self) { try restorer.create(info) }
        #expect(error?.code == .alreadyExists)
    }

    @Test func indexesThatCannotBeBuiltAreNamed() throws {
        let namespace = Namespace(TestServer.database(), "c")
        try TestServer.insert([["_id": 1, "a": 1], ["_id": 2, "a": 1]], into: namespace)
        let restorer = CatalogueRestorer(client: try TestServer.writer().checkOut())
        let failures = try restorer.buildIndexes(
            [
                ["v": 2, "key": ["a": 1], "name": "a unique", "unique": true], ["v": 2, "key": ["b": 1], "name": "b"],
                ["v": 2, "key": ["c": 1], "name": "c", "fromTheFuture": 1],
            ], on: namespace)
        #expect(failures.map(\.name) == ["a unique", "c"])
        #expect(try Catalogue.indexes(of: namespace, TestServer.reader().checkOut()).count == 2)
    }

    @Test func systemNamespacesOfTheServerAreLeftOut() throws {
        let namespaces = try Catalogue.list(TestServer.reader()).map(\.namespace)
        #expect(!namespaces.contains { $0.db == "local" || $0.db == "config" })
        #expect(!namespaces.contains { $0.collection == "system.views" || $0.collection.hasPrefix("system.buckets.") })
        #expect(!namespaces.contains(Namespace("admin", "system.version")))
    }
}

extension BSONValue {
    /// The text of a string.
    var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }
}
