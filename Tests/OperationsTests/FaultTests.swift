import Archive
import BSON
import Bytes
import Glibc
import Mongo
import Synchronization
import TestSupport
import Testing

@testable import Operations

/// What servers, networks and people do to a running job. The moments are chosen by failpoints of the server.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)), .serialized)
struct FaultTests {
    private static let shared = Mutex<ThrowawayReplicaSet?>(nil)

    /// One node for all of these tests, for they change its parameters.
    private func server() throws -> ThrowawayReplicaSet {
        try Self.shared.withLock { server in
            if let server { return server }
            let started = try ThrowawayReplicaSet()
            server = started
            return started
        }
    }

    /// A collection that the backup reads first, because it is the largest, and one that it reads after.
    private func fill(_ client: WireClient, _ db: String) throws {
        try client.fill(db, "first", 0..<6_000)
        try client.fill(db, "second", 0..<300)
    }

    private func failPoint(_ client: WireClient, _ name: String, _ mode: BSONValue, _ data: BSONValue = [:]) throws {
        try client.run(["configureFailPoint": .string(name), "mode": mode, "data": data], db: "admin")
    }

    /// Backs up `db`. As soon as the first collection is being read, the server stops there, `disturb` runs, and the
    /// server goes on.
    ///
    /// - Parameter rangeBytes: small ranges move the moment from the scan to its planning, which samples the
    ///   collection.
    private func backup(
        _ rig: Rig, _ db: String, order: FullBackup.ScanOrder = .natural, cancellation: Cancellation = Cancellation(),
        rangeBytes: Int = RangePlanner.targetBytes, _ disturb: @escaping @Sendable (WireClient) throws -> Void
    ) throws -> BackupReport {
        let progress = JobProgress()
        let uri = rig.source
        let failure = Mutex<(any Error)?>(nil)
        let isOver = Atomic<Bool>(false)
        let box = Box(failure: failure, isOver: isOver)
        try failPoint(rig.sourceClient(), "waitInFindBeforeMakingBatch", "alwaysOn", ["nss": .string("\(db).first")])
        let thread = OwnedThread(name: "test-disturb") {
            do {
                let client = try WireClient(uri: uri)
                while !box.isOver.load(ordering: .relaxed), try !Self.isHanging(client, db) { usleep(5_000) }
                try disturb(client)
            } catch { box.failure.withLock { $0 = error } }
            // Another server by now, when the test killed it.
            if let client = try? WireClient(uri: uri) {
                _ = try? client.run(["configureFailPoint": "waitInFindBeforeMakingBatch", "mode": "off"], db: "admin")
            }
        }
        defer { thread.join() }
        defer { box.isOver.store(true, ordering: .relaxed) }
        let report = try rig.backup(
            ["\(db).*"], order: order, rangeBytes: rangeBytes, cancellation: cancellation, progress: progress
        ) { $0.readers = 1 }
        if let error = box.failure.withLock({ $0 }) { throw error }
        return report
    }

    private final class Box: Sendable {
        let failure: Mutex<(any Error)?>
        let isOver: Atomic<Bool>
        init(failure: consuming sending Mutex<(any Error)?>, isOver: consuming Atomic<Bool>) {
            self.failure = failure
            self.isOver = isOver
        }
    }

    private static func isHanging(_ client: WireClient, _ db: String) throws -> Bool {
        let pipeline: BSONValue = [
            ["$currentOp": [:]], ["$match": ["failpointMsg": "waitInFindBeforeMakingBatch"]],
        ]
        return try !client.documents(of: ["aggregate": 1, "pipeline": pipeline, "cursor": [:]], db: "admin").isEmpty
    }

    private func prove(_ rig: Rig, _ db: String) throws {
        let report = try rig.restore { options in
            options.drop = true
            options.verify = true
        }
        #expect(report.failures.isEmpty && report.verification == .documents)
        let differences = try rig.differences([db])
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
    }

    /// Names that are gone read as empty collections, without an error: by UUID they do not.
    @Test(arguments: ["drop", "rename", "dropDatabase", "again"], [RangePlanner.targetBytes, 300_000])
    func collectionsThatGoDuringTheScan(change: String, rangeBytes: Int) throws {
        let server = try server()
        let rig = try Rig(source: server.plainURI)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try fill(source, db)
        do {
            let report = try backup(rig, db, rangeBytes: rangeBytes) { client in
                switch change {
                case "drop": try client.run(["drop": "second"], db: db)
                case "rename":
                    try client.run(
                        ["renameCollection": .string("\(db).second"), "to": .string("\(db).third")], db: "admin")
                case "dropDatabase": try client.run(["dropDatabase": 1], db: db)
                default:
                    try client.run(["drop": "second"], db: db)
                    try client.fill(db, "second", 1_000..<1_100)
                }
            }
            #expect(report.warnings.count == 1 && report.warnings.allSatisfy { $0.contains("dropped") })
            if change == "dropDatabase" {
                #expect(report.namespaces == 0)
            } else {
                try prove(rig, db)
            }
        }
    }

    @Test func aScanThatOutlastsTheHistoryWindow() throws {
        let server = try server()
        let rig = try Rig(source: server.plainURI)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try fill(source, db)
        try source.run(["setParameter": 1, "minSnapshotHistoryWindowInSeconds": 1], db: "admin")
        defer { _ = try? source.run(["setParameter": 1, "minSnapshotHistoryWindowInSeconds": 300], db: "admin") }
        let report = try backup(rig, db) { client in
            // History goes when newer checkpoints and writes push it out.
            for number in 0..<40 {
                try client.run(
                    [
                        "update": "second",
                        "updates": [["q": [:], "u": ["$set": ["n": BSONValue(number)]], "multi": true]],
                    ],
                    db: db)
                usleep(100_000)
            }
        }
        // The ranges that could not be read any more went on at a newer time, and a closing run made all exact at one.
        #expect(report.warnings.isEmpty, "\(report.warnings)")
        try prove(rig, db)
    }

    @Test func aScanThatAlwaysOutlastsTheWindowFailsWithTheRemedy() throws {
        let server = try server()
        let rig = try Rig(source: server.plainURI)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try fill(source, db)
        try failPoint(
            source, "failCommand", "alwaysOn", ["failCommands": ["getMore"], "errorCode": 239, "appName": "cairn"])
        defer { try? failPoint(source, "failCommand", "off") }
        let error = #expect(throws: CairnError.self) { try rig.backup(["\(db).*"]) }
        #expect(error?.code == .snapshotTooOld)
        #expect(error?.message.contains("minSnapshotHistoryWindowInSeconds") == true, "\(String(describing: error))")
        try failPoint(source, "failCommand", "off")
        #expect(try rig.damage().isEmpty)
        try rig.backup(["\(db).*"])
        try prove(rig, db)
    }

    @Test(arguments: [FullBackup.ScanOrder.natural, .id], [RangePlanner.targetBytes, 300_000])
    func killedCursorsAndLostConnections(order: FullBackup.ScanOrder, rangeBytes: Int) throws {
        let server = try server()
        let rig = try Rig(source: server.plainURI)
        let db = Rig.database()
        let source = try rig.sourceClient()
        try fill(source, db)
        try failPoint(
            source, "failCommand", ["times": 3],
            ["failCommands": ["getMore", "find"], "closeConnection": true, "appName": "cairn"])
        let report = try backup(rig, db, order: order, rangeBytes: rangeBytes) { client in
            for _ in 0..<5 {
                try client.run(["killAllSessions": []], db: "admin")
                usleep(50_000)
            }
        }
        #expect(report.warnings.isEmpty, "\(report.warnings)")
        try prove(rig, db)
    }

    @Test(arguments: [RangePlanner.targetBytes, 300_000])
    func aServerThatIsKilledAndStartedAgain(rangeBytes: Int) throws {
        let server = try server()
        let rig = try Rig(source: server.plainURI)
        let db = Rig.database()
        try fill(try rig.sourceClient(), db)
        do {
            let report = try backup(rig, db, rangeBytes: rangeBytes) { _ in
                server.kill(0)
                try server.restart(0)
            }
            #expect(report.warnings.count == 1, "\(report.warnings)")
        } catch let error as CairnError {
            let expected: Set<CairnError.Code> = [.snapshotUnavailable, .snapshotTooOld, .cursorLost, .unreachable]
            #expect(expected.contains(error.code), "\(error)")
            #expect(error.message.contains("again"), "\(error)")
            print("the backup of a killed server failed: \(error)")
        }
        try ThrowawayReplicaSet.wait(for: "a primary") {
            try server.connect().exchange(["hello": 1], db: "admin")["isWritablePrimary"] == .bool(true)
        }
        #expect(try rig.damage().isEmpty)
        try rig.backup(["\(db).*"])
        try prove(rig, db)
    }

    @Test func cancelledInTheMiddle() throws {
        let server = try server()
        let rig = try Rig(source: server.plainURI)
        let db = Rig.database()
        try fill(try rig.sourceClient(), db)
        let cancellation = Cancellation()
        let error = #expect(throws: CairnError.self) {
            try backup(rig, db, cancellation: cancellation) { _ in cancellation.cancel() }
        }
        #expect(error?.code == .interrupted)
        let repository = try rig.access.open()
        #expect(try repository.snapshots().isEmpty)
        #expect(try repository.leases().isEmpty, "the lease was not given back")
        #expect(try rig.damage().isEmpty)
        try rig.backup(["\(db).*"])
        try prove(rig, db)
    }

    /// An index that the target cannot build is a failure by name, and everything else is there.
    @Test func anIndexThatCannotBeBuiltIsNamed() throws {
        let rig = try Rig(target: server().plainURI)
        let db = Rig.database()
        let (source, target) = (try rig.sourceClient(), try rig.targetClient())
        try source.fill(db, "c", 0..<10)
        let indexes: BSONValue = [["key": ["name": 1], "name": "one"], ["key": ["visits": 1], "name": "two"]]
        try source.run(["createIndexes": "c", "indexes": indexes], db: db)
        try rig.backup(["\(db).*"])
        // The attempt for both together, and that for the first alone.
        let fail: BSONValue = ["failCommands": ["createIndexes"], "errorCode": 67, "appName": "cairn"]
        try failPoint(target, "failCommand", ["times": 2], fail)
        let report = try rig.restore()
        #expect(report.failures.contains { $0.namespace == "\(db).c" && $0.subject == "index one" })
        #expect(!report.failures.contains { $0.subject == "index two" })
        #expect(report.verification == .failed && report.indexes == 1 && report.documents == 10)
    }

    /// The primary goes while documents are inserted: batches are repeated, and nothing is there twice.
    @Test func theConnectionToTheTargetBreaks() throws {
        let rig = try Rig(target: server().plainURI)
        let db = Rig.database()
        try rig.sourceClient().fill(db, "c", 0..<3_000)
        try rig.backup(["\(db).*"], rangeBytes: 300_000)
        let fail: BSONValue = ["failCommands": ["insert"], "closeConnection": true, "appName": "cairn"]
        try failPoint(rig.targetClient(), "failCommand", ["times": 3], fail)
        let report = try rig.restore { $0.verify = true }
        #expect(report.failures.isEmpty && report.verification == .documents && report.documents == 3_000)
        #expect(try rig.differences([db]).isEmpty)
    }
}
