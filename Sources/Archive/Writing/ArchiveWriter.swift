public import BSON
public import Bytes
import ObjectStore
import Synchronization

/// Takes documents in and makes a snapshot of them (design §7).
///
///     streams ──chunks──▶ workers ──packs──▶ pack writer ──▶ lanes ──▶ object store
///     (readers' threads)  hash, look up,     index object    put, fsync
///                         compress, verify,  every 64 packs
///                         encrypt
///
/// Every arrow is a bounded queue of buffers from bounded pools: the pools are the memory budget
/// (`WriterOptions.memoryBudget`) and the back-pressure. The first error of any stage stops all of them and is what
/// every later call throws.
///
/// Order on disk: packs, then the index objects that name them, then the snapshot (design §3). A writer that fails,
/// is aborted or dies leaves no snapshot, and packs that the next writer finds and uses.
///
/// Safe to use from several threads; a `ChunkStream` belongs to one.
public final class ArchiveWriter: Sendable {
    /// How it works.
    public let options: WriterOptions
    private let repository: Repository
    private let intake: ChunkIntake
    private let packQueue: BoundedQueue<PackItem>
    private let lane: MetadataLane
    private let statistics: WriterStatistics
    private let chunkerHash: SipHash
    private let threads: Mutex<Threads>
    /// One barrier at a time is in the queue: the workers would wait in two of them for each other.
    private let barrierLock = Mutex(())

    private struct Threads {
        var workers: [OwnedThread] = []
        var packWriter: OwnedThread?
    }

    /// Starts the threads of a writer.
    ///
    /// - Parameter index: what the repository holds, from `WriterIndex.load`. The writer owns it from now on:
    ///   after a failure it
    ///   holds chunks that were never stored, and must not be used again.
    public init(repository: Repository, index: WriterIndex, options: WriterOptions) {
        self.options = options
        self.repository = repository
        let failure = FailureSwitch()
        let statistics = WriterStatistics()
        let intake = ChunkIntake(
            queue: BoundedQueue(capacity: options.workers),
            chunkPool: BufferPool(buffers: options.chunkBuffers, capacity: repository.config.documentChunks.maximum),
            failure: failure)
        let packCapacity = options.packCapacity(repository.config.documentChunks)
        let packQueue = BoundedQueue<PackItem>(capacity: options.packBuffers + Self.metadataPacks + 1)
        let outlet = PackOutlet(
            pool: BufferPool(buffers: options.packBuffers, capacity: packCapacity), queue: packQueue,
            packTarget: options.packTarget, packCapacity: packCapacity)
        // Metadata packs are few and mostly small: their buffers start small and grow.
        let metadataOutlet = PackOutlet(
            pool: BufferPool(buffers: Self.metadataPacks, capacity: 256 << 10), queue: packQueue,
            packTarget: options.packTarget, packCapacity: packCapacity)
        for pool in [intake.chunkPool, outlet.pool, metadataOutlet.pool] { failure.register { pool.fail($0) } }
        failure.register { intake.queue.fail($0) }
        failure.register { packQueue.fail($0) }

        let makeEncoder = { @Sendable (outlet: PackOutlet) in
            ChunkEncoder(
                hasher: ChunkHasher(keys: repository.keys), index: index.chunks,
                builder: repository.makePackBuilder(effort: repository.effort(ofLevel: options.level)),
                compressor: repository.makeChunkCompressor(level: options.level), outlet: outlet,
                statistics: statistics)
        }
        lane = MetadataLane(makeEncoder(metadataOutlet))
        chunkerHash = SipHash(key: repository.keys.chunkerKey)
        self.intake = intake
        self.packQueue = packQueue
        self.statistics = statistics
        let workers = (0..<options.workers).map { number in
            OwnedThread(name: "cairn-worker-\(number)") {
                Self.guarded(by: failure) {
                    try ChunkWorker(intake: intake, encoder: makeEncoder(outlet), statistics: statistics).run()
                }
            }
        }
        let packWriter = OwnedThread(name: "cairn-packs") {
            Self.guarded(by: failure) {
                var stage = PackStage(
                    repository: repository, index: index, queue: packQueue, packsPerIndex: options.packsPerIndex,
                    puts: options.puts, statistics: statistics, failure: failure)
                try stage.run()
            }
        }
        threads = Mutex(Threads(workers: workers, packWriter: packWriter))
    }

    /// A metadata pack under way, and one being written.
    private static let metadataPacks = 2

    /// A writer that is dropped was not committed: it stops as by `abort()`.
    deinit {
        intake.failure.fail(CairnError(.cancelled, "the backup was given up before its snapshot was written"))
        join()
    }

    /// What has been done so far; safe from any thread, at any time.
    public var progress: WriterProgress { statistics.progress }

    /// A stream for the documents of one scan range. At most `options.streams` of them may be under way at once.
    public func makeStream() -> ChunkStream {
        ChunkStream(intake: intake, chunker: Chunker(hash: chunkerHash, sizes: repository.config.documentChunks))
    }

    /// A stream for entries of the oplog; it counts among the `options.streams`.
    public func makeOplogStream() -> OplogStream {
        OplogStream(intake: intake, chunker: Chunker(hash: chunkerHash, sizes: repository.config.documentChunks))
    }

    /// A collector for what changed in one collection. While it has documents it counts among the `options.streams`.
    public func makeRunWriter() -> RunWriter {
        let chunker = Chunker(hash: chunkerHash, sizes: repository.config.documentChunks)
        return RunWriter(
            stream: makeStream(), leaves: makeLeafList(),
            removals: MetadataStream(lane: lane, type: .run, chunker: chunker))
    }

    /// Stores documents of the archive's own as chunks of `type`.
    ///
    /// - Returns: the chunks' ids, in order.
    public func store(documents: [BSONDocument], type: ChunkType) throws -> [ChunkID] {
        try intake.failure.check()
        var stream = makeMetadataStream(type)
        for document in documents { try stream.append(document.bytes.rawSpan) }
        return try stream.finish()
    }

    /// Stores one chunk as it is, on the thread that asks for it.
    func store(chunk: Buffer, type: ChunkType) throws {
        try intake.failure.check()
        _ = try lane.store(chunk, type: type)
    }

    /// A collector for the leaves of one collection.
    public func makeLeafList() -> LeafListWriter { LeafListWriter(stream: makeMetadataStream(.leafList)) }

    private func makeMetadataStream(_ type: ChunkType) -> MetadataStream {
        let chunker = Chunker(hash: chunkerHash, sizes: repository.config.metadataChunks)
        return MetadataStream(lane: lane, type: type, chunker: chunker)
    }

    /// Waits until all chunks of finished streams have gone through the workers.
    ///
    /// - Throws: the writer's first error.
    public func drain() throws { try passBarrier(flushing: false) }

    private func passBarrier(flushing: Bool) throws {
        try intake.failure.check()
        let barrier = Barrier(parties: options.workers, flushes: flushing)
        try barrierLock.withLock { _ in try barrier.pass(through: intake.queue, failure: intake.failure) }
    }

    /// Makes everything durable that went in: packs, then index objects. A checkpoint: should the backup be
    /// interrupted after it, the next one finds these chunks.
    public func flush() throws {
        try passBarrier(flushing: true)
        try guarding {
            try lane.flush()
            let done = BoundedQueue<Bool>(capacity: 1)
            let token = intake.failure.register { done.fail($0) }
            defer { intake.failure.unregister(token) }
            try packQueue.push(.flush(done))
            _ = try done.pop()
        }
    }

    /// Makes everything durable, then writes the snapshot, which is the commit. The writer is of no use afterwards.
    ///
    /// - Parameter draft: complete but for `totals.addedBytes`, which the writer knows.
    /// - Returns: what was written.
    /// - Throws: the writer's first error. Nothing was committed then, unless putting the snapshot itself failed,
    ///   where a store may have
    ///   kept it: listing the snapshots tells.
    public func commit(_ draft: Snapshot) throws -> Snapshot {
        try flush()
        var snapshot = draft
        snapshot.totals.addedBytes = statistics.progress.addedBytes
        try guarding { try repository.writeSnapshot(snapshot) }
        intake.queue.finish()
        packQueue.finish()
        join()
        return snapshot
    }

    /// Stops all stages and waits for their threads. What `error` says is what every other call throws from now on.
    public func abort(
        _ error: CairnError = CairnError(.cancelled, "the backup was stopped before its snapshot was written")
    ) {
        intake.failure.fail(error)
        join()
    }

    private func join() {
        let threads = threads.withLock { threads in
            defer { threads = Threads() }
            return threads
        }
        for worker in threads.workers { worker.join() }
        threads.packWriter?.join()
    }

    private func guarding<Result>(_ body: () throws -> Result) throws -> Result {
        try intake.failure.check()
        do {
            return try body()
        } catch {
            intake.failure.fail(error)
            throw intake.failure.failure ?? error
        }
    }

    private static func guarded(by failure: FailureSwitch, _ body: () throws -> Void) {
        do { try body() } catch { failure.fail(error) }
    }
}

extension ArchiveWriter {
    /// `commit` under a writer's lease that is held before and still after it; otherwise the snapshot is taken back,
    /// for what it rests on may have been removed. format-spec.md §11 [W-9].
    ///
    /// - Throws: `.held` when the lease is lost; as `commit`.
    public func commit(_ draft: Snapshot, under lease: Lease) throws -> Snapshot {
        var draft = draft
        draft.lease = lease.id
        // Before the look at the lease: what is left to do then is one put.
        try flush()
        return try lease.committing {
            try commit(draft)
        } undo: { snapshot in
            try repository.store.delete(Names.object(.snapshot, snapshot.id))
        }
    }
}
