import Synchronization

/// Many small pieces of blocking work on a few owned threads.
public enum Parallel {
    private struct State<Output> {
        var next = 0
        var outputs: [Output?]
        var failure: (any Error)?
    }

    /// The outputs of `body` in the elements' order. Each thread makes a context of its own (a client, a reader) and
    /// takes the next element that nobody has taken; `finish` gets the context when none is left, or after an error.
    /// The first error stops all threads and is thrown.
    public static func map<Element: Sendable, Output: Sendable, Context>(
        _ elements: [Element], threads: Int, name: String, context: @escaping @Sendable () throws -> Context,
        each body: @escaping @Sendable (Context, Element) throws -> Output,
        finish: @escaping @Sendable (Context) throws -> Void = { _ in }
    ) throws -> [Output] {
        let state = Shared(State<Output>(outputs: Array(repeating: nil, count: elements.count)))
        let workers = (0..<max(1, min(threads, elements.count))).map { number in
            OwnedThread(name: "\(name)-\(number)") {
                do {
                    let context = try context()
                    // Also after a failure: what was done until then may be worth keeping.
                    defer {
                        do { try finish(context) } catch {
                            state.value.withLock { if $0.failure == nil { $0.failure = error } }
                        }
                    }
                    while let index = state.value.withLock({ state in take(&state) }) {
                        let output = try body(context, elements[index])
                        state.value.withLock { $0.outputs[index] = output }
                    }
                } catch {
                    state.value.withLock { if $0.failure == nil { $0.failure = error } }
                }
            }
        }
        for worker in workers { worker.join() }
        return try state.value.withLock { state in
            if let failure = state.failure { throw failure }
            return state.outputs.compactMap { $0 }
        }
    }

    private static func take<Output>(_ state: inout State<Output>) -> Int? {
        guard state.failure == nil, state.next < state.outputs.count else { return nil }
        state.next += 1
        return state.next - 1
    }

    /// A mutex that closures can capture.
    private final class Shared<Output: Sendable>: Sendable {
        let value: Mutex<State<Output>>
        init(_ initial: sending State<Output>) { value = Mutex(initial) }
    }
}
