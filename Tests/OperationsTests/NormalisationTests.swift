import Archive
import BSON
import Bytes
import TestSupport
import Testing

@testable import Operations

/// To Swift's strings two names that differ only in Unicode normalisation are one; to MongoDB they are two.
@Suite(.enabled(if: ThrowawayServer.isAvailable, "skipped: no mongod on PATH or in CAIRN_MONGOD"))
struct NormalisationTests {
    @Test func collectionsWhoseNamesLookAlike() throws {
        let rig = try Rig()
        let client = try rig.sourceClient()
        let db = Rig.database()
        for (name, ids) in [("caf\u{e9}", 0..<3), ("cafe\u{301}", 3..<9)] {
            try client.fill(db, name, ids)
            let index: BSONDocument = [
                "createIndexes": .string(name),
                "indexes": [
                    ["key": ["caf\u{e9}": 1], "name": "caf\u{e9}"], ["key": ["cafe\u{301}": 1], "name": "cafe\u{301}"],
                ],
            ]
            try client.run(index, db: db)
        }
        try rig.backup(.full, [db + ".*"])
        try client.fill(db, "caf\u{e9}", 20..<25)
        let time = try rig.timeBeforeNext()
        try rig.backup(.incremental, [db + ".*"])

        let proof = try CheckReplay(access: rig.access).run()
        #expect(proof.pairs.count == 1)
        for pair in proof.pairs { #expect(pair.differences.isEmpty, "\(pair)") }

        for replay in [Restore.Replay.fold, .server] {
            try rig.targetClient().run(["dropDatabase": 1], db: db)
            let report = try rig.restore {
                $0.moment = .time(try! TimeSelection("\(time.t):\(time.i)"), set: nil)
                $0.replay = replay
                $0.verify = true
            }
            #expect(report.failures.isEmpty, "\(report.failures)")
            #expect(try rig.differences([db]) == [])
        }
    }

    private static let composed = "caf\u{e9}"
    private static let decomposed = "cafe\u{301}"

    @Test func databasesAndIdentitiesThatLookAlike() throws {
        let rig = try Rig()
        let client = try rig.sourceClient()
        let db = Rig.database()
        let names = [db + Self.composed, db + Self.decomposed]
        for name in names {
            let documents: [BSONDocument] = [
                ["_id": .string(Self.composed), "in": .string(name)],
                ["_id": .string(Self.decomposed), "in": .string(name)], ["_id": 1],
            ]
            try client.insert(documents, db: name, collection: "c")
        }
        let include = names.map { $0 + ".*" }
        try rig.backup(.full, include)
        // A name, an `_id` and a field each, of which only the one may be touched.
        let set: BSONDocument = [
            "update": "c",
            "updates": [
                ["q": ["_id": .string(Self.decomposed)], "u": ["$set": [Self.composed: 1, Self.decomposed: 2]]]
            ],
        ]
        try client.run(set, db: names[0])
        let delete: BSONDocument = ["delete": "c", "deletes": [["q": ["_id": .string(Self.composed)], "limit": 1]]]
        try client.run(delete, db: names[1])
        let time = try rig.timeBeforeNext()
        try rig.backup(.incremental, include)
        for pair in try CheckReplay(access: rig.access).run().pairs { #expect(pair.differences.isEmpty, "\(pair)") }

        for replay in [Restore.Replay.fold, .server] {
            for name in names { try rig.targetClient().run(["dropDatabase": 1], db: name) }
            try rig.restore {
                $0.moment = .time(try! TimeSelection("\(time.t):\(time.i)"), set: nil)
                $0.replay = replay
                $0.verify = true
            }
            for name in names {
                #expect(try rig.targetClient().contents(name, "c") == client.contents(name, "c"))
            }
        }
        // Whichever of them is there, it is in the way.
        for name in names {
            for other in names { try rig.targetClient().run(["dropDatabase": 1], db: other) }
            try rig.targetClient().insert([["_id": 1]], db: name, collection: "c")
            let error = #expect(throws: CairnError.self) { try rig.restore() }
            #expect(error?.code == .alreadyExists)
        }
    }

    @Test func selectionsThatLookAlike() throws {
        let rig = try Rig()
        let client = try rig.sourceClient()
        let db = Rig.database()
        try client.fill(db, Self.composed, 0..<3)
        try client.fill(db, Self.decomposed, 0..<5)
        try rig.backup(.full, ["\(db).\(Self.composed)"])
        #expect(try rig.backup(.automatic, ["\(db).\(Self.decomposed)"]).kind == "full")
        #expect(try rig.backup(.automatic, ["\(db).\(Self.composed)"]).kind == "incremental")
        try rig.backup(.full, [db + ".*"])
        for (name, count) in [(Self.composed, 3), (Self.decomposed, 5)] {
            let options = Cat.Options(
                repository: rig.access, moment: .snapshot("latest"), namespace: "\(db).\(name)")
            #expect(try Cat(options: options).run { _ in } == count)
        }
        try client.fill(db, Self.decomposed, 5..<7)
        try rig.backup(.full, [db + ".*"])
        let snapshots = try rig.access.open().snapshots().suffix(2).map(\.id.hex)
        let report = try Diff(access: rig.access, from: .snapshot(snapshots[0]), to: .snapshot(snapshots[1])).run()
        #expect(report.collections.map(\.added) == [2, 0] && report.collections.allSatisfy { !$0.isNew && !$0.isGone })
    }

    /// To Swift, a dot and the mark behind it are one character.
    @Test func namesThatBeginWithACombiningMark() throws {
        let rig = try Rig()
        let client = try rig.sourceClient()
        let db = Rig.database()
        let mark = "\u{301}"
        try client.fill(db, mark + "c", 0..<3)
        let series: BSONValue = ["timeField": "t"]
        try client.run(["create": .string(mark + "s"), "timeseries": series], db: db)
        try client.insert([["t": .date(1_000), "v": 1]], db: db, collection: mark + "s")
        try rig.backup(.full, [db + ".*"])
        try client.insert([["t": .date(2_000), "v": 2]], db: db, collection: mark + "s")
        try rig.backup(.incremental, [db + ".*"])
        for pair in try CheckReplay(access: rig.access).run().pairs { #expect(pair.differences.isEmpty, "\(pair)") }
        try rig.targetClient().run(["dropDatabase": 1], db: db)
        try rig.restore { $0.verify = true }
        #expect(try rig.differences([db]) == [])
        let error = #expect(throws: CairnError.self) { try rig.restore() }
        #expect(error?.code == .alreadyExists)
        for (name, count) in [("c", 3), ("s", 1)] {
            let options = Cat.Options(
                repository: rig.access, moment: .snapshot("latest"), namespace: "\(db).\(mark)\(name)")
            #expect(try Cat(options: options).run { _ in } >= count)
        }
    }
}
