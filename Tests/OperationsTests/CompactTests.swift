import Archive
import BSON
import Bytes
import TestSupport
import Testing

@testable import Operations

/// What a compaction makes holds the same, needs nothing else, and shares what did not change.
@Suite struct CompactTests {
    @Test(arguments: UInt64(0)..<8)
    func aCompactedStateHoldsTheSame(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let server = try Self.server(&random)
        for _ in 0..<3 {
            for _ in 0..<random.integer(1..<150) { try server.act(&random, ids: 200) }
            try server.snapshot(full: false)
        }
        let there = server.contents
        let source = try #require(server.snapshots.last)
        guard source.layered else { return }
        let report = try #require(try Self.compact(.snapshot(source.id.hex), in: server.repository))
        #expect(report.kind == "synthetic" && report.parent == source.id && report.at == source.at)
        try Self.expect(report.id, in: server.repository, holds: there, "seed \(seed)")
        let again = try Self.compact(.snapshot(report.id.hex), in: server.repository)
        #expect(again == nil)
    }

    /// The budget holds a few dozen operations in one case: the rest is folded in parts.
    @Test(arguments: [1 << 30, 96 << 10])
    func anyTimeIsKept(budget: Int) throws {
        var random = SeededGenerator(seed: 3)
        let server = try Self.server(&random)
        for _ in 0..<400 { try server.act(&random, ids: 200) }
        try server.snapshot(full: false)
        for _ in 0..<900 { try server.act(&random, ids: 300) }
        let (time, there) = (server.now, server.contents)
        for _ in 0..<50 { try server.act(&random, ids: 300) }
        try server.segment()
        let moment = Moment.time(.operation(time), set: nil)
        let report = try #require(try Self.compact(moment, in: server.repository, budget: budget))
        #expect(report.at == time)
        try Self.expect(report.id, in: server.repository, holds: there, "budget \(budget)")
        let snapshot = try server.repository.snapshot(report.id)
        #expect(snapshot.term == server.snapshots.last?.term)
    }

    /// One changed document costs the chunks around it, not the collection.
    @Test func untouchedChunksAreShared() throws {
        var random = SeededGenerator(seed: 1)
        let server = try Self.server(&random)
        for id in 1_000..<3_000 { server.insert(id, into: "first") }
        try server.snapshot(full: true)
        server.insert(9_999, into: "first")
        try server.snapshot(full: false)
        let source = try #require(server.snapshots.last)
        let report = try #require(try Self.compact(.snapshot(source.id.hex), in: server.repository))
        let before = try Self.chunks(of: source.id, in: server.repository)
        let after = try Self.chunks(of: report.id, in: server.repository)
        #expect(before.count > 10)
        #expect(after.subtracting(before).count <= 2, "\(after.subtracting(before).count) of \(after.count)")
    }

    @Test func theRepositoryIsSoundAfterwards() throws {
        var random = SeededGenerator(seed: 2)
        let server = try Self.server(&random)
        for _ in 0..<200 { try server.act(&random, ids: 200) }
        try server.snapshot(full: false)
        _ = try Self.compact(.snapshot("latest"), in: server.repository)
        let report = try Check.run(server.repository, options: CheckOptions(data: .all, workers: 2))
        #expect(report.isSound)
    }

    private static func server(_ random: inout SeededGenerator) throws -> PaperServer {
        let server = try PaperServer()
        server.create("first")
        server.create("log", isCapped: true)
        for id in 0..<200 { server.insert(id, into: "first") }
        try server.snapshot(full: true)
        return server
    }

    private static func compact(
        _ moment: Moment, in repository: Repository, budget: Int = ArchivedState.foldBudget
    ) throws -> BackupReport? {
        let access = RepositoryAccess(location: .directory(""), key: .keyFile(.random(32)))
        var job = Compact(
            options: Compact.Options(repository: access, moment: moment), progress: JobProgress(),
            cancellation: Cancellation())
        job.foldBudget = budget
        return try job.run(in: repository)
    }

    private static func expect(
        _ id: RandomID, in repository: Repository, holds contents: PaperServer.Contents, _ comment: String
    ) throws {
        let snapshot = try repository.snapshot(id)
        #expect(!snapshot.layered && snapshot.kind == .synthetic)
        let state = try ArchivedState(
            SnapshotReader(repository: repository, chunks: try repository.loadIndex(), snapshot: snapshot))
        #expect(!state.collections.contains { !$0.isPlain })
        try ArchivedStateTests.expect(state, holds: contents, comment)
    }

    private static func chunks(of id: RandomID, in repository: Repository) throws -> Set<ChunkID> {
        let reader = SnapshotReader(
            repository: repository, chunks: try repository.loadIndex(), snapshot: try repository.snapshot(id))
        var chunks: Set<ChunkID> = []
        try reader.forEachEntry { entry in
            var leaves = reader.leaves(of: entry)
            while let leaf = try leaves.next() { chunks.insert(leaf.chunk) }
        }
        return chunks
    }
}
