import Bytes

/// How an `ArchiveWriter` works, and with that how much memory it takes.
public struct WriterOptions: Sendable {
    /// Threads that hash, compress and encrypt.
    public var workers: Int
    /// zstd level, 1 to 19.
    public var level: Int
    /// Streams that may hold an unfinished chunk at the same time. A stream takes its buffer with its first
    /// document and gives it up with `finish()`; one more stream than this waits in `append`, for ever if the same
    /// thread holds the others.
    public var streams: Int
    /// A pack is finished once it has this many bytes.
    public var packTarget: Int
    /// An index object is written after this many packs, so that an interrupted backup can be gone on with: 64
    /// packs are 1 GiB.
    public var packsPerIndex: Int
    /// Packs that are put at once: `ObjectStore.parallelism` of the repository's store. Each is a pack more in memory.
    public var puts: Int

    /// - Precondition: all counts are positive.
    public init(
        workers: Int, level: Int = 3, streams: Int = 4, packTarget: Int = 16 << 20, packsPerIndex: Int = 64,
        puts: Int = 1
    ) {
        precondition(workers > 0 && streams > 0 && packsPerIndex > 0 && puts > 0)
        precondition(ZstdCompressor.levels.contains(level) && packTarget >= 1 << 16 && packTarget <= 256 << 20)
        self.workers = workers
        self.level = level
        self.streams = streams
        self.packTarget = packTarget
        self.packsPerIndex = packsPerIndex
        self.puts = puts
    }

    /// Room behind the target: the chunk that crosses it, raw, and the pack's directory. A document of 16 MiB fits
    /// an empty pack.
    func packCapacity(_ sizes: ChunkSizes) -> Int { max(packTarget + sizes.maximum, BSONSize.max) + (1 << 20) }

    /// One chunk in each stream, one at each worker, and one on its way to each.
    var chunkBuffers: Int { streams + 2 * workers }

    /// One pack at each worker, those being put, one waiting for them.
    var packBuffers: Int { workers + puts + 1 }

    /// Bytes that a writer may hold at most with documents of up to 4 MiB, the index of the repository not counted:
    /// 32 MiB of chunks, 84 MiB of packs, 21 MiB in the codecs at 2 workers, 4 streams, level 3 and one put at a time;
    /// 63 MiB more at four. Larger documents raise it by what their chunks exceed 4 MiB, at most 12 MiB for each chunk
    /// buffer and worker. The levels above 12 take up to 90 MiB more a worker.
    public func memoryBudget(_ sizes: ChunkSizes = .documents) -> Int {
        let codec = sizes.maximum + (3 << 20)
        return chunkBuffers * sizes.maximum + packBuffers * packCapacity(sizes) + (workers + 1) * codec
    }
}

/// What a server lets a document grow to.
enum BSONSize {
    /// 16 MiB and the 16 KiB that mongod allows itself on top.
    static let max = (16 << 20) + (16 << 10)
}
