import Archive
import BSON
import Bytes
import TestSupport
import Testing

@testable import Operations

/// Changed documents are read back by their `_id`, so the server must find every `_id` that it lets in, in ordinary
/// collections and in clustered ones; and where it does not, the collection is read anew.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct AwkwardIdentityTests {
    private static let objectID = identifier(Array(1...12))

    private static func identifier(_ bytes: [UInt8]) -> ObjectID { ObjectID(bytes.rawSpan) }

    /// Every type that a server lets an `_id` have, with the values that are compared or packed in a way of their own.
    /// No two are equal to the server, to whose index a DBPointer's namespace ends with its first zero byte.
    private static let identities: [BSONValue] =
        numbers + texts + [
            .minKey, .maxKey, .null, .bool(false), .bool(true), .objectID(objectID),
            .date(.min), .date(-1), .date(0), .timestamp(Timestamp(t: 0, i: 1)), .timestamp(Timestamp(t: 1, i: 0)),
            .document([:]), .document(["": 1]), .document(["a": .double(-0.0)]), .document(["a": .double(.nan)]),
            .document(["a": .minKey, "b": .maxKey]), .document(["a": .undefined]), .document(["a": [1, [2.0]]]),
            .document(["a": 1, "b": .regex(pattern: "x", options: "i")]), .document(["a": .decimal128(oneTenths)]),
            .document(["a": .symbol("\0"), "z": "\0"]),
            .document(["a": .dbPointer(namespace: "ns", objectID)]),
            .codeWithScope("", [:]), .codeWithScope("f\0g", ["x": .int64(1)]),
            .dbPointer(namespace: "", identifier(Array(2...13))), .dbPointer(namespace: "db.coll", objectID),
            .binary(subtype: 0, []), .binary(subtype: 0, [0]), .binary(subtype: 2, [1, 0, 0, 0, 7]),
            .binary(subtype: 3, Array(0..<16)), .binary(subtype: 4, Array(0..<16)), .binary(subtype: 128, [0, 255]),
            .binary(subtype: 0, Array(repeating: 0, count: 300)),
        ]

    /// 1.0 with the exponent -1, which is another encoding of the number 1.
    private static let oneTenths = UInt128(0x303E) << 112 | 10

    private static let numbers: [BSONValue] = [
        .double(-0.0), .double(.nan), .double(.infinity), .double(-.infinity), .double(.leastNonzeroMagnitude),
        .double(0.1),
        .decimal128(oneTenths), .decimal128(UInt128(0x303E) << 112 | 1), .int32(2), .int64(3), .double(4), .int32(.min),
        .int64(.min), .int64(.max), .int64(1 << 53 + 1),
    ]

    private static let texts: [BSONValue] = [
        "", "\0", "a\0b", "a", "é", .symbol("s\0"), .symbol("symbol"), .code(""), .code("f\0g"), .code("f"),
    ]

    /// The `_id`s that the server does not find documents by, at least together with others.
    private static let unfindable: [BSONValue] = [
        .document(["a": .dbPointer(namespace: "n\0s", objectID)]),
        .document(["a": [.codeWithScope("f\0", ["x": .dbPointer(namespace: "\0", objectID)])]]),
        .codeWithScope("f", ["x": .dbPointer(namespace: "n\0s", objectID)]),
        .dbPointer(namespace: "\0", objectID), .dbPointer(namespace: "a\0b", objectID),
        .dbPointer(namespace: "a\0", identifier(Array(repeating: 0, count: 12))),
    ]

    private func prepare(_ client: WireClient, _ db: String, _ collection: String, _ ids: [BSONValue], clustered: Bool)
        throws
    {
        var create: BSONDocument = ["create": .string(collection)]
        if clustered {
            create = ["create": .string(collection), "clusteredIndex": ["key": ["_id": 1], "unique": true]]
        }
        try client.run(create, db: db)
        // So many that the awkward ones are no third of all.
        let ordinary: [BSONDocument] = (0..<400).map { ["_id": .string("ordinary \($0)"), "n": 0] }
        try client.insert(ordinary + ids.map { ["_id": $0, "awkward": true] }, db: db, collection: collection)
    }

    /// Changes all documents with awkward `_id`s, which are found by another field.
    private func change(_ client: WireClient, _ db: String, _ collection: String) throws {
        let update: BSONValue = ["q": ["awkward": true], "u": ["$set": ["changed": 1]], "multi": true]
        try client.run(["update": .string(collection), "updates": [update]], db: db)
    }

    @Test func everyIdentityIsReadBack() throws {
        let rig = try Rig(source: ThrowawayServer.shared("incremental").uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        let all = Self.identities + Self.unfindable
        for (name, ids) in [("plain", Self.identities), ("plain pointers", all)] {
            try prepare(source, db, name, ids, clustered: false)
            try prepare(source, db, "clustered " + name, ids, clustered: true)
        }
        try rig.backup(["\(db).*"])
        let names = ["plain", "clustered plain", "plain pointers", "clustered plain pointers"]
        for collection in names { try change(source, db, collection) }
        let report = try rig.backup(.incremental, ["\(db).*"])
        #expect(report.kind == "incremental", "\(report.warnings)")
        let contents = try SnapshotContents(rig, report.id)
        #expect(try contents.differences(source, [db]) == [])
        #expect(names.map { contents.entries["\(db).\($0)"]?.runs.count } == [1, 1, 0, 0])
        #expect(Set(report.scanned.map(\.namespace)) == ["\(db).plain pointers", "\(db).clustered plain pointers"])
        #expect(report.scanned.first?.reason.contains("_id") == true, "\(report.scanned)")

        let idle = try rig.backup(.incremental, ["\(db).*"])
        #expect(idle.scanned.isEmpty && idle.documents == report.documents)
        try rig.restore { $0.verify = true }
        #expect(try rig.differences([db]) == [])
    }

    /// A server would take the operation for one on nothing, or look for ever.
    @Test(arguments: [0, 1, 2]) func whatTheServerCannotFindIsNotReplayedOnIt(kind: Int) throws {
        let rig = try Rig(source: ThrowawayServer.shared("incremental").uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try prepare(source, db, "c", Self.unfindable, clustered: false)
        try source.insert([["_id": 1]], db: db, collection: "other")
        try rig.backup(["\(db).*"])
        switch kind {
        case 0: try change(source, db, "c")
        case 1: try source.run(["delete": "c", "deletes": [["q": ["awkward": true], "limit": 0]]], db: db)
        default: try source.insert([["_id": Self.unfindable[0]]], db: db, collection: "other")
        }
        let time = try rig.timeBeforeNext()
        try rig.backup(.incremental, ["\(db).*"])
        func restore(_ replay: Restore.Replay, _ include: [String] = []) throws {
            try rig.targetClient().run(["dropDatabase": 1], db: db)
            _ = try rig.restore {
                $0.moment = .time(try! TimeSelection("\(time.t):\(time.i)"), set: nil)
                $0.replay = replay
                $0.include = include
            }
        }
        let error = #expect(throws: CairnError.self) { try restore(.server) }
        #expect(error?.code == .unsupportedFormat && error?.object == (kind < 2 ? "\(db).c" : "\(db).other"))
        #expect(error?.message.contains("DBPointer") == true && error?.message.contains("--replay") == true)
        #expect(try !rig.targetClient().databaseNames().contains(db), "nothing was written")
        // What is not restored is in nobody's way.
        try restore(.server, [kind < 2 ? "\(db).other" : "\(db).c"])
        try restore(.fold)
        #expect(try rig.differences([db]) == [])
    }

    /// Should this fail on a newer server, `IdentityReader.canFind` has nothing to do there any more.
    @Test func theServerDoesNotFindThem() throws {
        let client = try ThrowawayServer.shared("incremental").connect()
        let db = Rig.database()
        try prepare(client, db, "plain", Self.unfindable, clustered: false)
        let together: BSONDocument = [
            "find": "plain", "filter": ["_id": ["$in": .array(Self.unfindable + [.minKey])]], "hint": ["_id": 1],
            "maxTimeMS": 500,
        ]
        let found = try? client.documents(of: together, db: db)
        #expect(found?.count ?? 0 < Self.unfindable.count)
        try prepare(client, db, "clustered", Self.unfindable, clustered: true)
        let alone = try Self.unfindable.filter {
            try !client.documents(of: ["find": "clustered", "filter": ["_id": ["$eq": $0]]], db: db).isEmpty
        }
        #expect(alone.count < Self.unfindable.count)
    }

    /// Numbers that are equal to the server although their bytes differ: `_id` 0 to 5, all of type int32.
    private func retype(_ client: WireClient, _ db: String, _ collection: String) throws {
        let name = BSONValue.string(collection)
        let long: BSONValue = ["q": ["_id": 0], "u": ["_id": .int64(0), "by": "replacement"]]
        let nested: BSONValue = ["q": ["_id": ["x": 1]], "u": ["_id": ["x": 1.0], "by": "replacement"]]
        let pipeline: BSONValue = [
            "q": ["_id": 1], "u": [["$set": ["_id": 1.0, "by": "pipeline"]]],
        ]
        let there: BSONValue = ["q": ["_id": 2], "u": ["_id": 2.0, "by": "there"]]
        let andBack: BSONValue = ["q": ["_id": 2], "u": ["_id": 2, "by": "and back"]]
        let upsert: BSONValue = ["q": ["_id": 3.0], "u": ["_id": 3.0, "by": "upsert"], "upsert": true]
        let updates: BSONValue = [long, nested, pipeline, there, andBack, upsert]
        try client.run(["update": name, "updates": updates], db: db)
        try client.run(["findAndModify": name, "query": ["_id": 4], "update": ["_id": .int64(4)]], db: db)
        try client.run(["update": name, "updates": [["q": ["_id": 4], "u": ["$set": ["later": true]]]]], db: db)
    }

    private func fillNumbers(_ client: WireClient, _ db: String, _ collection: String) throws {
        let documents = [["_id": ["x": 1]] as BSONDocument] + (0..<100).map { ["_id": BSONValue($0), "n": 1] }
        try client.insert(documents, db: db, collection: collection)
    }

    /// The old identity goes and a new one comes, in runs and in the fold.
    @Test func replacementsChangeTheTypeOfANumber() throws {
        let rig = try Rig(source: ThrowawayServer.shared("incremental").uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        let clustered: BSONDocument = ["create": "clustered", "clusteredIndex": ["key": ["_id": 1], "unique": true]]
        try source.run(clustered, db: db)
        for collection in ["plain", "clustered"] { try fillNumbers(source, db, collection) }
        try rig.backup(["\(db).*"])
        for collection in ["plain", "clustered"] { try retype(source, db, collection) }
        let report = try rig.backup(.incremental, ["\(db).*"])
        #expect(report.kind == "incremental" && report.scanned.isEmpty, "\(report.warnings)")
        let contents = try SnapshotContents(rig, report.id)
        #expect(try contents.differences(source, [db]) == [])
        let ids = contents.documents["\(db).plain"]?.values.compactMap { $0["_id"] } ?? []
        #expect(ids.contains(.int64(0)) && ids.contains(.double(1)) && ids.contains(.int32(2)) && ids.count == 101)
        let proof = try CheckReplay(access: rig.access).run()
        #expect(proof.isSound && proof.pairs.count == 1, "\(proof.pairs.map(\.differences))")
        try rig.restore()
        #expect(try rig.differences([db]) == [])
    }

    /// The document stays where it was, and that is data.
    @Test func cappedCollectionsKeepTheirOrder() throws {
        let rig = try Rig(source: ThrowawayServer.shared("incremental").uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.run(["create": "capped", "capped": true, "size": 1_000_000], db: db)
        try fillNumbers(source, db, "capped")
        try rig.backup(["\(db).*"])
        try retype(source, db, "capped")
        let report = try rig.backup(.incremental, ["\(db).*"])
        #expect(try SnapshotContents(rig, report.id).differences(source, [db]) == [])
        #expect(report.scanned.isEmpty, "\(report.scanned)")
        let differences = try CheckReplay(access: rig.access).run().pairs.flatMap(\.differences)
        #expect(differences.isEmpty, "\(differences)")
    }

    /// Only replacements do it: the fold has no other case to handle.
    @Test func operatorsCannotChangeTheTypeOfANumber() throws {
        let client = try ThrowawayServer.shared("incremental").connect()
        let db = Rig.database()
        try fillNumbers(client, db, "plain")
        let changes: [BSONValue] = [
            ["$set": ["_id": .int64(0)]], ["$set": ["_id": 0.0, "n": 2]], ["$mul": ["_id": 1.0]],
            ["$inc": ["_id": .int64(0)]], ["$max": ["_id": .int64(0)]], ["$min": ["_id": .double(-0.0)]],
        ]
        for change in changes {
            _ = try client.exchange(["update": "plain", "updates": [["q": ["_id": 0], "u": change]]], db: db)
            _ = try client.exchange(["findAndModify": "plain", "query": ["_id": 0], "update": change], db: db)
        }
        let found = try client.documents(of: ["find": "plain", "filter": ["_id": 0]], db: db)
        #expect(found == [["_id": 0, "n": 1]], "\(found)")
    }
}
