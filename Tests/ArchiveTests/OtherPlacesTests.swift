import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// Chunks that are in several packs, of which one is gone or damaged. format-spec.md §8 [I-2].
@Suite struct OtherPlacesTests {
    private let store = MemoryStore()
    private let repository: Repository

    init() throws { repository = try Engine.makeRepository(store) }

    private func packs() throws -> [ObjectName: [UInt8]] {
        var names: [ObjectName] = []
        try store.list(prefix: ObjectKind.chunk.folder) { names.append($0.name) }
        return Dictionary(
            uniqueKeysWithValues: try names.map { name in
                let buffer = Buffer(capacity: 0)
                try store.get(name, into: buffer)
                return (name, buffer.array)
            })
    }

    private func replace(_ name: ObjectName, _ bytes: [UInt8]) throws {
        try store.put(name, bytes.rawSpan, mode: .replace)
    }

    /// As two hosts store it that do not know of each other.
    private func backUpTwice() throws -> [Snapshot] {
        let first = try Engine.backUp(Engine.sample, to: repository)
        let saved = try packs()
        for name in saved.keys { try store.delete(name) }
        let second = try Engine.backUp(Engine.sample, to: repository, at: 2)
        for (name, bytes) in saved { try replace(name, bytes) }
        return [first, second]
    }

    private func expectWhole(_ snapshots: [Snapshot], _ comment: Comment) throws {
        for snapshot in snapshots {
            #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(Engine.sample), comment)
        }
    }

    @Test func aPackThatIsGoneCostsNothing() throws {
        let snapshots = try backUpTwice()
        for (name, bytes) in try packs() {
            try store.delete(name)
            try expectWhole(snapshots, "\(name) is gone")
            let report = try Check.run(repository, options: CheckOptions(data: .all, workers: 1))
            #expect(report.isSound && report.incompleteSnapshots.isEmpty, "\(report.damage)")
            #expect(report.missingPacks.map { Names.pack($0) } == [name])
            try replace(name, bytes)
        }
        // The index forgets what it named in vain.
        let victim = try #require(try packs().keys.sorted().first)
        try store.delete(victim)
        let repaired = try Repair.run(repository, options: CheckOptions(workers: 1))
        #expect(repaired.after.isSound && repaired.after.missingPacks.isEmpty)
        try expectWhole(snapshots, "repaired")
    }

    @Test func aDamagedPackIsReadElsewhere() throws {
        let snapshots = try backUpTwice()
        for (name, bytes) in try packs() {
            try replace(name, bytes.map { ~$0 })
            try expectWhole(snapshots, "\(name) is damaged")
            try replace(name, bytes)
        }
    }

    /// What a prune moves while a reader is at work is found by it.
    @Test func aReaderFollowsWhatIsMoved() throws {
        let snapshot = try Engine.backUp(Engine.sample, to: repository)
        let index = try repository.loadIndex()
        let old = try packs().keys
        let rewriter = PackRewriter(repository)
        var chunks: [(ChunkID, ChunkLocation)] = []
        index.forEach { chunks.append(($0, $1)) }
        for (id, location) in chunks { try rewriter.copy(id, at: location, level: nil) }
        try rewriter.finish()
        for name in old { try store.delete(name) }
        let reader = ChunkReader(repository: repository, chunks: index)
        let buffer = Buffer(capacity: 0)
        for (id, location) in chunks { try reader.readVerified(id, type: location.type, into: buffer) }
        try expectWhole([snapshot], "moved")
    }

    /// Nothing needs it: no damage, but not nothing either.
    @Test func aUselessPackThatIsGoneIsNoDamage() throws {
        let kept = try Engine.backUp(Engine.sample, to: repository)
        let before = Set(try packs().keys)
        let forgotten = try Engine.backUp(["a.b": [Engine.documents(9_000..<9_100)]], to: repository, at: 2)
        try store.delete(Names.object(.snapshot, forgotten.id))
        let useless = Set(try packs().keys).subtracting(before)
        for name in useless { try store.delete(name) }
        let report = try Check.run(repository, options: CheckOptions(workers: 1))
        #expect(report.isSound, "\(report.damage)")
        #expect(Set(report.missingPacks.map { Names.pack($0) }) == useless)
        try expectWhole([kept], "kept")
    }

    @Test func aChunkThatIsNowhereElseIsDamage() throws {
        let snapshot = try Engine.backUp(Engine.sample, to: repository)
        let victim = try #require(try packs().keys.sorted().first)
        try store.delete(victim)
        let error = #expect(throws: CairnError.self) { try Engine.contents(snapshot, of: repository) }
        #expect(error?.code == .corrupt)
        let report = try Check.run(repository, options: CheckOptions(workers: 1))
        #expect(!report.isSound && report.missingPacks.isEmpty)
    }
}
