import Bytes
import Glibc
import Synchronization
import TestSupport

/// A thread beside the job under test, with a connection of its own.
final class Background {
    private final class State: Sendable {
        let isStopped = Atomic<Bool>(false)
        let rounds = Atomic<Int>(0)
        let failure = Mutex<(any Error)?>(nil)
    }

    private let state: State
    private let thread: OwnedThread

    /// Repeats `body`, with the number of the round, until `stop()`.
    init(_ uri: String, _ body: @escaping @Sendable (WireClient, Int) throws -> Void) {
        let state = State()
        self.state = state
        thread = OwnedThread(name: "test-beside") {
            do {
                let client = try WireClient(uri: uri)
                while !state.isStopped.load(ordering: .relaxed) {
                    try body(client, state.rounds.load(ordering: .relaxed))
                    state.rounds.add(1, ordering: .relaxed)
                }
            } catch { state.failure.withLock { $0 = error } }
        }
    }

    /// Rounds done so far.
    var rounds: Int { state.rounds.load(ordering: .relaxed) }

    /// Waits until so many rounds more are done, or the thread failed.
    func awaitRounds(_ more: Int) {
        let wanted = rounds + more
        while rounds < wanted, state.failure.withLock({ $0 == nil }) { usleep(1_000) }
    }

    /// Ends the thread.
    ///
    /// - Throws: what its body threw.
    func stop() throws {
        state.isStopped.store(true, ordering: .relaxed)
        thread.join()
        if let failure = state.failure.withLock({ $0 }) { throw failure }
    }
}
