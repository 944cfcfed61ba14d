import Archive
import BSON
import Bytes
import Mongo
import ObjectStore
import TestSupport
import Testing

@testable import Operations

/// A restore that went wrong is found out, and damage costs what it hits and nothing else.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct VerifyTests {
    private static let count = 4_000

    private func prepared() throws -> (rig: Rig, db: String) {
        let rig = try Rig()
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.fill(db, "c", 0..<Self.count)
        try source.fill(db, "small", 0..<10)
        // One worker puts all chunks into one pack, documents first.
        try rig.backup(["\(db).*"], rangeBytes: 500_000) { options in
            options.readers = 1
            options.workers = 1
        }
        return (rig, db)
    }

    /// Restores, lets `tamper` at the target, then compares as the restore would.
    private func differences(
        _ rig: Rig, verify: Bool, _ tamper: (WireClient) throws -> Void
    ) throws -> [RestoreReport.Failure]? {
        var options = Restore.Options(repository: rig.access, target: DeploymentAccess(uri: rig.target))
        options.drop = true
        options.verify = verify
        let repository = try rig.access.open()
        let snapshot = try repository.selectSnapshot("latest")
        let reader = SnapshotReader(repository: repository, chunks: try repository.loadIndex(), snapshot: snapshot)
        let target = try MongoDeployment.connect(uri: rig.target, options: MongoOptions(access: .write))
        let state = try ArchivedState(reader)
        let plan = try RestorePlan(state, options)
        let (progress, cancellation) = (JobProgress(), Cancellation())
        try TargetDefinitions(target: target, options: options, progress: progress, cancellation: cancellation)
            .create(plan.items)
        let digest = verify ? DocumentDigest() : nil
        let crew = InsertCrew(
            state: state, target: target, options: options, digest: digest, progress: progress,
            cancellation: cancellation)
        let outcomes = try crew.insert(plan.items, workers: 2)
        try tamper(rig.targetClient())
        return try TargetComparison(target: target, options: options, progress: progress, cancellation: cancellation)
            .documents(of: plan.items, outcomes, digest, readers: 2)
    }

    private static let tampers: [(name: String, command: BSONDocument, counts: Bool)] = [
        ("nothing", ["ping": 1], true),
        ("changed", ["update": "c", "updates": [["q": ["_id": 7], "u": ["$set": ["visits": -1]]]]], true),
        ("type", ["update": "c", "updates": [["q": ["_id": 7], "u": ["$set": ["visits": .int64(-1)]]]]], true),
        ("removed", ["delete": "c", "deletes": [["q": ["_id": 7], "limit": 1]]], false),
        ("added", ["insert": "c", "documents": [["_id": "extra"]]], false),
    ]

    @Test(arguments: 0..<5) func findsWhatHappenedBehindItsBack(number: Int) throws {
        let (rig, db) = try prepared()
        let tamper = Self.tampers[number]
        let verified = try differences(rig, verify: true) { try $0.run(tamper.command, db: db) }
        #expect(verified?.isEmpty == (tamper.name == "nothing"), "\(tamper.name): \(String(describing: verified))")
        #expect(verified?.allSatisfy { $0.namespace == "\(db).c" } == true)
        let counted = try differences(rig, verify: false) { try $0.run(tamper.command, db: db) }
        #expect(counted?.isEmpty == tamper.counts, "\(tamper.name): \(String(describing: counted))")
    }

    /// Flips one byte of the repository's first pack, in the middle of its first chunk.
    private func damage(_ rig: Rig) throws {
        let store = try rig.access.open().store
        let packs = try rig.packs()
        let pack = try #require(packs.max { $0.size < $1.size })
        let buffer = Buffer(capacity: pack.size)
        try store.get(pack.name, into: buffer)
        var bytes = (0..<pack.size).map { buffer.bytes.integer(at: $0, as: UInt8.self) }
        bytes[1_000] ^= 0x10
        try store.delete(pack.name)
        try store.put(pack.name, bytes.rawSpan, mode: .ifAbsent)
    }

    @Test func damageStopsARestoreAndIsNamed() throws {
        let (rig, db) = try prepared()
        try damage(rig)
        let error = #expect(throws: CairnError.self) { try rig.restore() }
        #expect(error?.code == .corrupt, "\(String(describing: error))")
        let text = error?.description ?? ""
        #expect(text.contains("\(db).c") && text.contains("_id") && text.contains("packs/"), "\(text)")
        #expect(text.contains("--salvage"), "\(text)")
        #expect(try !rig.damage().isEmpty)
    }

    @Test func salvageRestoresTheRestAndListsWhatIsLost() throws {
        let (rig, db) = try prepared()
        try damage(rig)
        let report = try rig.restore { options in
            options.salvage = true
            options.verify = true
        }
        #expect(report.lost.count == 1 && report.failures.isEmpty, "\(report.failures)")
        #expect(report.lost[0].namespace == "\(db).c" && report.lost[0].subject.contains("_id"), "\(report.lost)")
        #expect(report.verification == .documents)
        let lost = Int(report.lost[0].subject.prefix { $0.isNumber }) ?? 0
        #expect(lost > 0 && report.documents == Self.count + 10 - lost, "\(lost), \(report.documents)")
        let (source, target) = (try rig.sourceClient(), try rig.targetClient())
        let there = Set(try target.contents(db, "c"))
        #expect(there.count == Self.count - lost)
        #expect(there.isSubset(of: try source.contents(db, "c")))
        #expect(try target.contents(db, "small") == source.contents(db, "small"))
    }
}
