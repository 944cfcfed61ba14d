import BSON
import Bytes
import TestSupport
import Testing

@testable import Oplog

/// After each command the catalogue that follows the oplog is the one that the server lists.
@Suite(.enabled(if: LiveOplog.isAvailable, "needs a mongod; set CAIRN_MONGOD"))
struct CatalogueStateTests {
    private final class Follower {
        let live: LiveOplog
        var state: CatalogueState
        private var assembler = TransactionAssembler()

        init(_ own: ThrowawayServer? = nil) throws {
            live = try LiveOplog(own)
            state = CatalogueState([], admits: live.admits())
        }

        func follow() throws {
            for entry in try live.entries() {
                try assembler.take(entry.rawSpan) { try state.apply($0) }
            }
        }

        func check(_ what: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
            try follow()
            let expected = try live.catalogue().map(describe).joined(separator: "\n")
            let own = state.definitions.map(describe).joined(separator: "\n")
            #expect(own == expected, "after \(what)", sourceLocation: sourceLocation)
        }

        /// Runs each command and compares after each.
        func run(_ commands: [BSONDocument], sourceLocation: SourceLocation = #_sourceLocation) throws {
            for command in commands {
                try live.run(command)
                try check("\(command.fields)", sourceLocation: sourceLocation)
            }
        }
    }

    @Test func options() throws {
        let follower = try Follower()
        try follower.run([
            ["create": "plain"],
            ["create": "collated", "collation": ["locale": "de", "strength": 1]],
            ["create": "capped", "capped": true, "size": 5_000, "max": 10],
            ["create": "least", "capped": true, "size": 1],
            ["create": "notCapped", "capped": false],
            ["create": "clustered", "clusteredIndex": ["key": ["_id": 1], "unique": true, "name": "own"]],
            [
                "create": "expiring", "clusteredIndex": ["key": ["_id": 1], "unique": true],
                "expireAfterSeconds": 100,
            ],
            ["create": "checked", "validator": ["a": ["$gt": 1]], "validationLevel": "moderate"],
            ["create": "images", "changeStreamPreAndPostImages": ["enabled": true]],
            [
                "create": "stored",
                "storageEngine": ["wiredTiger": ["configString": "block_compressor=zlib"]],
                "indexOptionDefaults": ["storageEngine": ["wiredTiger": [:]]],
            ],
            ["create": "versionOne", "idIndex": ["key": ["_id": 1], "name": "_id_", "v": 1]],
            ["create": "old", "autoIndexId": true],
            ["create": "encrypted", "encryptedFields": ["fields": []]],
            ["create": "commented", "comment": "no option", "writeConcern": ["w": 1]],
            ["create": "system.js"],
        ])
    }

    @Test func modifications() throws {
        let follower = try Follower()
        try follower.run([
            ["create": "c"],
            ["collMod": "c", "validationLevel": "off"],
            ["collMod": "c", "validator": ["z": 1]],
            ["collMod": "c", "validator": [:]],
            ["collMod": "c", "validationAction": "warn"],
            ["collMod": "c", "recordPreImages": true],
            ["collMod": "c", "changeStreamPreAndPostImages": ["enabled": true]],
            ["collMod": "c", "recordPreImages": true],
            ["collMod": "c", "recordPreImages": false],
            ["collMod": "c", "changeStreamPreAndPostImages": ["enabled": true]],
            ["collMod": "c", "changeStreamPreAndPostImages": ["enabled": false]],
            ["create": "e", "clusteredIndex": ["key": ["_id": 1], "unique": true]],
            ["collMod": "e", "expireAfterSeconds": 300],
            ["collMod": "e", "expireAfterSeconds": 20.9],
            ["collMod": "e", "expireAfterSeconds": "off"],
            ["create": "capped", "capped": true, "size": 5_000],
            ["collMod": "capped", "cappedSize": 100, "cappedMax": 7],
            ["collMod": "capped", "cappedSize": 20_000],
            ["collMod": "capped", "cappedMax": 0],
            ["collMod": "capped", "cappedMax": -1],
            ["collMod": "c"],
        ])
    }

    @Test func indexes() throws {
        let follower = try Follower()
        try follower.run([
            ["createIndexes": "c", "indexes": [["key": ["a": 1], "name": "a"]]],
            ["insert": "c", "documents": [["_id": 1, "a": 1]]],
            [
                "createIndexes": "c",
                "indexes": [
                    ["sparse": true, "hidden": true, "expireAfterSeconds": 5.5, "name": "n", "key": ["b": 1]],
                    ["key": ["c": 1], "name": "c", "unique": true, "collation": ["locale": "en"], "background": true],
                    ["bits": 20, "max": 5, "min": -5, "name": "flat", "key": ["g": "2d"]],
                    ["key": ["s": "2dsphere"], "name": "sphere"],
                    ["key": ["t": "text", "u": "text"], "name": "text", "weights": ["t": 5]],
                    ["wildcardProjection": ["a": 1], "name": "wild", "key": ["$**": 1]],
                    ["key": ["h": "hashed"], "name": "hashed"],
                ],
            ],
            [
                "createIndexes": "c",
                "indexes": [
                    [
                        "partialFilterExpression": ["a": 1], "expireAfterSeconds": 7, "hidden": true, "name": "p",
                        "key": ["p": 1],
                    ],
                    ["key": ["v": 1], "name": "one", "v": 1],
                    ["key": ["dd": 1.0], "name": "double", "sparse": false, "unique": false],
                ],
            ],
            ["collMod": "c", "index": ["name": "p", "expireAfterSeconds": 8.9]],
            ["collMod": "c", "index": ["name": "p", "hidden": false]],
            ["collMod": "c", "index": ["keyPattern": ["a": 1], "hidden": true]],
            ["collMod": "c", "index": ["name": "a", "expireAfterSeconds": 9]],
            ["collMod": "c", "index": ["name": "one", "prepareUnique": true]],
            ["collMod": "c", "index": ["name": "one", "prepareUnique": false]],
            ["collMod": "c", "index": ["name": "one", "prepareUnique": true]],
            ["collMod": "c", "index": ["name": "one", "unique": true]],
            ["dropIndexes": "c", "index": "a"],
            ["dropIndexes": "c", "index": ["flat", "sphere"]],
            ["dropIndexes": "c", "index": ["h": "hashed"]],
            ["dropIndexes": "c", "index": "*"],
            ["create": "clustered", "clusteredIndex": ["key": ["_id": 1], "unique": true]],
            ["createIndexes": "clustered", "indexes": [["key": ["a": 1], "name": "a"]]],
            ["dropIndexes": "clustered", "index": "*"],
        ])
    }

    @Test func indexBuildThatFails() throws {
        let follower = try Follower()
        try follower.live.insert("c", [["_id": 1, "a": 1], ["_id": 2, "a": 1]])
        _ = try follower.live.client.exchange(
            ["createIndexes": "c", "indexes": [["key": ["a": 1], "name": "a", "unique": true]]],
            db: follower.live.database)
        try follower.check("a failed build")
    }

    /// A build is invisible until it is committed, also to a snapshot in the middle.
    @Test func indexBuildThatTakesLong() throws {
        var options = ThrowawayServer.Options()
        options.arguments = ["--setParameter", "enableTestCommands=1"]
        let server = try ThrowawayServer(options)
        let follower = try Follower(server)
        try follower.live.insert("c", [["_id": 1, "a": 1], ["_id": 2, "a": 1]])
        let client = try server.connect()
        func hang(_ mode: BSONValue) throws {
            try client.run(["configureFailPoint": "hangAfterStartingIndexBuild", "mode": mode], db: "admin")
        }
        try hang("alwaysOn")
        let database = follower.live.database
        let build = OwnedThread(name: "build") {
            let index: BSONValue = ["key": ["a": 1], "name": "a"]
            _ = try? server.connect().run(["createIndexes": "c", "indexes": [index]], db: database)
        }
        func isStarted() throws -> Bool {
            let command: BSONDocument = ["find": "oplog.rs", "filter": ["o.startIndexBuild": "c"]]
            return try !client.documents(of: command, db: "local").isEmpty
        }
        try ThrowawayReplicaSet.wait(for: "the build to start", until: isStarted)
        try follower.check("the start of a build")
        let snapshot = CatalogueState(try follower.live.catalogue(), admits: follower.live.admits())
        try hang("off")
        build.join()
        follower.state = snapshot
        try follower.check("the commit of a build")
        #expect(follower.state.definitions.first?.indexes.count == 2)
    }

    @Test func views() throws {
        let follower = try Follower()
        try follower.run([
            ["create": "c"],
            ["create": "v", "viewOn": "c", "pipeline": [["$match": ["a": 1]]]],
            ["create": "w", "viewOn": "x", "pipeline": [], "collation": ["locale": "fr"]],
            ["collMod": "v", "viewOn": "other", "pipeline": [["$match": ["b": 1]]]],
            ["drop": "w"],
            ["drop": "c"],
            ["drop": "v"],
            ["create": "v", "viewOn": "c", "pipeline": []],
            ["drop": "system.views"],
            ["create": "v", "viewOn": "c"],
            ["dropDatabase": 1],
        ])
    }

    @Test func timeSeries() throws {
        let follower = try Follower()
        try follower.run([
            ["create": "s", "timeseries": ["timeField": "t"]],
            [
                "create": "m", "timeseries": ["timeField": "t", "metaField": "tag", "granularity": "minutes"],
                "expireAfterSeconds": 1_000,
            ],
            ["create": "k", "timeseries": ["timeField": "t", "metaField": "m"], "collation": ["locale": "fr"]],
            ["createIndexes": "k", "indexes": [["key": ["m.a": 1, "t": 1], "name": "mt"]]],
            ["insert": "m", "documents": [["t": .date(1_000_000), "tag": "x", "v": 1]]],
            [
                "createIndexes": "m",
                "indexes": [["key": ["t": 1], "name": "up"], ["key": ["t": -1], "name": "down"]],
            ],
            [
                "createIndexes": "m",
                "indexes": [
                    ["key": ["tag": 1, "t": 1], "name": "both"], ["key": ["tag.x": -1, "t": -1], "name": "path"],
                    ["key": ["f": 1], "name": "field"], ["key": ["g": -1], "name": "fieldDown"],
                    ["key": ["loc": "2dsphere"], "name": "sphere"],
                    ["key": ["tag.p": "2dsphere"], "name": "metaSphere"],
                ],
            ],
            [
                "createIndexes": "s",
                "indexes": [["key": ["f": 1], "name": "partial", "partialFilterExpression": ["f": ["$gt": 1]]]],
            ],
            ["collMod": "m", "index": ["name": "both", "hidden": true]],
            ["collMod": "m", "index": ["name": "field", "hidden": true]],
            ["collMod": "m", "timeseries": ["granularity": "hours"], "expireAfterSeconds": "off"],
            ["collMod": "s", "expireAfterSeconds": 77],
            ["dropIndexes": "m", "index": "both"],
            ["dropIndexes": "m", "index": "*"],
            ["drop": "s"],
        ])
    }

    @Test func renames() throws {
        let follower = try Follower()
        let db = follower.live.database
        func rename(_ from: String, _ to: String, dropTarget: Bool = false) throws {
            let command: BSONDocument = [
                "renameCollection": .string("\(db).\(from)"), "to": .string("\(db).\(to)"),
                "dropTarget": .bool(dropTarget),
            ]
            try follower.live.client.run(command, db: "admin")
            try follower.check("the rename of \(from) to \(to)")
        }
        try follower.run([
            ["createIndexes": "a", "indexes": [["key": ["x": 1], "name": "x"]]], ["create": "b"],
            ["insert": "a", "documents": [["_id": 1], ["_id": 2]]],
        ])
        try rename("a", "c")
        try rename("c", "b", dropTarget: true)
        try follower.run([
            ["aggregate": "b", "pipeline": [["$out": "out"]], "cursor": [:]],
            ["aggregate": "b", "pipeline": [["$out": "out"]], "cursor": [:]],
            ["aggregate": "b", "pipeline": [["$merge": ["into": "merged"]]], "cursor": [:]],
            ["convertToCapped": "out", "size": 10_000],
            ["cloneCollectionAsCapped": "b", "toCollection": "clone", "size": 10_000],
            ["drop": "out"], ["create": "out"],
        ])
    }

    /// What a snapshot holds is enough to go on from.
    @Test func goesOnFromASnapshot() throws {
        let follower = try Follower()
        try follower.live.run(["create": "v", "viewOn": "c", "pipeline": [["$match": ["a": 1]]]])
        try follower.live.run([
            "create": "s", "timeseries": ["timeField": "t", "metaField": "m"], "expireAfterSeconds": 1_000,
        ])
        try follower.live.run(["createIndexes": "s", "indexes": [["key": ["m": 1, "t": 1], "name": "mt"]]])
        try follower.live.run(["create": "c", "capped": true, "size": 5_000])
        _ = try follower.live.entries()
        follower.state = CatalogueState(try follower.live.catalogue(), admits: follower.live.admits())
        try follower.run([
            ["collMod": "v", "viewOn": "d", "pipeline": []],
            ["collMod": "s", "timeseries": ["granularity": "minutes"], "expireAfterSeconds": "off"],
            ["collMod": "s", "index": ["name": "mt", "hidden": true]],
            ["createIndexes": "s", "indexes": [["key": ["f": 1], "name": "f"]]],
            ["dropIndexes": "s", "index": "mt"],
            ["collMod": "c", "cappedMax": 5],
            ["create": "w", "viewOn": "v", "pipeline": []],
            ["drop": "s"],
        ])
    }

    /// A collection that `$out` was filling when the snapshot was taken: what it got before is nowhere.
    @Test func aCollectionThatWasBeingMadeNeedsAnEarlierSnapshot() throws {
        let follower = try Follower()
        try follower.run([["insert": "a", "documents": [["_id": 1], ["_id": 2]]]])
        try follower.live.run(["aggregate": "a", "pipeline": [["$out": "b"]], "cursor": [:]])
        let entries = try follower.live.entries()
        var assembler = TransactionAssembler()
        let error = #expect(throws: CairnError.self) {
            for entry in entries.dropFirst() {
                try assembler.take(entry.rawSpan) {
                    if $0.kind == .command {
                        try follower.state.apply($0)
                    } else {
                        #expect(try follower.state.collection(of: $0) == nil)
                    }
                }
            }
        }
        #expect(error?.code == .incomplete)
        #expect(error?.object == "\(follower.live.database).b")
    }
}
