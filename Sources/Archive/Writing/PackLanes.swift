import Bytes
import ObjectStore

/// Puts packs, several at once where the store gains from that, each on a thread of its own. Used from one thread.
///
/// At most as many packs as there are lanes are under way; what holds their buffers is the writer's pool.
final class PackLanes {
    private let work: BoundedQueue<(pack: FinishedPack, pool: BufferPool)>
    private let done: BoundedQueue<PackContents>
    private let threads: [OwnedThread]
    private let failure: FailureSwitch
    private let token: Int
    /// Packs that were handed over and did not come back.
    private var underWay = 0

    /// Starts the threads.
    init(_ lanes: Int, repository: Repository, statistics: WriterStatistics, failure: FailureSwitch) {
        let work = BoundedQueue<(pack: FinishedPack, pool: BufferPool)>(capacity: lanes)
        let done = BoundedQueue<PackContents>(capacity: lanes)
        token = failure.register { error in
            work.fail(error)
            done.fail(error)
        }
        threads = (0..<lanes).map { number in
            OwnedThread(name: "cairn-put-\(number)") {
                do {
                    while let (pack, pool) = try work.pop() {
                        try Self.put(pack, pool, repository, statistics)
                        try done.push(pack.contents)
                    }
                } catch { failure.fail(error) }
            }
        }
        self.work = work
        self.done = done
        self.failure = failure
    }

    deinit {
        work.finish()
        for thread in threads { thread.join() }
        failure.unregister(token)
    }

    private static func put(
        _ pack: FinishedPack, _ pool: BufferPool, _ repository: Repository, _ statistics: WriterStatistics
    ) throws {
        let size = pack.buffer.count
        var clock = StageClock()
        try repository.writePack(pack)
        clock.lap(statistics.put)
        pool.give(pack.buffer)
        statistics.packs.raise(by: 1)
        statistics.addedBytes.raise(by: size)
    }

    /// Hands a pack over, when a lane is free.
    ///
    /// - Returns: a pack that is durable now, handed over earlier, if one had to be waited for.
    func put(_ pack: FinishedPack, _ pool: BufferPool) throws -> PackContents? {
        let settled = underWay == threads.count ? try settle() : nil
        try work.push((pack, pool))
        underWay += 1
        return settled
    }

    /// Waits for a pack to be durable; nil when none is under way.
    func settle() throws -> PackContents? {
        guard underWay > 0, let pack = try done.pop() else { return nil }
        underWay -= 1
        return pack
    }
}
