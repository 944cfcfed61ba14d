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
        try rig.backup(.incremental, [db + ".*"])

        let proof = try CheckReplay(access: rig.access).run()
        #expect(proof.pairs.count == 1)
        for pair in proof.pairs { #expect(pair.differences.isEmpty, "\(pair)") }

        for replay in [Restore.Replay.fold, .server] {
            try rig.targetClient().run(["dropDatabase": 1], db: db)
            let report = try rig.restore {
                $0.moment = .time(.latest, set: nil)
                $0.replay = replay
                $0.verify = true
            }
            #expect(report.failures.isEmpty, "\(report.failures)")
            #expect(try rig.differences([db]) == [])
        }
    }
}
