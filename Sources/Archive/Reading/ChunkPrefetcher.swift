import Bytes

/// Reads chunks ahead on threads of its own and gives them out in the order they were asked for: for one consumer
/// that must have its documents in order (`cat`, a capped collection) but shall not wait for decoding.
///
/// Consumers that do not care for the order are better served by a `ChunkReader` in each of their threads.
///
/// Memory: one chunk for each place of the window. Used from one thread.
public final class ChunkPrefetcher {
    private struct Ticket: Sendable {
        let id: ChunkID
        let type: ChunkType
        let buffer: Buffer
        let done: BoundedQueue<Outcome>
    }

    private enum Outcome: Sendable {
        case read
        case failed(any Error)
    }

    private let queue: BoundedQueue<Ticket>
    private let pool: BufferPool
    private let window: Int
    private var threads: [OwnedThread] = []

    /// Starts `threads` threads that keep at most `window` chunks in memory.
    public init(repository: Repository, chunks: ChunkIndex, threads: Int, window: Int) {
        precondition(threads > 0 && window >= threads)
        let queue = BoundedQueue<Ticket>(capacity: window)
        self.queue = queue
        self.window = window
        pool = BufferPool(buffers: window, capacity: 4 << 20)
        self.threads = (0..<threads).map { number in
            OwnedThread(name: "cairn-read-\(number)") {
                let reader = ChunkReader(repository: repository, chunks: chunks)
                while let ticket = try? queue.pop() {
                    do {
                        try reader.read(ticket.id, type: ticket.type, into: ticket.buffer)
                        try? ticket.done.push(.read)
                    } catch {
                        try? ticket.done.push(.failed(error))
                    }
                }
            }
        }
    }

    deinit {
        queue.finish()
        for thread in threads { thread.join() }
    }

    /// Calls `body` with the documents of each leaf that `next` yields, in order, until it yields nil.
    ///
    /// - Parameters:
    ///   - next: the next leaf, for instance of a `LeafCursor`.
    ///   - damaged: what to do about a chunk that cannot be read: throw to stop, return to go on behind it.
    public func read(
        _ next: () throws -> Leaf?, damaged: (Leaf, any Error) throws -> Void = { throw $1 },
        _ body: (Leaf, RawSpan) throws -> Void
    ) throws {
        var ahead: [(leaf: Leaf, ticket: Ticket)] = []
        var ended = false
        // Whatever happens, no thread may hold a buffer that the next call would wait for.
        defer { for (_, ticket) in ahead { settle(ticket) } }
        while true {
            while !ended, ahead.count < window {
                guard let leaf = try next() else {
                    ended = true
                    break
                }
                let ticket = Ticket(
                    id: leaf.chunk, type: .documents, buffer: try pool.take(), done: BoundedQueue(capacity: 1))
                try queue.push(ticket)
                ahead.append((leaf, ticket))
            }
            guard let (leaf, ticket) = ahead.first else { return }
            let outcome = try ticket.done.pop()
            ahead.removeFirst()
            defer { pool.give(ticket.buffer) }
            switch outcome {
            case .read?: try body(leaf, ticket.buffer.bytes)
            case .failed(let error)?: try damaged(leaf, error)
            case nil: preconditionFailure("a ticket is answered once")
            }
        }
    }

    private func settle(_ ticket: Ticket) {
        _ = try? ticket.done.pop()
        pool.give(ticket.buffer)
    }
}
