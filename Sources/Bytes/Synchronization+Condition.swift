import Glibc

/// A mutex with one condition, for the blocking stages of a pipeline.
///
/// `Synchronization.Mutex` has no condition to wait on, hence pthreads. Both live in one heap allocation because POSIX
/// forbids moving them once initialised.
@safe
final class Condition: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        precondition(unsafe pthread_mutex_init(mutex, nil) == 0)
        precondition(unsafe pthread_cond_init(condition, nil) == 0)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Runs `body` with the mutex held.
    func withLock<Result>(_ body: () throws -> Result) rethrows -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body()
    }

    /// Gives the mutex up until woken. Wake-ups may be spurious: callers wait in a loop on their own predicate.
    func wait() { unsafe pthread_cond_wait(condition, mutex) }

    /// Wakes every waiter; each looks at its predicate again.
    func broadcast() { unsafe pthread_cond_broadcast(condition) }
}
