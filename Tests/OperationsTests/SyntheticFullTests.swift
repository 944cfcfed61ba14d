import Archive
import BSON
import Bytes
import Mongo
import ObjectStore
import TestSupport
import Testing

@testable import Operations

/// Compaction of what a real server gave: the state stays, its order is that of the server, and backups go on from it.
@Suite(.enabled(if: Rig.isAvailable, Comment(rawValue: Rig.absence)), .serialized)
struct SyntheticFullTests {
    private let server: ThrowawayServer
    private let rig: Rig

    init() throws {
        server = try ThrowawayServer()
        rig = try Rig(source: server.uri)
    }

    private func backup(_ kind: Backup.Kind) throws -> BackupReport {
        var options = FullBackup.Options(repository: rig.access, source: DeploymentAccess(uri: server.uri))
        options.level = 1
        return try Backup(kind, options: options, progress: JobProgress(), cancellation: Cancellation()).run()
    }

    private func compact(_ moment: Moment, foldBudget: Int = ArchivedState.foldBudget) throws -> BackupReport {
        var options = Compact.Options(repository: rig.access, moment: moment)
        options.level = 1
        var job = Compact(options: options, progress: JobProgress(), cancellation: Cancellation())
        job.foldBudget = foldBudget
        return try job.run()
    }

    private func state(_ moment: Moment) throws -> ArchivedState {
        let repository = try rig.access.open()
        return try repository.state(at: moment, chunks: repository.loadIndex())
    }

    /// What differs between two states, document for document, and in the catalogue.
    private func differences(_ left: ArchivedState, _ right: ArchivedState) throws -> [String] {
        let digest = StateDigest(digest: DocumentDigest(), progress: JobProgress(), cancellation: Cancellation())
        let sums = (try digest.sums(of: left, threads: 2), try digest.sums(of: right, threads: 2))
        guard left.collections.map(\.entry.namespace) == right.collections.map(\.entry.namespace) else {
            return ["other namespaces"]
        }
        return left.collections.indices.filter { index in
            let (old, new) = (left.collections[index].entry, right.collections[index].entry)
            return sums.0[index] != sums.1[index] || old.uuid != new.uuid || old.options != new.options
                || old.indexes != new.indexes
        }.map { left.collections[$0].entry.namespace }
    }

    /// The `_id`s of a collection in the order of its leaves.
    private func order(_ moment: Moment, _ namespace: String) throws -> [BSONValue] {
        let state = try state(moment)
        var ids: [BSONValue] = []
        try PieceReader(state.reader).read(try state.collection(namespace), of: state.reader) { span in
            var documents = DocumentBatch.Chunk(span)
            while let document = try documents.next() {
                if let id = try BSONDocument(copying: document)["_id"] { ids.append(id) }
            }
        }
        return ids
    }

    /// Ten thousand documents of a kilobyte; then some updated, deleted and inserted in one corner.
    private func change(_ client: WireClient, round: Int) throws {
        let update: BSONDocument = [
            "update": "c",
            "updates": [
                [
                    "q": ["_id": ["$gte": BSONValue(100 * round), "$lt": BSONValue(100 * round + 50)]],
                    "u": ["$set": ["round": BSONValue(round)]], "multi": true,
                ]
            ],
        ]
        try client.run(update, db: "shop")
        let delete: BSONDocument = [
            "delete": "c", "deletes": [["q": ["_id": BSONValue(100 * round + 60)], "limit": 1]],
        ]
        try client.run(delete, db: "shop")
        try client.fill("shop", "c", (20_000 + 100 * round)..<(20_000 + 100 * round + 30), seed: UInt64(round))
        try client.fill("shop", "new\(round)", 0..<20)
    }

    @Test func foldsRunsInPlace() throws {
        let client = try rig.sourceClient()
        // Some twenty chunks: with fewer, one that chance made large can be half of all.
        try client.fill("shop", "c", 0..<20_000)
        try client.fill("shop", "quiet", 0..<100)
        let base = try backup(.full)
        for round in 1...3 {
            try change(client, round: round)
            #expect(try backup(.incremental).kind == "incremental")
        }
        let layered = try state(.snapshot("latest"))
        #expect(layered.collections.contains { $0.entry.runs.count == 3 })
        let report = try compact(.snapshot("latest"))
        let compacted = try state(.snapshot(report.id.hex))
        #expect(report.kind == "synthetic" && compacted.snapshot.parent == layered.snapshot.id)
        #expect(compacted.snapshot.optime == layered.snapshot.optime && compacted.snapshot.optime != nil)
        #expect(compacted.collections.allSatisfy { $0.isPlain })
        #expect(try differences(layered, compacted) == [])
        #expect(try rig.damage() == [])

        // All changes are in one corner: most of the chunks are shared, and the order is that of the server.
        #expect(report.addedBytes < base.addedBytes / 2)
        let natural = try client.documents(of: ["find": "c", "hint": ["$natural": 1]], db: "shop").map { $0["_id"] }
        #expect(try order(.snapshot(report.id.hex), "shop.c") == natural)

        // The next incremental continues it, and a full backup finds what it stored.
        try change(client, round: 4)
        let next = try backup(.incremental)
        #expect(next.parent == report.id && next.scanned.map(\.namespace) == ["shop.new4"])
        let full = try backup(.full)
        #expect(full.addedBytes < base.addedBytes / 2)
        #expect(try differences(try state(.snapshot(next.id.hex)), try state(.snapshot(full.id.hex))) == [])
    }

    @Test func foldsTheOplogUpToATime() throws {
        let client = try rig.sourceClient()
        try client.fill("shop", "c", 0..<5_000)
        let capped: BSONDocument = ["create": "ring", "capped": true, "size": 100_000, "max": 50]
        try client.run(capped, db: "shop")
        try client.fill("shop", "ring", 0..<40, bytes: 100)
        let base = try backup(.full)
        try change(client, round: 1)
        try client.fill("shop", "ring", 40..<80, bytes: 100)
        let middle = try backup(.incremental)
        try change(client, round: 2)
        try client.run(["drop": "new1"], db: "shop")
        let last = try backup(.incremental)
        let expected = try (state(.snapshot(middle.id.hex)), state(.snapshot(last.id.hex)))
        // A time is reached from the newest snapshot before it: without these, from the first.
        try [middle, last].forEach { try forget($0.id) }

        for foldBudget in [ArchivedState.foldBudget, 60_000] {
            for (report, state) in [(middle, expected.0), (last, expected.1)] {
                let result = try compact(.time(.operation(report.at), set: nil), foldBudget: foldBudget)
                #expect(result.at == report.at && result.kind == "synthetic" && result.parent == base.id)
                let compacted = try self.state(.snapshot(result.id.hex))
                #expect(compacted.snapshot.optime == state.snapshot.optime)
                #expect(try differences(state, compacted) == [], "\(report.at), budget \(foldBudget)")
                try forget(result.id)
            }
        }
        // Between two operations the state is that of the earlier one, and so is the time.
        let end = Moment.time(.operation(Timestamp(rawValue: last.at.rawValue - 1)), set: nil)
        let between = try compact(end)
        #expect(between.at >= middle.at && between.at < last.at)
        #expect(try differences(try state(end), try state(.snapshot(between.id.hex))) == [])
    }

    private func forget(_ id: RandomID) throws {
        try rig.access.open().store.delete(#require(ObjectName("snapshots/\(id.hex)")))
    }

    @Test func syntheticFullSharesAndRestores() throws {
        let client = try rig.sourceClient()
        try client.fill("shop", "c", 0..<5_000)
        _ = try backup(.full)
        try change(client, round: 1)
        let report = try backup(.synthetic)
        #expect(report.kind == "synthetic")
        try rig.restore {
            $0.include = ["shop.*"]
            $0.drop = true
        }
        #expect(try rig.differences(["shop"]) == [])
        #expect(throws: CairnError.self) { try compact(.snapshot("latest")) }
    }

    /// A full backup is due on a day on which nothing happened, too.
    @Test func anIdleDayHasASyntheticFullOfItsOwn() throws {
        let client = try rig.sourceClient()
        try client.fill("shop", "c", 0..<100)
        let base = try backup(.full)
        let report = try backup(.synthetic)
        #expect(report.kind == "synthetic" && report.id != base.id && report.addedBytes < 10_000)
        #expect(try rig.damage() == [])
        let (before, after) = try (state(.snapshot(base.id.hex)), state(.snapshot(report.id.hex)))
        #expect(try differences(before, after) == [])
    }
}
