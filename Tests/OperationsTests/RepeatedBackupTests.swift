import BSON
import Bytes
import Mongo
import ObjectStore
import TestSupport
import Testing

@testable import Archive
@testable import Operations

/// Two snapshots of the same data share their chunks, however the first one's ranges were cut.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct RepeatedBackupTests {
    private struct Case: Sendable, CustomTestStringConvertible {
        let order: FullBackup.ScanOrder
        let rangeBytes: Int
        var testDescription: String { "\(order), ranges of \(rangeBytes) bytes" }
    }

    private static let cases = [
        Case(order: .natural, rangeBytes: RangePlanner.targetBytes), Case(order: .natural, rangeBytes: 400_000),
        Case(order: .id, rangeBytes: RangePlanner.targetBytes), Case(order: .id, rangeBytes: 400_000),
    ]

    @Test(arguments: cases) private func unchangedDataAddsNothing(_ trial: Case) throws {
        // A server of its own: the second backup stores what was written between the two, whatever its database.
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        // Not in the order of insertion, so that both scan orders differ.
        try source.fill(db, "c", 3_000..<6_000)
        try source.fill(db, "c", 0..<3_000)
        try source.run(["create": "clustered", "clusteredIndex": ["key": ["_id": 1], "unique": true]], db: db)
        try source.fill(db, "clustered", 0..<2_000)
        let backup = {
            try rig.backup(["\(db).*"], order: trial.order, rangeBytes: trial.rangeBytes) { $0.readers = 3 }
        }
        let first = try backup()
        let packs = try rig.packs()
        let ranges = try cutCount(rig, first.id)
        #expect(trial.rangeBytes == RangePlanner.targetBytes ? ranges == 0 : ranges >= 10, "\(ranges) cuts")

        let second = try backup()
        #expect(try cutCount(rig, second.id) == ranges)
        #expect(second.documents == first.documents && second.rawBytes == first.rawBytes)
        // The snapshot object, and whatever an index object takes that has nothing to say.
        #expect(second.addedBytes < 4_000, "\(second.addedBytes) bytes added")
        let grown = try rig.packs().reduce(0) { $0 + $1.size } - packs.reduce(0) { $0 + $1.size }
        // Where the oplog went on, by the server's own noops, a segment begins with the entry that it continues.
        #expect(grown < 4_000, "\(grown) bytes of packs")

        let old = try leafChunks(rig, first.id)
        #expect(try leafChunks(rig, second.id) == old)

        // Each change touches the chunk that it falls into, and moves one border at most.
        try source.run(
            ["update": "c", "updates": [["q": ["_id": 2_500], "u": ["$set": ["active": "changed"]]]]], db: db)
        try source.run(["delete": "c", "deletes": [["q": ["_id": 4_000], "limit": 1]]], db: db)
        try source.fill(db, "c", 6_000..<6_001)
        let third = try backup()
        #expect(third.documents == first.documents)
        let added = try leafChunks(rig, third.id).subtracting(old)
        #expect((1...6).contains(added.count), "\(added.count) new chunks beside \(old.count)")
        #expect(try rig.damage().isEmpty)

        let report = try rig.restore { $0.verify = true }
        #expect(report.failures.isEmpty)
        let differences = try rig.differences([db])
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
    }

    /// Two deployments, and two orders, take turns in one repository: each finds what it cut itself.
    @Test func eachSourceGoesOnFromItsOwnSnapshot() throws {
        // Servers of their own: the oplog of all namespaces is saved, what other tests write included.
        let first = try ThrowawayServer()
        let rig = try Rig(source: first.uri)
        let server = try ThrowawayReplicaSet()
        let other = try Rig(source: server.plainURI, access: rig.access)
        let (db, elsewhere) = (Rig.database(), Rig.database())
        try rig.sourceClient().fill(db, "c", 0..<3_000)
        try other.sourceClient().fill(elsewhere, "c", 0..<3_000, seed: 2)
        func backups() throws -> [Int] {
            try [
                rig.backup(["\(db).*"], rangeBytes: 300_000), other.backup(["\(elsewhere).*"], rangeBytes: 300_000),
                rig.backup(["\(db).*"], order: .id, rangeBytes: 400_000),
            ].map(\.addedBytes)
        }
        #expect(try backups().prefix(2).allSatisfy { $0 > 10_000 })
        let again = try backups()
        #expect(again.allSatisfy { $0 < 4_000 }, "\(again) bytes added")
    }

    /// An older snapshot restores as it was, also after the data went on.
    @Test func earlierSnapshotsStay() throws {
        let rig = try Rig()
        let db = Rig.database()
        let source = try rig.sourceClient()
        try source.fill(db, "c", 0..<500)
        let old = try source.contents(db, "c")
        let first = try rig.backup(["\(db).*"])
        try source.run(["delete": "c", "deletes": [["q": [:], "limit": 0]]], db: db)
        try source.run(["create": "later"], db: db)
        try rig.backup(["\(db).*"])
        let prefix = String(first.id.hex.prefix(12))
        let report = try rig.restore { $0.moment = .snapshot(prefix) }
        #expect(report.snapshot == first.id && report.failures.isEmpty)
        let target = try rig.targetClient()
        #expect(try target.contents(db, "c") == old)
        #expect(try target.collectionNames(db) == ["c"])
    }

    private func forEachEntry(_ rig: Rig, _ id: RandomID, _ body: (CatalogueEntry, SnapshotReader) throws -> Void)
        throws
    {
        let repository = try rig.access.open()
        let reader = SnapshotReader(
            repository: repository, chunks: try repository.loadIndex(), snapshot: try repository.snapshot(id))
        try reader.forEachEntry { try body($0, reader) }
    }

    private func cutCount(_ rig: Rig, _ id: RandomID) throws -> Int {
        var cuts = 0
        try forEachEntry(rig, id) { entry, _ in
            if case .array(let list)? = entry.plan?["cuts"] { cuts += list.count }
        }
        return cuts
    }

    private func leafChunks(_ rig: Rig, _ id: RandomID) throws -> Set<ChunkID> {
        var chunks: Set<ChunkID> = []
        try forEachEntry(rig, id) { entry, reader in
            var leaves = reader.leaves(of: entry)
            while let leaf = try leaves.next() { chunks.insert(leaf.chunk) }
        }
        return chunks
    }
}
