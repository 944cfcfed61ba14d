import BSON
import Bytes
import Mongo
import TestSupport
import Testing

@testable import Operations

/// What comes back is what was there: judged by the servers' own `dbHash` and catalogues.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct RoundTripTests {
    @Test func sampleDataInBothOrders() throws {
        let rig = try Rig()
        let source = try rig.sourceClient()
        try SampleData.load(into: source)
        let databases = SampleData.databases
        for order in [FullBackup.ScanOrder.natural, .id] {
            let backup = try rig.backup(databases.map { "\($0).*" }, order: order)
            #expect(backup.warnings.isEmpty && !backup.needsPerson)
            let report = try rig.restore { options in
                options.drop = order == .id
                options.verify = true
            }
            #expect(report.failures.isEmpty, "\(report.failures)")
            #expect(report.lost.isEmpty && report.verification == .documents)
            #expect(report.documents == backup.documents && report.rawBytes == backup.rawBytes)
            #expect(report.namespaces.count == backup.namespaces)
            let differences = try rig.differences(databases)
            #expect(differences.isEmpty, "\(order): \(differences.joined(separator: "\n"))")
        }
        #expect(try rig.damage().isEmpty)
    }

    /// TTL is off at the source, and at its fastest in the target: a restore must be judged before it expires anything.
    @Test func awkwardCollections() throws {
        let rig = try Rig(source: ThrowawayServer.shared("no TTL").uri)
        let source = try rig.sourceClient()
        try source.run(["setParameter": 1, "ttlMonitorEnabled": false], db: "admin")
        let db = Rig.database()
        try AwkwardData.load(source, db)
        let backup = try rig.backup([db + "*"])
        #expect(backup.warnings.isEmpty)
        let target = try rig.targetClient()
        try target.run(["setParameter": 1, "ttlMonitorEnabled": false], db: "admin")
        defer { _ = try? target.run(["setParameter": 1, "ttlMonitorEnabled": true], db: "admin") }
        let report = try rig.restore { $0.verify = true }
        #expect(report.failures.isEmpty, "\(report.failures)")
        #expect(report.verification == .documents)
        let differences = try rig.differences([db, db + "views"])
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
        #expect(try rig.damage().isEmpty)
    }

    @Test(arguments: [UInt64.random(in: 0..<1_000_000)]) func randomDocuments(seed: UInt64) throws {
        let rig = try Rig()
        let source = try rig.sourceClient()
        let db = Rig.database()
        var random = RandomDocuments(seed: seed)
        let documents = (0..<3_000).map { number in
            random.document(id: number < 2_000 ? BSONValue(number) : random.idValue())
        }
        try source.run(["create": "clustered", "clusteredIndex": ["key": ["_id": 1], "unique": true]], db: db)
        for collection in ["plain", "clustered"] {
            for batch in stride(from: 0, to: documents.count, by: 500) {
                // Equal and oversized `_id`s are refused, by both servers alike.
                _ = try source.exchange(
                    ["insert": .string(collection), "ordered": false], db: db,
                    documents: documents[batch..<(batch + 500)].flatMap(\.bytes))
            }
        }
        let backup = try rig.backup(["\(db).*"], rangeBytes: 100_000)
        #expect(backup.documents > 4_000, "seed \(seed)")
        let report = try rig.restore { $0.verify = true }
        #expect(report.failures.isEmpty, "seed \(seed): \(report.failures.prefix(5))")
        #expect(report.verification == .documents, "seed \(seed)")
        let differences = try rig.differences([db])
        #expect(differences.isEmpty, "seed \(seed): \(differences.joined(separator: "\n"))")
        #expect(try rig.damage().isEmpty, "seed \(seed)")
    }
}
