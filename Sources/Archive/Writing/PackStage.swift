import Bytes
import ObjectStore

/// What the pack writer takes from its queue.
enum PackItem: Sendable {
    /// A pack to put; its buffer goes back to the pool.
    case pack(FinishedPack, BufferPool)
    /// Everything before this is to be durable and indexed; the queue is finished then.
    case flush(BoundedQueue<Bool>)
}

/// The last stage: has packs put, and names them in index objects once they are durable. Runs on one thread of its
/// own, so that the workers go on while it waits for the disk or the network.
struct PackStage {
    private let repository: Repository
    private let index: ChunkIndex
    private let queue: BoundedQueue<PackItem>
    private let packsPerIndex: Int
    private let statistics: WriterStatistics
    private let lanes: PackLanes
    /// Durable packs that no index object names yet.
    private var unindexed: [PackContents]

    /// - Parameters:
    ///   - puts: how many packs may be put at once.
    ///   - unindexed: packs that are in the store already and that the next index object shall name.
    init(
        repository: Repository, index: WriterIndex, queue: BoundedQueue<PackItem>, packsPerIndex: Int, puts: Int,
        statistics: WriterStatistics, failure: FailureSwitch
    ) {
        self.repository = repository
        self.index = index.chunks
        self.queue = queue
        self.packsPerIndex = packsPerIndex
        self.statistics = statistics
        lanes = PackLanes(puts, repository: repository, statistics: statistics, failure: failure)
        unindexed = index.adopted
    }

    /// Works until the queue is finished.
    mutating func run() throws {
        while let item = try queue.pop() {
            switch item {
            case .pack(let pack, let pool):
                if let settled = try lanes.put(pack, pool) { try take(settled) }
            case .flush(let done):
                // An index object names nothing that is still on its way. format-spec.md §11 [W-2]
                while let settled = try lanes.settle() { try take(settled) }
                try writeIndex()
                done.finish()
            }
        }
    }

    private mutating func take(_ pack: PackContents) throws {
        index.insert(pack)
        unindexed.append(pack)
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
