import Archive
import BSON
import Bytes
import ObjectStore
import Synchronization
import Testing

@Suite struct WriterTests {
    @Test func whatGoesInComesOut() throws {
        let repository = try Engine.makeRepository()
        let snapshot = try Engine.backUp(Engine.sample, to: repository)
        let reopened = try Repository.open(store: repository.store, key: Engine.key)
        let read = try reopened.snapshot(snapshot.id)
        #expect(read == snapshot)
        #expect(try Engine.contents(read, of: reopened) == Engine.expected(Engine.sample))
        #expect(snapshot.totals.documents == 353)
        #expect(snapshot.totals.addedBytes > 0)
    }

    @Test func theSecondBackupStoresNothingNew() throws {
        let repository = try Engine.makeRepository()
        try Engine.backUp(Engine.sample, to: repository)
        let packs = try repository.list(.chunk)
        let indexes = try repository.list(.index)
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: Engine.options)
        let second = try Engine.backUp(Engine.sample, with: writer, at: 2)
        #expect(try repository.list(.chunk) == packs)
        #expect(try repository.list(.index) == indexes)
        #expect(second.totals.addedBytes == 0)
        #expect(writer.progress.newChunks == 0 && writer.progress.chunks > 10)
        #expect(writer.progress.stages.compress == 0, "a known chunk must not be compressed")
        #expect(try Engine.contents(second, of: repository) == Engine.expected(Engine.sample))
    }

    @Test func identicalChunksOfSeveralStreamsAreStoredOnce() throws {
        let repository = try Engine.makeRepository()
        let same = Engine.documents(0..<300)
        let data: SampleData = ["a.a": [same, same], "b.b": [same]]
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: Engine.options)
        let snapshot = try Engine.backUp(data, with: writer)
        #expect(writer.progress.newChunks * 3 == writer.progress.chunks)
        #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(data))
    }

    @Test func manyTinyCollectionsShareFewPacks() throws {
        let repository = try Engine.makeRepository()
        var data: SampleData = [:]
        for number in 0..<1_000 { data["many.c\(number)"] = [[Engine.document(number, size: 20)]] }
        let options = WriterOptions(workers: 2, streams: 1)
        let snapshot = try Engine.backUp(data, to: repository, options: options)
        // One of documents a worker, one of metadata.
        #expect(try repository.list(.chunk).count <= 3)
        #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(data))
    }

    @Test func documentsWithoutIdentityAndOfTheLargestSizePass() throws {
        let repository = try Engine.makeRepository()
        let large: BSONDocument = ["_id": .int32(1), "x": .binary(subtype: 0, SecureRandom.bytes((16 << 20) - 64))]
        let bare: [BSONDocument] = (0..<500).map { ["value": .int32(Int32($0))] }
        let data: SampleData = ["a.large": [[large, large]], "a.bare": [bare]]
        let snapshot = try Engine.backUp(data, to: repository)
        #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(data))
    }

    @Test func leavesNameTheirFirstAndLastDocument() throws {
        let repository = try Engine.makeRepository()
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: Engine.options)
        let documents = Engine.documents(0..<1_000)
        let stored = try Engine.feed(documents, to: writer.makeStream())
        writer.abort()
        var at = 0
        for leaf in stored.leaves {
            #expect(try leaf.firstID == Engine.identity(documents[at]))
            at += leaf.documents
            #expect(try leaf.lastID == Engine.identity(documents[at - 1]))
        }
        #expect(at == 1_000 && stored.documents == 1_000 && stored.leaves.count > 4)
    }

    /// However they are handed over; among them are some that fill a chunk alone, and some without `_id`.
    @Test(arguments: [1, 7, 400]) func documentsTakenTogetherMakeTheSameLeaves(together: Int) throws {
        let repository = try Engine.makeRepository()
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: Engine.options)
        let documents = (0..<400).map { number in
            number % 50 == 49
                ? Engine.document(number, size: 9_000 + 100 * number)
                : number % 10 == 3 ? ["value": .int32(Int32(number))] : Engine.document(number)
        }
        let single = try Engine.feed(documents, to: writer.makeStream())
        let stream = writer.makeStream()
        for start in stride(from: 0, to: documents.count, by: together) {
            let bytes = documents[start..<min(documents.count, start + together)].flatMap(\.bytes)
            try stream.append(contentsOf: bytes.rawSpan)
        }
        try stream.finish()
        let stored = try stream.wait()
        writer.abort()
        #expect(stored.leaves == single.leaves && stored.documents == 400 && stored.rawBytes == single.rawBytes)
        #expect(stored.leaves.count > 20)
    }

    @Test func anInterruptedBackupIsGoneOnWith() throws {
        let repository = try Engine.makeRepository()
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: Engine.options)
        let documents: [BSONDocument] = (0..<2_000).map {
            ["_id": .int32(Int32($0)), "x": .binary(subtype: 0, SecureRandom.bytes(300))]
        }
        _ = try Engine.feed(documents, to: writer.makeStream())
        // As many packs as were full are in the store, named by an index object or not.
        try writer.drain()
        let chunks = writer.progress.chunks
        writer.abort()
        #expect(throws: CairnError.self) { try writer.flush() }
        #expect(try repository.snapshotIDs().isEmpty)

        let index = try WriterIndex.load(repository)
        let again = ArchiveWriter(repository: repository, index: index, options: Engine.options)
        let snapshot = try Engine.backUp(["a.a": [documents]], with: again)
        #expect(again.progress.chunks == chunks)
        #expect(again.progress.newChunks < chunks)
        #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(["a.a": [documents]]))
    }

    @Test func aCheckpointIsReusedWhole() throws {
        let repository = try Engine.makeRepository()
        let documents = Engine.documents(0..<500)
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: Engine.options)
        _ = try Engine.feed(documents, to: writer.makeStream())
        try writer.flush()
        writer.abort()
        let again = ArchiveWriter(repository: repository, index: try .load(repository), options: Engine.options)
        _ = try Engine.feed(documents, to: again.makeStream())
        again.abort()
        #expect(again.progress.newChunks == 0)
    }

    @Test func missingPacksAreStoredAnew() throws {
        let repository = try Engine.makeRepository()
        let first = try Engine.backUp(Engine.sample, to: repository)
        for id in try repository.list(.chunk) { try repository.store.delete(Names.pack(id)) }
        let index = try WriterIndex.load(repository)
        #expect(!index.missing.isEmpty && index.chunks.count == 0)
        let writer = ArchiveWriter(repository: repository, index: index, options: Engine.options)
        _ = try Engine.backUp(Engine.sample, with: writer)
        #expect(writer.progress.newChunks > 0)
        // The old index objects still name the lost packs; the chunks are in new ones.
        #expect(first.totals.documents == 353)
    }

    /// The store fails from the n-th put on, for every n until the backup passes.
    @Test func theFirstErrorStopsEveryStage() throws {
        for failing in 0..<40 {
            let store = FailingStore(failingPut: failing)
            let repository = try Engine.makeRepository(store)
            store.arm()
            do {
                let snapshot = try Engine.backUp(Engine.sample, to: repository)
                #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(Engine.sample))
                #expect(failing > 3)
                return
            } catch let error as CairnError {
                #expect(error.code == .noSpace)
            }
            #expect(try repository.snapshotIDs().isEmpty)
            store.disarm()
            let snapshot = try Engine.backUp(Engine.sample, to: repository)
            #expect(try Engine.contents(snapshot, of: repository) == Engine.expected(Engine.sample))
        }
        Issue.record("the backup never passed")
    }

    @Test func aFailedWriterRefusesEverything() throws {
        let store = FailingStore(failingPut: 0)
        let repository = try Engine.makeRepository(store)
        store.arm()
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: Engine.options)
        let stream = writer.makeStream()
        #expect(throws: CairnError.self) {
            for id in 0... {
                let bytes = Engine.document(id).bytes
                try stream.append(document: bytes.rawSpan, identity: bytes.rawSpan)
            }
        }
        let isFirst = { (error: any Error) in (error as? CairnError)?.code == .noSpace }
        #expect(throws: CairnError.self) { try writer.store(documents: [[:]], type: .leafList) }
        #expect { try writer.drain() } throws: { isFirst($0) }
        #expect { try writer.flush() } throws: { isFirst($0) }
    }

    @Test func abortWakesAReaderThatWaits() throws {
        let repository = try Engine.makeRepository()
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: Engine.options)
        let started = BoundedQueue<Bool>(capacity: 1)
        let outcome = BoundedQueue<CairnError?>(capacity: 1)
        let reader = OwnedThread(name: "reader") {
            let stream = writer.makeStream()
            do {
                for id in 0... {
                    let bytes = Engine.document(id).bytes
                    try stream.append(document: bytes.rawSpan, identity: bytes.rawSpan)
                    if id == 100 { try started.push(true) }
                }
            } catch { try? outcome.push(error as? CairnError) }
        }
        _ = try started.pop()
        writer.abort(CairnError(.interrupted, "SIGINT"))
        reader.join()
        #expect(try outcome.pop()??.code == .interrupted)
    }

    @Test func documentsComeInOrderFromThePrefetcher() throws {
        let repository = try Engine.makeRepository()
        let data: SampleData = ["a.a": [Engine.documents(0..<1_500)]]
        let snapshot = try Engine.backUp(data, to: repository)
        let index = try repository.loadIndex()
        let reader = SnapshotReader(repository: repository, chunks: index, snapshot: snapshot)
        let prefetcher = ChunkPrefetcher(repository: repository, chunks: index, threads: 3, window: 5)
        for _ in 0..<2 {
            var documents: [BSONDocument] = []
            try reader.forEachEntry { entry in
                var leaves = reader.leaves(of: entry)
                try prefetcher.read({ try leaves.next() }) { leaf, bytes in
                    try DocumentBatch.forEachDocument(inChunk: bytes) {
                        documents.append(try BSONDocument(copying: $0))
                    }
                }
            }
            #expect(documents == data["a.a"]![0])
        }
        #expect(throws: CairnError.self) {
            try reader.forEachEntry { entry in
                var leaves = reader.leaves(of: entry)
                try prefetcher.read({ try leaves.next() }) { _, _ in throw CairnError(.cancelled, "enough") }
            }
        }
    }
}

/// A memory store whose puts fail for want of space, from a given one on, once it is armed.
final class FailingStore: ObjectStore {
    private let inner = MemoryStore()
    private let failingPut: Int
    private let state = Mutex((armed: false, puts: 0))

    init(failingPut: Int) { self.failingPut = failingPut }

    var location: String { "failing memory" }
    func arm() { state.withLock { $0 = (true, 0) } }
    func disarm() { state.withLock { $0.armed = false } }

    func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        let fails = state.withLock { state in
            guard state.armed else { return false }
            state.puts += 1
            return state.puts > failingPut
        }
        if fails { throw CairnError(.noSpace, "the disk is full", object: name.path) }
        try inner.put(name, bytes, mode: mode)
    }
    func get(_ name: ObjectName, into buffer: Buffer) throws { try inner.get(name, into: buffer) }
    func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try inner.get(name, range: range, into: buffer)
    }
    func stat(_ name: ObjectName) throws -> ObjectInfo? { try inner.stat(name) }
    func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws { try inner.list(prefix: prefix, body) }
    func delete(_ name: ObjectName) throws { try inner.delete(name) }
    func settle(_ names: [ObjectName]) throws { try inner.settle(names) }
}
