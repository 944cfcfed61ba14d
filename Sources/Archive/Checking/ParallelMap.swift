import Bytes
import Synchronization

/// Runs independent pieces of blocking work on threads of its own.
enum ParallelMap {
    /// The results of `work` for each item, in the order of the items. The first error stops all threads and is
    /// thrown.
    static func run<Item: Sendable, Output: Sendable>(
        _ items: [Item], workers: Int, name: String, _ work: @Sendable @escaping (Item) throws -> Output
    ) throws -> [(Item, Output)] {
        let results = Mutex([Output?](repeating: nil, count: items.count))
        try run(count: items.count, workers: workers, name: name) {
            { number in
                let output = try work(items[number])
                results.withLock { $0[number] = output }
            }
        }
        return results.withLock { results in zip(items, results).map { ($0, $1!) } }
    }

    /// Calls the closure that `makeWork` makes on each thread with the numbers below `count`, each once.
    ///
    /// - Parameter makeWork: makes what belongs to one thread (contexts, buffers); called on that thread.
    static func run(
        count: Int, workers: Int, name: String, _ makeWork: @Sendable @escaping () throws -> (Int) throws -> Void
    ) throws {
        let next = Counter()
        let failure = FailureSwitch()
        let threads = (0..<min(workers, count)).map { number in
            OwnedThread(name: "\(name)-\(number)") {
                do {
                    let work = try makeWork()
                    while failure.failure == nil {
                        let item = next.value.add(1, ordering: .relaxed).oldValue
                        guard item < count else { return }
                        try work(item)
                    }
                } catch {
                    failure.fail(error)
                }
            }
        }
        for thread in threads { thread.join() }
        try failure.check()
    }

    private final class Counter: Sendable {
        let value = Atomic(0)
    }
}
