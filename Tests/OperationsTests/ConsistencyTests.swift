import BSON
import Bytes
import Glibc
import TestSupport
import Testing

@testable import Operations

/// A snapshot is what the source was at one cluster time, whatever happened meanwhile.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct ConsistencyTests {
    private static let accounts = 3_000

    /// Two collections between which transactions move amounts, and whole documents: sum and number are constant.
    private func fill(_ source: WireClient, _ db: String) throws {
        var random = RandomDocuments(seed: 5)
        for collection in ["left", "right"] {
            let documents = (0..<Self.accounts).map { number in
                BSONDocument(
                    random.ordinaryDocument(id: BSONValue(number), bytes: 900).fields.map { ($0.name, $0.value) }
                        + [("balance", 1_000)])
            }
            try source.insert(documents, db: db, collection: collection)
        }
        try source.run(["create": "moving"], db: db)
        try source.insert((0..<100).map { ["_id": BSONValue($0)] }, db: db, collection: "moving")
        try source.run(["create": "moved"], db: db)
    }

    /// Transfers between documents far apart, and a document that goes over to another collection or back.
    private func transfer(_ client: WireClient, _ db: String, _ session: BSONValue, _ round: Int) throws {
        var isFirst = true
        func run(_ command: BSONDocument, db: String) throws {
            var fields = command.fields.map { ($0.name, $0.value) }
            fields += [("lsid", session), ("txnNumber", .int64(Int64(round))), ("autocommit", false)]
            if isFirst { fields.append(("startTransaction", true)) }
            isFirst = false
            try client.run(BSONDocument(fields), db: db)
        }
        func add(_ amount: Int32, _ id: Int, _ collection: String) throws {
            let update: BSONValue = ["q": ["_id": BSONValue(id)], "u": ["$inc": ["balance": .int32(amount)]]]
            try run(["update": .string(collection), "updates": [update]], db: db)
        }
        try add(-7, round * 131 % Self.accounts, "left")
        try add(7, (round * 577 + 11) % Self.accounts, "right")
        let (from, to) = round / 100 % 2 == 0 ? ("moving", "moved") : ("moved", "moving")
        let id = BSONValue(round % 100)
        try run(["delete": .string(from), "deletes": [["q": ["_id": id], "limit": 1]]], db: db)
        try run(["insert": .string(to), "documents": [["_id": id]]], db: db)
        try run(["commitTransaction": 1], db: "admin")
    }

    @Test(arguments: [FullBackup.ScanOrder.natural, .id])
    func transfersDuringTheBackup(order: FullBackup.ScanOrder) throws {
        let rig = try Rig()
        let db = Rig.database()
        let source = try rig.sourceClient()
        try fill(source, db)
        let session: BSONValue = ["id": .binary(subtype: 4, RandomID.random().bytes)]
        let writer = Background(rig.source) { client, round in try transfer(client, db, session, round) }
        writer.awaitRounds(20)
        let before = writer.rounds
        let backup = try rig.backup(["\(db).*"], order: order, rangeBytes: 300_000) { $0.readers = 3 }
        let during = writer.rounds - before
        try writer.stop()
        #expect(during > 10, "only \(during) transactions during the backup")
        #expect(backup.warnings.isEmpty, "\(backup.warnings)")

        let report = try rig.restore { $0.verify = true }
        #expect(report.failures.isEmpty)
        let target = try rig.targetClient()
        var sum = 0
        for collection in ["left", "right"] {
            let documents = try target.contents(db, collection)
            #expect(documents.count == Self.accounts)
            sum += try documents.reduce(0) { try $0 + $1.require("balance", as: Int.self, in: collection) }
        }
        #expect(sum == 2 * 1_000 * Self.accounts)
        let moving = try target.contents(db, "moving") + target.contents(db, "moved")
        #expect(Set(moving) == Set((0..<100).map { ["_id": BSONValue($0)] }) && moving.count == 100)

        for collection in ["left", "right", "moving", "moved"] {
            let sorted: BSONDocument = ["find": .string(collection), "sort": ["_id": 1]]
            let then = BSONDocument(
                sorted.fields.map { ($0.name, $0.value) } + [
                    ("readConcern", ["level": "snapshot", "atClusterTime": .timestamp(backup.at)])
                ])
            #expect(try source.documents(of: then, db: db) == target.documents(of: sorted, db: db), "\(collection)")
        }
    }

    /// A collection is born with 50 documents in one transaction, is renamed, and dropped: a snapshot that has it has
    /// all 50.
    private func define(_ client: WireClient, _ db: String, _ session: BSONValue, _ round: Int) throws {
        let name = "born \(round)"
        let documents: [BSONValue] = (0..<50).map { ["_id": BSONValue($0), "in": .string(name)] }
        try client.run(
            [
                "insert": .string(name), "documents": .array(documents), "lsid": session,
                "txnNumber": .int64(Int64(round)), "autocommit": false, "startTransaction": true,
            ], db: db)
        try client.run(
            [
                "commitTransaction": 1, "lsid": session, "txnNumber": .int64(Int64(round)), "autocommit": false,
            ], db: "admin")
        try client.run(
            [
                "renameCollection": .string("\(db).wanderer\(round % 2)"),
                "to": .string("\(db).wanderer\((round + 1) % 2)"),
            ],
            db: "admin")
        if round >= 5 { try client.run(["drop": .string("born \(round - 5)")], db: db) }
        // A burst, then a pause that a small backup fits into.
        usleep(round % 8 == 0 ? 300_000 : 2_000)
    }

    @Test func definitionsChangeDuringTheBackup() throws {
        let rig = try Rig()
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.fill(db, "large", 0..<3_000)
        try source.fill(db, "wanderer0", 0..<200)
        let session: BSONValue = ["id": .binary(subtype: 4, RandomID.random().bytes)]
        let writer = Background(rig.source) { client, round in try define(client, db, session, round) }
        writer.awaitRounds(6)
        var snapshots = 0
        for _ in 0..<6 {
            do {
                try rig.backup(["\(db).*"], rangeBytes: 300_000) { $0.readers = 2 }
                snapshots += 1
            } catch let error as CairnError {
                #expect(error.code == .snapshotUnavailable && error.message.contains("again"), "\(error)")
                continue
            }
            let report = try rig.restore { options in
                options.drop = true
                options.verify = true
            }
            #expect(report.failures.isEmpty, "\(report.failures)")
            let names = report.namespaces.map(\.target)
            #expect(names.filter { $0.hasPrefix("\(db).wanderer") }.count == 1, "\(names)")
            for namespace in report.namespaces {
                let expected =
                    namespace.target.contains(".born") ? 50 : namespace.target.contains(".large") ? 3_000 : 200
                #expect(namespace.documents == expected, "\(namespace)")
            }
        }
        try writer.stop()
        print("\(snapshots) of 6 backups succeeded beside definitions that changed \(writer.rounds) times")
        try rig.targetClient().run(["dropDatabase": 1], db: db)
        let quiet = try rig.backup(["\(db).*"])
        #expect(quiet.warnings.isEmpty)
        try rig.restore()
        #expect(try rig.differences([db]).isEmpty)
        #expect(try rig.damage().isEmpty)
    }

    /// Definitions that change without a pause: collections come, are renamed and go between two looks at them all,
    /// and each snapshot has those of its time.
    @Test func definitionsThatNeverRest() throws {
        let source = try ThrowawayServer()
        let rig = try Rig(source: source.uri)
        let db = Rig.database()
        let client = try source.connect()
        for number in 0..<30 { try client.fill(db, "calm\(number)", 0..<20, seed: UInt64(number)) }
        let writers = (0..<2).map { writer in
            Background(source.uri) { client, round in
                let name = "restless\(writer)"
                switch round % 4 {
                case 0: try client.fill(db, name, 0..<3, seed: UInt64(round))
                case 1:
                    // Takes long beside the others.
                    guard round % 32 == 1 else { break }
                    try client.run(
                        ["createIndexes": .string(name), "indexes": [["key": ["n": 1], "name": "n"]]], db: db)
                case 2:
                    try client.run(
                        ["renameCollection": .string("\(db).\(name)"), "to": .string("\(db).\(name) moved")],
                        db: "admin")
                default: try client.run(["drop": .string(name + " moved")], db: db)
                }
            }
        }
        for writer in writers { writer.awaitRounds(4) }
        let before = writers.reduce(0) { $0 + $1.rounds }
        var errors: [String] = []
        for number in 0..<6 {
            do { try rig.backup(number == 3 ? .full : .automatic, ["\(db).*"]) } catch {
                errors.append("backup \(number): \(error)")
            }
        }
        let during = writers.reduce(0) { $0 + $1.rounds } - before
        for writer in writers { try writer.stop() }
        print("\(during) changes of definitions beside the backups")
        #expect(errors.isEmpty, "\(errors.joined(separator: "\n"))")
        try rig.backup(.automatic, ["\(db).*"])
        let proof = try CheckReplay(access: rig.access, pairs: .every).run()
        #expect(proof.isSound && proof.isComplete, "\(proof.pairs.flatMap(\.differences))")
    }
}
