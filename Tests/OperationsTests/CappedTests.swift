import Archive
import BSON
import Bytes
import TestSupport
import Testing

@testable import Operations

/// Capped collections that hold more than their cap, until the next insert trims them.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct CappedTests {
    /// Ten documents of 2,000 bytes each where 4,096 bytes are allowed.
    private func overgrow(_ client: WireClient, _ db: String, _ name: String) throws {
        try client.run(["create": .string(name), "capped": true, "size": 4_096, "max": 50], db: db)
        try client.insert((0..<10).map { ["_id": BSONValue($0)] }, db: db, collection: name)
        try grow(client, db, name)
    }

    private func grow(_ client: WireClient, _ db: String, _ name: String) throws {
        let text = BSONValue.string(String(repeating: "x", count: 2_000))
        let update: BSONValue = ["q": ["text": ["$ne": text]], "u": ["$set": ["text": text]], "multi": true]
        try client.run(["update": .string(name), "updates": [update]], db: db)
    }

    /// Ten documents where three are allowed.
    private func crowd(_ client: WireClient, _ db: String, _ name: String) throws {
        try client.run(["create": .string(name), "capped": true, "size": 1_000_000], db: db)
        try client.fill(db, name, 0..<10)
        try client.run(["collMod": .string(name), "cappedMax": 3], db: db)
    }

    /// Beside the natural order, which `differences` compares, too.
    private func count(_ client: WireClient, _ db: String, _ name: String) throws -> Int {
        try client.contents(db, name).count
    }

    @Test func whatIsOverTheCapIsRestored() throws {
        let rig = try Rig()
        let client = try rig.sourceClient()
        let target = try rig.targetClient()
        let db = Rig.database()
        try overgrow(client, db, "grown")
        try crowd(client, db, "crowded")
        try client.run(["create": "roomy", "capped": true, "size": 1_000_000, "max": 50], db: db)
        try client.fill(db, "roomy", 0..<5)
        try rig.backup(.full, [db + ".*"])
        let report = try rig.restore { $0.verify = true }
        #expect(report.failures.isEmpty && report.documents == 25, "\(report.failures)")
        #expect(try rig.differences([db]) == [])
        // The cap is in force again: the next insert trims, there as here.
        for (name, left) in [("grown", 3), ("crowded", 3)] {
            for own in [client, target] {
                try own.insert([["_id": 100]], db: db, collection: name)
                #expect(try count(own, db, name) == left)
            }
        }
        #expect(try rig.differences([db]) == [])
    }

    /// The source trims and overgrows again: what is replayed has deletes for the one, and nothing for the other.
    @Test(arguments: Restore.Replay.allCases) func atATimeBehindTheSnapshot(replay: Restore.Replay) throws {
        let rig = try Rig()
        let client = try rig.sourceClient()
        let db = Rig.database()
        try overgrow(client, db, "grown")
        try crowd(client, db, "crowded")
        try rig.backup(.full, [db + ".*"])
        for name in ["grown", "crowded"] { try client.insert([["_id": 100]], db: db, collection: name) }
        #expect(try count(client, db, "grown") == 3)
        try client.insert((200..<220).map { ["_id": BSONValue($0)] }, db: db, collection: "grown")
        let grown = try count(client, db, "grown")
        try grow(client, db, "grown")
        let time = try rig.timeBeforeNext()
        try rig.backup(.incremental, [db + ".*"])
        let report = try rig.restore {
            $0.moment = .time(try! TimeSelection("\(time.t):\(time.i)"), set: nil)
            $0.replay = replay
            $0.verify = true
        }
        #expect(report.failures.isEmpty, "\(report.failures)")
        #expect(try grown > 10 && count(rig.targetClient(), db, "grown") == grown)
        #expect(try rig.differences([db]) == [])
    }
}
