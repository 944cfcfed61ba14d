import Bytes
import ObjectStore

/// What the pack writer takes from its queue.
enum PackItem: Sendable {
    /// A pack to put; its buffer goes back to the pool.
    case pack(FinishedPack, BufferPool)
    /// Everything before this is to be durable and indexed; the queue is finished then.
    case flush(BoundedQueue<Bool>)
}

/// The last stage: puts packs, and names them in index objects once they are durable. Runs on one thread of its
/// own, so that the workers go on while it waits for the disk.
struct PackStage {
    private let repository: Repository
    private let index: ChunkIndex
    private let queue: BoundedQueue<PackItem>
    private let packsPerIndex: Int
    private let statistics: WriterStatistics
    /// Durable packs that no index object names yet.
    private var unindexed: [PackContents]

    /// - Parameter unindexed: packs that are in the store already and that the next index object shall name.
    init(
        repository: Repository, index: ChunkIndex, queue: BoundedQueue<PackItem>, packsPerIndex: Int,
        statistics: WriterStatistics, unindexed: [PackContents]
    ) {
        self.repository = repository
        self.index = index
        self.queue = queue
        self.packsPerIndex = packsPerIndex
        self.statistics = statistics
        self.unindexed = unindexed
    }

    /// Works until the queue is finished.
    mutating func run() throws {
        while let item = try queue.pop() {
            switch item {
            case .pack(let pack, let pool): try put(pack, pool)
            case .flush(let done):
                try writeIndex()
                done.finish()
            }
        }
    }

    private mutating func put(_ pack: FinishedPack, _ pool: BufferPool) throws {
        let size = pack.buffer.count
        var clock = StageClock()
        try repository.writePack(pack)
        clock.lap(statistics.put)
        pool.give(pack.buffer)
        statistics.packs.raise(by: 1)
        statistics.addedBytes.raise(by: size)
        index.insert(pack.contents)
        unindexed.append(pack.contents)
        if unindexed.count >= packsPerIndex { try writeIndex() }
    }

    private mutating func writeIndex() throws {
        var rest = unindexed[...]
        while !rest.isEmpty {
            var index = IndexObject(packs: [])
            var entries = 0
            while let next = rest.first, entries + next.entries.count <= FormatLimits.indexEntriesMax || entries == 0 {
                entries += next.entries.count
                index.packs.append(rest.removeFirst())
            }
            let written = try repository.writeSealed(index.encode(), kind: .index, id: repository.newID())
            statistics.addedBytes.raise(by: written.count)
        }
        unindexed.removeAll()
    }
}
