import Archive
import BSON
import Bytes
import Glibc
import ObjectStore
import TestSupport
import Testing

/// Stops a backup at every change that it makes to the disk, as a process that dies and as a power cut, and looks at
/// what is left: format-spec.md §11 [W-1] [W-2] [W-3] [W-7].
@Suite struct CrashTests {
    private static let firstData: SampleData = [
        "shop.orders": [noise(0..<120), noise(120..<150)], "shop.users": [noise(0..<10)], "shop.empty": [],
    ]
    /// Most of the first data, changed in places, and more.
    private static let secondData: SampleData = [
        "shop.orders": [noise(0..<120), noise(120..<300)], "shop.users": [noise(5..<15)],
        "shop.returns": [noise(1000..<1150)],
    ]
    private static let options = WriterOptions(workers: 2, level: 1, streams: 2, packTarget: 1 << 16, packsPerIndex: 2)

    /// Documents that do not compress, the same on every run.
    private static func noise(_ ids: Range<Int>) -> [BSONDocument] {
        ids.map { id in
            var dice = Dice(seed: UInt64(id))
            let filling = (0..<400 + id % 7 * 200).map { _ in UInt8(truncatingIfNeeded: dice.next()) }
            return ["_id": .int32(Int32(id)), "filling": .binary(subtype: 0, filling)]
        }
    }

    private static func open(_ files: any FileSystem) throws -> Repository {
        try Repository.open(store: LocalStore(files: files, location: "simulated disk"), key: Engine.key)
    }

    /// A whole backup as the command does it: lease, data, snapshot, audit record, release.
    private static func work(on files: any FileSystem) throws -> Snapshot {
        let repository = try open(files)
        let lease = try Lease.acquire(.writer, in: repository, note: "backup", renewing: false)
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: options)
        let snapshot = try Engine.backUp(secondData, with: writer, at: 2)
        let details: BSONDocument = ["snapshot": .string(snapshot.id.hex)]
        _ = try repository.appendAudit(operation: "backup", program: "test", details: details)
        lease.release()
        return snapshot
    }

    /// Ids of the chunks of documents that a snapshot refers to.
    private static func documentChunks(_ snapshot: Snapshot, of repository: Repository) throws -> Set<ChunkID> {
        let reader = SnapshotReader(
            repository: repository, chunks: try repository.loadIndex(), snapshot: snapshot)
        var ids: Set<ChunkID> = []
        try reader.forEachEntry { entry in
            var leaves = reader.leaves(of: entry)
            while let leaf = try leaves.next() { ids.insert(leaf.chunk) }
        }
        return ids
    }

    /// A disk with a repository and one snapshot, and what the second backup will store.
    private struct Start {
        let disk: SimulatedDisk
        let first: Snapshot
        let secondChunks: Set<ChunkID>

        init() throws {
            disk = SimulatedDisk()
            first = try Engine.backUp(
                CrashTests.firstData,
                to: Engine.makeRepository(LocalStore(files: disk, location: "simulated disk")), options: options)
            let copy = disk.afterPowerCut(.losingAll)
            let second = try CrashTests.work(on: copy)
            secondChunks = try CrashTests.documentChunks(second, of: CrashTests.open(copy))
        }
    }

    @Test func aBackupThatStopsAtAnyChangeLosesNothing() throws {
        let start = try Start()
        var change = 1
        while true {
            let disk = start.disk.afterPowerCut(.losingAll)
            let files = FaultyFileSystem(disk, stoppingAt: change)
            let committed = try? Self.work(on: files)
            for cut in [.losingNothing, .losingAll, .random(seed: UInt64(change))] as [SimulatedDisk.PowerCut] {
                do {
                    try verify(disk.afterPowerCut(cut), start, committed, "change \(change), \(cut)")
                } catch {
                    Issue.record(error, "change \(change), \(cut)")
                }
            }
            if !files.isStopped {
                #expect(committed != nil)
                break
            }
            change += 1
        }
        // At least eight packs and their indexes, six changes each.
        #expect(change > 60)
    }

    @Test func aBackupWhoseDiskFailsOnceOrFillsUpLosesNothing() throws {
        let start = try Start()
        var change = 1
        while true {
            let disk = start.disk.afterPowerCut(.losingAll)
            let target = change
            // Odd ones fail once, even ones are a disk that is full from there on.
            let files = FaultyFileSystem(disk) { call in
                guard call.operation.isChange, call.operation != .unlink else { return nil }
                if target % 2 == 1 { return call.change == target ? .error(EIO) : nil }
                return call.change >= target && call.operation != .sync ? .error(ENOSPC) : nil
            }
            var committed: Snapshot?
            do {
                committed = try Self.work(on: files)
            } catch let error as CairnError {
                #expect(error.code == (target % 2 == 1 ? .io : .noSpace), "change \(target): \(error)")
            }
            for cut in [.losingNothing, .losingAll] as [SimulatedDisk.PowerCut] {
                do {
                    try verify(disk.afterPowerCut(cut), start, committed, "fault at change \(target), \(cut)")
                } catch {
                    Issue.record(error, "fault at change \(target), \(cut)")
                }
            }
            if files.changes < target { break }
            change += 1
        }
        #expect(change > 60)
    }

    private func verify(
        _ disk: SimulatedDisk, _ start: Start, _ committed: Snapshot?, _ place: Comment
    ) throws {
        let repository = try Self.open(disk)
        let snapshots = try repository.snapshots()
        #expect(snapshots.first == start.first, place)
        #expect(snapshots.count <= 2, place)
        if let committed { #expect(snapshots.last == committed, place) }
        #expect(try Engine.contents(start.first, of: repository) == Engine.expected(Self.firstData), place)
        for snapshot in snapshots.dropFirst() {
            #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(Self.secondData), place)
        }
        #expect(try repository.verifyAudit().problems.isEmpty, place)
        let stored = try check(repository, snapshots, place)

        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: Self.options)
        let again = try Engine.backUp(Self.secondData, with: writer, at: 3)
        #expect(writer.progress.newChunks == start.secondChunks.subtracting(stored).count, place)
        let reopened = try Self.open(disk.afterPowerCut(.losingAll))
        #expect(try Engine.contents(again, of: reopened) == Engine.expected(Self.secondData), place)
        let report = try Check.run(reopened, options: CheckOptions(workers: 1))
        #expect(report.isSound && report.unindexed.isEmpty, "\(place): \(report)")
    }

    /// Every byte is sound, and what no snapshot needs is reported as such. Returns all chunks in packs.
    private func check(
        _ repository: Repository, _ snapshots: [Snapshot], _ place: Comment
    ) throws -> Set<ChunkID> {
        let report = try Check.run(repository, options: CheckOptions(data: .all, workers: 1))
        #expect(report.isSound && report.unknownObjects.isEmpty, "\(place): \(report)")
        #expect(report.soundSnapshots == snapshots.map(\.id).sorted(), place)
        let packs = try repository.list(.chunk)
        let indexed = Set(try repository.loadIndex().packs.map(\.id))
        #expect(indexed.isSubset(of: packs), place)
        #expect(Set(report.unindexed) == Set(packs).subtracting(indexed), place)
        #expect(Set(report.unindexed).isSubset(of: report.leftovers), place)
        var stored: Set<ChunkID> = []
        for pack in packs {
            try repository.readPackDirectory(pack).forEachLocation { id, _ in stored.insert(id) }
        }
        return stored
    }

    @Test func creatingARepositoryMayStopAnywhere() throws {
        var change = 1
        while true {
            let disk = SimulatedDisk()
            let files = FaultyFileSystem(disk, stoppingAt: change)
            let created = try? Engine.makeRepository(LocalStore(files: files, location: "simulated disk"))
            for cut in [.losingNothing, .losingAll, .random(seed: UInt64(change))] as [SimulatedDisk.PowerCut] {
                let left = disk.afterPowerCut(cut)
                let store = LocalStore(files: left, location: "simulated disk")
                if try store.stat(Names.config) == nil {
                    #expect(created == nil, "change \(change), \(cut)")
                    expectError(.noRepository) { _ = try Self.open(left) }
                    _ = try Engine.makeRepository(store)
                }
                let snapshot = try Engine.backUp(Self.firstData, to: Self.open(left), options: Self.options)
                let reopened = try Self.open(left.afterPowerCut(.losingAll))
                #expect(try Engine.contents(snapshot, of: reopened) == Engine.expected(Self.firstData))
            }
            if !files.isStopped { break }
            change += 1
        }
        #expect(change > 10)
    }
}
