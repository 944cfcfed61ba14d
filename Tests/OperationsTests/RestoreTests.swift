import BSON
import Bytes
import Mongo
import TestSupport
import Testing

@testable import Operations

/// What a restore does to a target, and what it refuses to do.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct RestoreTests {
    /// A few namespaces of every kind in two databases, and a backup of them.
    private func prepared() throws -> (rig: Rig, db: String, other: String) {
        let rig = try Rig()
        let (db, other) = (Rig.database(), Rig.database())
        let source = try rig.sourceClient()
        try source.fill(db, "c", 0..<200)
        try source.run(
            [
                "createIndexes": "c",
                "indexes": [
                    ["key": ["name": 1], "name": "by name"],
                    ["key": ["visits": 1, "_id": 1], "name": "u", "unique": true],
                ],
            ], db: db)
        try source.fill(db, "c.d", 0..<10)
        try source.run(["create": "v", "viewOn": "c", "pipeline": [["$limit": 3]]], db: db)
        try source.run(["create": "s", "timeseries": ["timeField": "t", "metaField": "m"]], db: db)
        try source.insert((0..<50).map { ["t": .date(Int64($0)), "m": BSONValue($0 % 4)] }, db: db, collection: "s")
        try source.fill(other, "c", 0..<20)
        try rig.backup(["\(db).*", "\(other).*"])
        return (rig, db, other)
    }

    @Test func selectsNamespaces() throws {
        let (rig, db, other) = try prepared()
        let report = try rig.restore { options in
            options.include = ["\(db).c*", "\(other).*"]
            options.exclude = ["*.c.d"]
        }
        #expect(report.namespaces.map(\.target) == ["\(db).c", "\(other).c"])
        #expect(report.documents == 220 && report.indexes == 2 && report.verification == .counts)
        let target = try rig.targetClient()
        #expect(try target.collectionNames(db) == ["c"] && target.collectionNames(other) == ["c"])

        let error = #expect(throws: CairnError.self) { try rig.restore { $0.include = ["nowhere.*"] } }
        #expect(error?.code == .notFound)
    }

    @Test func renamesNamespacesOfEveryKind() throws {
        let (rig, db, other) = try prepared()
        let report = try rig.restore { options in
            options.renames = [
                Restore.Rename(from: "\(db).c.d", to: "\(db)-new.deep"),
                Restore.Rename(from: "\(db).*", to: "\(db)-new.x *"),
            ]
            options.verify = true
        }
        #expect(report.failures.isEmpty && report.verification == .documents, "\(report.failures)")
        let targets = ["deep", "x c", "x s", "x v"].map { "\(db)-new.\($0)" } + ["\(other).c"]
        #expect(report.namespaces.map(\.target).sorted() == targets.sorted())
        let (source, target) = (try rig.sourceClient(), try rig.targetClient())
        #expect(try target.contents("\(db)-new", "x c") == source.contents(db, "c"))
        #expect(try target.contents("\(db)-new", "deep") == source.contents(db, "c.d"))
        let buckets: BSONDocument = ["find": "s", "sort": ["t": 1]]
        let renamed: BSONDocument = ["find": "x s", "sort": ["t": 1]]
        #expect(try target.documents(of: renamed, db: "\(db)-new") == source.documents(of: buckets, db: db))
        #expect(try target.collectionNames("\(db)-new").contains("system.buckets.x s"))

        let twoIntoOne = #expect(throws: CairnError.self) {
            try rig.restore { $0.renames = [Restore.Rename(from: "\(db).c", to: "\(other).c")] }
        }
        #expect(twoIntoOne?.code == .usage)
    }

    @Test func refusesEachNamespaceInTheWayBeforeWriting() throws {
        let (rig, db, other) = try prepared()
        let target = try rig.targetClient()
        try target.run(["create": "v"], db: db)
        try target.insert([["_id": "precious"]], db: other, collection: "c")
        try target.run(["create": "s", "timeseries": ["timeField": "t"]], db: db)
        let error = #expect(throws: CairnError.self) { try rig.restore() }
        #expect(error?.code == .alreadyExists)
        for name in ["\(db).s", "\(db).v", "\(other).c"] { #expect(error?.message.contains(name) == true, "\(name)") }
        #expect(error?.message.contains("\(db).c,") == false)
        #expect(!(try target.collectionNames(db).contains("c")))
        #expect(try target.contents(other, "c") == [["_id": "precious"]])

        let report = try rig.restore { options in
            options.drop = true
            options.verify = true
        }
        #expect(report.failures.isEmpty)
        #expect(try rig.differences([db, other]).isEmpty)
    }

    @Test func aDryRunWritesNothing() throws {
        let (rig, db, other) = try prepared()
        let report = try rig.restore { $0.dryRun = true }
        #expect(report.dryRun && report.verification == .none)
        #expect(report.namespaces.count == 5 && report.namespaces.reduce(0) { $0 + $1.indexes } == 2)
        let names = try rig.targetClient().databaseNames()
        #expect(!names.contains(db) && !names.contains(other))
    }

    @Test func leavesIndexesOut() throws {
        let (rig, db, _) = try prepared()
        let report = try rig.restore { $0.noIndexes = true }
        #expect(report.indexes == 0 && report.verification == .counts && report.failures.isEmpty)
        let indexes = try rig.targetClient().documents(of: ["listIndexes": "c"], db: db)
        #expect(indexes.map { $0["name"] } == [.string("_id_")])
    }

    @Test func preservesUUIDs() throws {
        let (rig, db, other) = try prepared()
        let report = try rig.restore { options in
            options.preserveUUID = true
            options.exclude = ["\(db).s", "\(db).v"]
        }
        #expect(report.failures.isEmpty)
        #expect(try rig.differences([other], uuids: true).isEmpty)
    }

    @Test(arguments: ["1", "majority"]) func takesAWriteConcern(concern: String) throws {
        let (rig, db, other) = try prepared()
        let report = try rig.restore { $0.writeConcern = concern }
        #expect(report.failures.isEmpty)
        #expect(try rig.differences([db, other]).isEmpty)
    }

    @Test func aWriteConcernThatCannotBeMetFails() throws {
        let (rig, db, _) = try prepared()
        let error = #expect(throws: CairnError.self) {
            try rig.restore { options in
                options.writeConcern = "7"
                options.include = ["\(db).c"]
            }
        }
        #expect(error?.code == .server, "\(String(describing: error))")
    }

    /// What expires at once in the target is restored and compared before it does.
    @Test func expiredDocumentsAreRestored() throws {
        let rig = try Rig(source: ThrowawayServer.shared("no TTL").uri)
        let (source, target) = (try rig.sourceClient(), try rig.targetClient())
        try source.run(["setParameter": 1, "ttlMonitorEnabled": false], db: "admin")
        let db = Rig.database()
        let index: BSONValue = ["key": ["at": 1], "name": "at", "expireAfterSeconds": 0]
        try source.run(["createIndexes": "c", "indexes": [index]], db: db)
        try source.insert((0..<5_000).map { ["_id": BSONValue($0), "at": .date(0)] }, db: db, collection: "c")
        let backup = try rig.backup(["\(db).*"])
        try target.run(["setParameter": 1, "ttlMonitorSleepSecs": 1], db: "admin")
        defer { _ = try? target.run(["setParameter": 1, "ttlMonitorSleepSecs": 60], db: "admin") }
        let report = try rig.restore { $0.verify = true }
        #expect(report.failures.isEmpty && report.verification == .documents, "\(report.failures)")
        #expect(report.documents == backup.documents && report.indexes == 1)
    }

    @Test func interruptedAndRepeated() throws {
        let rig = try Rig()
        let db = Rig.database()
        try rig.sourceClient().fill(db, "c", 0..<20_000, bytes: 400)
        try rig.backup(["\(db).*"], rangeBytes: 300_000)
        let cancellation = Cancellation()
        let progress = JobProgress()
        let thread = OwnedThread(name: "test-cancel") {
            while progress.reading().documents < 2_000 {}
            cancellation.cancel()
        }
        let error = #expect(throws: CairnError.self) {
            try rig.restore(cancellation: cancellation, progress: progress) { $0.workers = 1 }
        }
        thread.join()
        #expect(
            error?.code == .interrupted && error?.message.contains("--drop") == true, "\(String(describing: error))")
        let refused = #expect(throws: CairnError.self) { try rig.restore() }
        #expect(refused?.code == .alreadyExists)
        let report = try rig.restore { options in
            options.drop = true
            options.verify = true
        }
        #expect(report.failures.isEmpty && report.documents == 20_000)
        #expect(try rig.differences([db]).isEmpty)
    }
}
