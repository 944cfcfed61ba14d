import Archive
import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Operations

/// Snapshots proved by the oplog, and snapshots that it disproves. No server is needed.
@Suite struct CheckReplayTests {
    private struct World {
        let folder: TemporaryDirectory
        let access: RepositoryAccess
        let server: PaperServer

        init() throws {
            folder = try TemporaryDirectory("cairn-replay")
            let path = folder.appending("repository")
            access = RepositoryAccess(location: .directory(path), key: .keyFile(.random(32)))
            server = try PaperServer(LocalStore.create(path: path), key: access.key)
            server.create("first")
            for id in 0..<200 { server.insert(id, into: "first") }
            try server.snapshot(full: true)
        }
    }

    @Test(arguments: 0..<3)
    func whatFollowsFromTheOplogIsSound(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let world = try World()
        for round in 0..<4 {
            for _ in 0..<80 { try world.server.act(&random, ids: 250) }
            try world.server.snapshot(full: round == 2)
        }
        try world.server.segment(from: world.server.snapshots[0].at)
        let report = try CheckReplay(access: world.access).run()
        let ids = world.server.snapshots.map(\.id)
        #expect(report.isSound)
        #expect(report.pairs.map(\.to) == ids.dropFirst() + [ids[4]])
        #expect(report.pairs.map(\.from) == ids.dropLast() + [ids[0]])
        #expect(report.pairs.last?.documents == world.server.contents.values.reduce(0) { $0 + $1.documents.count })
        let every = try CheckReplay(access: world.access, pairs: .every).run()
        #expect(every.isSound)
        #expect(every.pairs.map(\.to) == (1..<5).flatMap { Array(repeating: ids[$0], count: $0) })
        #expect(every.pairs.map(\.from) == (1..<5).flatMap { Array(ids[..<$0]) })
        #expect(every.documentsRead > report.documentsRead)
    }

    /// Of two snapshots of one time, such as compaction leaves, neither escapes.
    @Test(arguments: [false, true])
    func snapshotsOfOneTimeAreProvedBoth(isFirstForged: Bool) throws {
        let world = try World()
        let server = world.server
        let good = server.contents[PaperServer.namespace("first")]?.documents ?? []
        try server.update(5, version: 1, in: "first")
        let (update, forged) = (
            server.contents[PaperServer.namespace("first")]?.documents ?? [], PaperServer.document(7, 9)
        )
        #expect(good != update)
        for isForged in [isFirstForged, !isFirstForged] {
            server.forge("first") { $0 = update }
            if isForged { server.forge("first") { $0[7] = forged } }
            try server.snapshot(full: true)
        }
        server.forge("first") { $0 = update }
        try server.update(6, version: 1, in: "first")
        try server.snapshot(full: true)
        try server.segment(from: server.snapshots[0].at)
        let ids = server.snapshots.map(\.id)
        let wrong = ids[isFirstForged ? 1 : 2]
        let report = try CheckReplay(access: world.access, pairs: .every).run()
        #expect(report.pairs.count == 6)
        for pair in report.pairs {
            #expect(pair.differences.isEmpty == (pair.from != wrong && pair.to != wrong), "\(pair)")
        }
        #expect(try !CheckReplay(access: world.access).run().isSound)
    }

    /// No snapshot holds what `$out` was filling at its time: that is no damage, and nothing is proved.
    @Test func whatNoSnapshotHoldsCannotBeCompared() throws {
        let world = try World()
        let server = world.server
        server.create("tmp.agg_out.1")
        server.insert(1, into: "tmp.agg_out.1")
        server.forget("tmp.agg_out.1")
        try server.snapshot(full: true)
        server.recall("tmp.agg_out.1")
        server.rename("tmp.agg_out.1", to: "out")
        try server.snapshot(full: true)
        try server.segment(from: server.snapshots[1].at)
        let report = try CheckReplay(access: world.access).run()
        #expect(report.isSound && !report.isComplete && report.pairs.count == 1)
        #expect(report.pairs.first?.unproved?.contains("paper.out") == true, "\(report.pairs)")
    }

    /// A snapshot that segments do not lead to begins a stretch of its own.
    @Test func nothingIsComparedAcrossAGap() throws {
        let world = try World()
        let server = world.server
        for version in 1..<4 {
            try server.update(5, version: version, in: "first")
            try server.snapshot()
        }
        try server.segment(from: server.snapshots[0].at)
        try server.update(5, version: 4, in: "first")
        server.forge("first") { $0.removeLast() }
        for version in 5..<8 {
            try server.update(5, version: version, in: "first")
            try server.snapshot(full: version == 5)
        }
        try server.segment(from: server.snapshots[4].at)
        let ids = server.snapshots.map(\.id)
        let report = try CheckReplay(access: world.access).run()
        #expect(report.isSound, "\(report.pairs)")
        #expect(report.pairs.map(\.from) == [0, 1, 2, 0, 4, 5, 4].map { ids[$0] })
        #expect(report.pairs.map(\.to) == [1, 2, 3, 3, 5, 6, 6].map { ids[$0] })
    }

    /// The documents are as they should be; what the snapshot says of their number is not.
    @Test func aCountThatIsWrongIsADifference() throws {
        let world = try World()
        let server = world.server
        try server.update(5, version: 1, in: "first")
        server.miscount = 1
        try server.snapshot()
        try server.segment(from: server.snapshots[0].at)
        let report = try CheckReplay(access: world.access).run()
        let differences = report.pairs.flatMap(\.differences)
        let count = try #require(server.contents[PaperServer.namespace("first")]).documents.count
        #expect(differences.map(\.what) == ["its catalogue counts \(count + 1) documents, it holds \(count)"])
    }

    @Test func whatDoesNotFollowIsNamed() throws {
        let world = try World()
        let server = world.server
        server.create("second")
        try server.update(5, version: 1, in: "first")
        // The scan missed an update, saw a document that never was, and lost one.
        server.forge("first") { documents in
            documents[7] = PaperServer.document(7, 9)
            documents.append(PaperServer.document(900, 0))
            documents.remove(at: 20)
        }
        try server.snapshot(full: true)
        try server.segment(from: server.snapshots[0].at)
        let report = try CheckReplay(access: world.access).run()
        let pair = try #require(report.pairs.first)
        #expect(!report.isSound && report.pairs.count == 1)
        #expect(pair.differences.map(\.namespace) == [PaperServer.namespace("first")])
        let difference = try #require(pair.differences.first)
        #expect(difference.what == "documents differ: 1 only in the snapshot, 1 only by replaying, 1 unlike")
        let found = difference.documents.map { "\($0.change) \($0.identity)" }
        let expected = try [(Diff.Change.added, 900), (.removed, 20), (.changed, 7)].map { change, id in
            let bytes = PaperServer.document(id, 0).bytes
            return "\(change) \([UInt8](try DocumentIdentity.idBytes(of: bytes.rawSpan)))"
        }
        #expect(Set(found) == Set(expected))
    }

    @Test func aHistoryThatCannotBeAppliedIsADifference() throws {
        let world = try World()
        let server = world.server
        // The base does not hold what is updated.
        server.insert(999, into: "first")
        server.forge("first") { $0.remove(at: 30) }
        try server.snapshot(full: true)
        server.forge("first") { $0.insert(PaperServer.document(30, 0), at: 30) }
        try server.update(30, version: 1, in: "first")
        try server.snapshot(full: true)
        try server.segment(from: server.snapshots[0].at)
        let report = try CheckReplay(access: world.access).run()
        #expect(report.pairs.count == 3)
        #expect(report.pairs[1].differences.count == 1)
        #expect(report.pairs[1].differences.first?.what.contains("_id 30") == true)
    }
}
