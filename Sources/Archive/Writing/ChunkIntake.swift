import BSON
import Bytes

/// A chunk on its way to a worker, which owns `buffer` from now on.
struct ChunkWork: Sendable {
    /// What the chunk holds, and who is told that it is stored.
    enum Content: Sendable {
        /// Documents of a collection; the last one starts at `lastDocumentOffset` in the buffer.
        case documents(count: Int, lastDocumentOffset: Int, StreamTally<Leaf>)
        /// Oplog entries; `first` and `last` are their times.
        case oplog(count: Int, first: Timestamp, last: Timestamp, StreamTally<OplogChunk>)
    }

    let buffer: Buffer
    /// Its place among the chunks of its stream.
    let ordinal: Int
    let content: Content
}

/// What workers take from their queue.
enum WorkItem: Sendable {
    case chunk(ChunkWork)
    case barrier(Barrier)
}

/// What streams and workers share.
struct ChunkIntake: Sendable {
    let queue: BoundedQueue<WorkItem>
    let chunkPool: BufferPool
    let failure: FailureSwitch
}

/// A point that all workers reach before any goes on: whatever was queued before it is done then.
///
/// Each of the `parties` takes one copy of it from the queue. Nobody takes two, because a worker waits here until
/// all have arrived.
final class Barrier: Sendable {
    /// Whether the workers hand their partial packs over.
    let flushes: Bool
    private let parties: Int
    private let arrivals: BoundedQueue<Bool>
    private let releases: BoundedQueue<Bool>

    init(parties: Int, flushes: Bool) {
        self.parties = parties
        self.flushes = flushes
        arrivals = BoundedQueue(capacity: parties)
        releases = BoundedQueue(capacity: parties)
    }

    /// A worker has reached the barrier and waits for the others.
    func arrive() throws {
        try arrivals.push(true)
        _ = try releases.pop()
    }

    /// Puts the barrier into `queue`, waits until all have arrived, and lets them go on.
    func pass(through queue: BoundedQueue<WorkItem>, failure: FailureSwitch) throws {
        let token = failure.register { [self] error in
            arrivals.fail(error)
            releases.fail(error)
        }
        defer { failure.unregister(token) }
        for _ in 0..<parties { try queue.push(.barrier(self)) }
        for _ in 0..<parties { _ = try arrivals.pop() }
        for _ in 0..<parties { try releases.push(true) }
    }
}
