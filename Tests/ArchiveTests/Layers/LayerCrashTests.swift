import Archive
import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

/// Stops an incremental at every change that it makes to the disk, as a process that dies and as a power cut: what is
/// listed is whole, and the next one goes on. format-spec.md §11 [W-3] [W-8].
@Suite struct LayerCrashTests {
    private static let options = WriterOptions(workers: 1, level: 1, streams: 3, packTarget: 1 << 16, packsPerIndex: 2)
    private static let change = RunChange(
        puts: Dictionary(uniqueKeysWithValues: (50..<90).map { ($0, 1) }), removals: Array(0..<20))

    private static func open(_ files: any FileSystem) throws -> Repository {
        try Repository.open(store: LocalStore(files: files, location: "simulated disk"), key: Engine.key)
    }

    private struct Start {
        let disk = SimulatedDisk()
        let base: LayeredCollection
        let full: Snapshot

        init() throws {
            let repository = try Engine.makeRepository(LocalStore(files: disk, location: "simulated disk"))
            let writer = ArchiveWriter(
                repository: repository, index: try .load(repository), options: LayerCrashTests.options)
            base = try LayeredCollection.write("a.a", base: 120, [], with: writer)
            full = try Layers.commit([base], with: writer, kind: .full, at: 1_000)
        }
    }

    /// As an incremental does it: segments, each committed, then the run and the snapshot.
    private static func work(on files: any FileSystem, _ base: LayeredCollection) throws -> Snapshot {
        let repository = try open(files)
        let lease = try Lease.acquire(.writer, in: repository, note: "backup", renewing: false)
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: options)
        for from in [UInt32(1_000), 1_150] {
            let segment = try SegmentSample.segment(from: from, to: from + 150, prelude: [from - 1], with: writer)
            try writer.flush()
            try repository.writeSegment(segment)
        }
        let snapshot = try Layers.commit([try base.changed(change, with: writer)], with: writer, at: 1_300)
        lease.release()
        return snapshot
    }

    @Test func anIncrementalThatStopsAtAnyChangeLosesNothing() throws {
        let start = try Start()
        var change = 1
        while true {
            let disk = start.disk.afterPowerCut(.losingAll)
            let files = FaultyFileSystem(disk, stoppingAt: change)
            let committed = try? Self.work(on: files, start.base)
            for cut in [.losingNothing, .losingAll, .random(seed: UInt64(change))] as [SimulatedDisk.PowerCut] {
                do {
                    try verify(disk.afterPowerCut(cut), start, committed, "change \(change), \(cut)")
                } catch {
                    Issue.record(error, "change \(change), \(cut)")
                }
            }
            if !files.isStopped { break }
            change += 1
        }
        // Packs and index objects of two segments and a run, the objects themselves, lease.
        #expect(change > 40)
    }

    private func verify(_ disk: SimulatedDisk, _ start: Start, _ committed: Snapshot?, _ place: Comment) throws {
        let repository = try Self.open(disk)
        let snapshots = try repository.snapshots()
        #expect(snapshots.first == start.full && snapshots.count <= 2, place)
        if let committed { #expect(snapshots.last == committed, place) }
        let segments = try repository.segments()
        #expect(snapshots.count == 1 || segments.count == 2, "\(place): segments come before their snapshot")
        try expectContents(repository, start, place)
        let report = try Check.run(repository, options: CheckOptions(data: .all, workers: 1))
        #expect(report.isSound && report.unknownObjects.isEmpty, "\(place): \(report)")
        #expect(report.soundSegments == segments.map(\.id).sorted(), place)

        // The lease that was left bars no writer.
        _ = try Self.work(on: disk, start.base)
        let reopened = try Self.open(disk.afterPowerCut(.losingAll))
        try expectContents(reopened, start, place)
        #expect(try reopened.segments().count == segments.count + 2, place)
        let after = try Check.run(reopened, options: CheckOptions(workers: 1))
        #expect(after.isSound && after.unindexed.isEmpty, "\(place): \(after)")
    }

    private func expectContents(_ repository: Repository, _ start: Start, _ place: Comment) throws {
        for snapshot in try repository.snapshots() {
            var expected = start.base.expected
            if snapshot.kind == .incremental {
                for number in Self.change.removals { expected[number] = nil }
                for (number, version) in Self.change.puts { expected[number] = version }
            }
            #expect(try Layers.contents(snapshot, of: repository) == ["a.a": expected], place)
        }
        for segment in try repository.segments() {
            let contents = try SegmentSample.contents(segment, of: repository)
            let times = segment.from.timestamp.t...segment.to.timestamp.t
            #expect(contents.entries == times.map { SegmentSample.entry($0) }, place)
            #expect(contents.prelude == [SegmentSample.entry(segment.from.timestamp.t - 1)], place)
        }
    }
}
