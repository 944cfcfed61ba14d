import Bytes
import Synchronization

/// What has become of one stream: its stored chunks in the order of its documents. Filled by the workers, in any order.
final class StreamTally<Stored: Sendable>: Sendable {
    private struct State {
        /// By the ordinal of the chunk in the stream; nil while a worker has it.
        var pieces: [Stored?] = []
        var stored = 0
        /// The number of chunks, once the stream is finished.
        var expected: Int?
        var waiter: BoundedQueue<Bool>?

        var isComplete: Bool { stored == expected }
    }

    private let state = Mutex(State())
    private let failure: FailureSwitch

    init(failure: FailureSwitch) { self.failure = failure }

    /// A worker has stored the chunk `ordinal`.
    func add(_ piece: Stored, ordinal: Int) {
        let waiter = state.withLock { state -> BoundedQueue<Bool>? in
            while state.pieces.count <= ordinal { state.pieces.append(nil) }
            state.pieces[ordinal] = piece
            state.stored += 1
            return state.isComplete ? state.waiter : nil
        }
        waiter?.finish()
    }

    /// The stream has ended after `chunks` chunks.
    func finish(chunks: Int) {
        state.withLock { $0.expected = chunks }
    }

    /// Waits until the workers have stored all chunks of the finished stream.
    func wait() throws -> [Stored] {
        try failure.check()
        let waiter = BoundedQueue<Bool>(capacity: 1)
        let complete = state.withLock { state in
            precondition(state.expected != nil, "wait for a stream only after finish()")
            precondition(state.waiter == nil, "one thread waits for a stream")
            if !state.isComplete { state.waiter = waiter }
            return state.isComplete
        }
        if !complete {
            let token = failure.register { waiter.fail($0) }
            defer { failure.unregister(token) }
            _ = try waiter.pop()
        }
        return state.withLock { state in
            state.waiter = nil
            return state.pieces.map { $0! }
        }
    }
}

/// A finished stream whose chunks have all been hashed and either found in the repository or put into a pack.
public struct StoredStream: Sendable {
    /// In the order of the documents.
    public let leaves: [Leaf]
    /// The number of documents.
    public let documents: Int
    /// Their bytes.
    public let rawBytes: Int
}
