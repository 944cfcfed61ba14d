import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// format-spec.md §9.7 [S-1] [S-2] [S-4] [S-5] [S-6] [W-8].
@Suite struct SegmentTests {
    private static let all = CheckOptions(data: .all, workers: 1)

    @Test func entriesComeBackInOrder() throws {
        let repository = try Engine.makeRepository()
        let segment = try SegmentSample.write(from: 1_000, to: 1_400, prelude: [990, 995], to: repository)
        #expect(segment.entries == 401 && segment.chunks.count > 3)
        #expect(try repository.segment(segment.id) == segment)
        let contents = try SegmentSample.contents(segment, of: repository)
        #expect(contents.prelude == [SegmentSample.entry(990), SegmentSample.entry(995)])
        #expect(contents.entries == (1_000...1_400).map { SegmentSample.entry($0) })
        var later: [Timestamp] = []
        let reader = SegmentReader(
            repository: repository, chunks: try repository.loadIndex(), segment: segment)
        try reader.forEachEntry(after: Timestamp(t: 1_390, i: 1)) { later.append($1) }
        #expect(later.map(\.t) == Array(1_391...1_400))
        let report = try Check.run(repository, options: Self.all)
        #expect(report.isSound && report.leftovers.isEmpty && report.soundSegments == [segment.id])
    }

    /// A follower and an incremental at once.
    @Test func overlappingSegmentsShareChunks() throws {
        let repository = try Engine.makeRepository()
        let first = try SegmentSample.write(from: 1_000, to: 2_000, to: repository)
        let second = try SegmentSample.write(from: 1_300, to: 2_300, to: repository)
        let shared = Set(first.chunks).intersection(second.chunks)
        #expect(shared.count > first.chunks.count / 2)
        #expect(try repository.segments().map(\.id) == [first.id, second.id])
    }

    @Test func gapsAndQuietStretchesAreSegments() throws {
        let repository = try Engine.makeRepository()
        let time = { (second: UInt32, term: Int64) in OpTime(timestamp: Timestamp(t: second, i: 1), term: term) }
        func empty(_ from: OpTime, _ to: OpTime, gap: String?) -> Segment {
            Segment(
                id: .random(), set: "rs0", host: "h:1", from: from, to: to, created: 1, firstWall: nil, lastWall: nil,
                entries: 0, rawBytes: 0, addedBytes: 0, chunks: [], gap: gap)
        }
        // Behind a gap may be another history.
        let gap = empty(time(5, 9), time(8, 1), gap: "the oplog did not reach back")
        let quiet = empty(time(8, 1), time(9, 1), gap: nil)
        for segment in [quiet, gap] { try repository.writeSegment(segment) }
        #expect(try repository.segments() == [gap, quiet])
        #expect(try Check.run(repository, options: Self.all).soundSegments.count == 2)
    }

    @Test func theOplogDoesNotGoBack() throws {
        let repository = try Engine.makeRepository()
        let writer = ArchiveWriter(
            repository: repository, index: try .load(repository), options: Engine.options)
        expectError(.corrupt) { _ = try SegmentSample.chunks([3, 4, 4], with: writer) }
        expectError(.corrupt) { _ = try SegmentSample.chunks([3, 2], with: writer) }
    }

    @Test func segmentsThatContradictThemselvesAreRejected() throws {
        let repository = try Engine.makeRepository()
        let whole = try SegmentSample.write(from: 100, to: 300, prelude: [90], to: repository)
        let changes: [(inout Segment) -> Void] = [
            { $0.to.timestamp.t = 99 }, { $0.to.timestamp.t = 299 }, { $0.from.timestamp.t = 101 },
            { $0.to.term = 0 }, { $0.gap = "lost" }, { $0.entries += 1 }, { $0.rawBytes -= 1 },
            { $0.chunks.swapAt(0, 1) }, { $0.chunks[1].first = $0.chunks[0].last }, { $0.chunks[0].entries = 0 },
            { $0.prelude[0].last.t = 100 }, { $0.chunks[0].last.t = 1 },
        ]
        for (number, change) in changes.enumerated() {
            var segment = whole
            change(&segment)
            #expect(throws: CairnError.self, "change \(number)") { try Segment(id: segment.id, segment.encode()) }
        }
        // What only the chunks themselves tell.
        let chunkChanges: [(inout Segment) -> Void] = [
            { $0.chunks[0].last.t -= 1 },
            {
                $0.chunks[1].first.t -= 1; $0.chunks[0].last.t -= 1
            },
            { $0.chunks[0].chunk = $0.chunks[1].chunk }, { $0.prelude[0].first.t -= 1 },
            {
                $0.chunks[0].entries -= 1
                $0.chunks[1].entries += 1
            },
        ]
        let index = try repository.loadIndex()
        for (number, change) in chunkChanges.enumerated() {
            var segment = whole
            change(&segment)
            let reader = SegmentReader(repository: repository, chunks: index, segment: segment)
            expectError(.corrupt) {
                try reader.forEachEntry(prelude: { _ in }, entry: { _, _ in })
            }
            let copy = try Engine.copy(repository)
            segment.id = .random()
            try copy.writeSegment(segment)
            try copy.store.delete(Names.object(.segment, whole.id))
            let report = try Check.run(copy, options: Self.all)
            #expect(report.incompleteSegments == [segment.id], "change \(number)")
        }
    }

    /// Damage costs the stretch that it hit, and the report says which.
    @Test func damageIsToldAsAStretchOfTime() throws {
        let repository = try Engine.makeRepository()
        let tampering = Tampering(store: repository.store)
        let snapshot = try Engine.backUp(Engine.sample, to: repository)
        let packs = Set(try tampering.names("packs/"))
        let segment = try SegmentSample.write(
            from: 100, to: 500, prelude: [90], to: repository, options: WriterOptions(workers: 1, streams: 2))
        let victim = segment.chunks[1]
        let location = try #require(try repository.loadIndex().lookup(victim.chunk))
        let name = Names.pack(location.pack.id)
        #expect(!packs.contains(name), "chunks of the oplog are in packs of their own writer")
        var bytes = try tampering.bytes(name)
        bytes[location.offset + 3] ^= 1
        try tampering.with(name, bytes) {
            let report = try Check.run(repository, options: Self.all)
            #expect(report.damage.count == 1 && report.damage[0].object == name.path)
            #expect(
                report.damage[0].affected
                    == [Affected(segment: segment.id, entries: victim.entries, times: victim.first...victim.last)])
            #expect(report.incompleteSegments == [segment.id] && report.soundSnapshots == [snapshot.id])
        }
        try tampering.with(name, nil) {
            let report = try Check.run(repository, options: CheckOptions(workers: 1))
            #expect(report.damage.count == 1 && report.incompleteSegments == [segment.id])
            // All chunks, and the prelude as the whole segment.
            #expect(report.damage[0].affected.count == segment.chunks.count + 1)
        }
        let object = Names.object(.segment, segment.id)
        let stored = try tampering.bytes(object)
        try tampering.with(object, Array(stored.dropLast())) {
            let report = try Check.run(repository, options: CheckOptions(workers: 1))
            #expect(report.damage.first?.affected == [Affected(segment: segment.id, entries: nil, times: nil)])
            var damaged: [RandomID] = []
            #expect(try repository.segments { id, _ in damaged.append(id) } == [])
            #expect(damaged == [segment.id])
            let repair = try Repair.run(repository, options: CheckOptions(workers: 1))
            #expect(repair.removed == [object] && repair.after.isSound)
            try repository.store.put(object, stored.rawSpan, mode: .ifAbsent)
        }
        #expect(try Check.run(repository, options: Self.all).soundSegments == [segment.id])
    }

    @Test func damageOfARunIsToldLikeThatOfALeaf() throws {
        let repository = try Engine.makeRepository()
        let tampering = Tampering(store: repository.store)
        let writer = ArchiveWriter(
            repository: repository, index: try .load(repository), options: Engine.options)
        let change = RunChange(
            puts: Dictionary(uniqueKeysWithValues: (0..<300).map { ($0, 1) }), removals: Array(300..<600))
        let collection = try LayeredCollection.write("a.a", base: 700, [change], with: writer)
        let snapshot = try Layers.commit([collection], with: writer)
        let index = try repository.loadIndex()
        let run = collection.entry.runs[0]
        var leaves = LeafCursor(
            run: run, owner: "", object: "", reader: ChunkReader(repository: repository, chunks: index))
        let leaf = try #require(try leaves.next())
        let removal = try #require(run.removals.first)
        let expected = [
            leaf.chunk: Affected(leaf, snapshot: snapshot.id, namespace: "a.a"),
            removal: Affected(snapshot: snapshot.id, namespace: "a.a", documents: nil),
        ]
        for (chunk, affected) in expected {
            let location = try #require(index.lookup(chunk))
            let name = Names.pack(location.pack.id)
            var bytes = try tampering.bytes(name)
            bytes[location.offset + 3] ^= 1
            try tampering.with(name, bytes) {
                let report = try Check.run(repository, options: Self.all)
                #expect(report.damage.count == 1 && report.damage[0].affected.contains(affected))
                #expect(report.incompleteSnapshots == [snapshot.id])
            }
        }
        #expect(try Check.run(repository, options: Self.all).isSound)
    }

    /// Newer objects are not damaged, only not readable: a repair leaves them where they are. [V-3]
    @Test func repairLeavesNewerObjectsAlone() throws {
        let repository = try Engine.makeRepository()
        try SegmentSample.write(from: 1, to: 3, to: repository)
        let newer = RandomID.random()
        try repository.writeSealed(["version": .int32(99)], kind: .segment, id: newer)
        try repository.writeSealed(["version": .int32(99)], kind: .snapshot, id: newer)
        let report = try Repair.run(repository, options: CheckOptions(workers: 1))
        #expect(report.removed.isEmpty && report.after.incompleteSegments == [newer])
        #expect(report.after.incompleteSnapshots == [newer])
    }
}
