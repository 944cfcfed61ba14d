import Synchronization

/// The first error of a pipeline, and the way to stop every stage with it.
///
/// A stage that blocks registers what wakes it; `fail` calls all of these. Errors that follow the first one are
/// consequences of the stop and are dropped.
final class FailureSwitch: Sendable {
    typealias Hook = @Sendable (any Error) -> Void

    private struct State {
        var failure: (any Error)?
        var hooks: [Int: Hook] = [:]
        var nextToken = 0
    }

    private let state = Mutex(State())

    /// Stops everything with `error`, unless something failed before.
    func fail(_ error: any Error) {
        let hooks = state.withLock { state -> [Hook] in
            guard state.failure == nil else { return [] }
            state.failure = error
            return Array(state.hooks.values)
        }
        // Outside the lock: a hook takes the lock of the queue that it wakes.
        for hook in hooks { hook(error) }
    }

    /// The first error.
    var failure: (any Error)? { state.withLock { $0.failure } }

    /// Throws the first error, if there was one.
    func check() throws {
        if let failure { throw failure }
    }

    /// Calls `hook` when something fails; at once if it has already.
    @discardableResult
    func register(_ hook: @escaping Hook) -> Int {
        let (token, failure) = state.withLock { state in
            state.nextToken += 1
            state.hooks[state.nextToken] = hook
            return (state.nextToken, state.failure)
        }
        if let failure { hook(failure) }
        return token
    }

    /// Forgets a hook.
    func unregister(_ token: Int) {
        state.withLock { _ = $0.hooks.removeValue(forKey: token) }
    }
}
