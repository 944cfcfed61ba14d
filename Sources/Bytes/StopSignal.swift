import Glibc

/// A wait that somebody else can end: what a thread that does something every so often sleeps on, so that it ends at
/// once when asked to.
///
/// The monotonic clock drives it: a change of the wall clock neither shortens nor stretches a wait.
@safe
public final class StopSignal: @unchecked Sendable {
    // `@unchecked Sendable`: `stopped` is only touched with the mutex held.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var stopped = false

    /// A signal that nobody has given yet.
    public init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        precondition(unsafe pthread_condattr_init(&attributes) == 0)
        precondition(unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0)
        precondition(unsafe pthread_mutex_init(mutex, nil) == 0)
        precondition(unsafe pthread_cond_init(condition, &attributes) == 0)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Ends all waits, now and later.
    public func stop() {
        unsafe pthread_mutex_lock(mutex)
        stopped = true
        unsafe pthread_cond_broadcast(condition)
        unsafe pthread_mutex_unlock(mutex)
    }

    /// Waits for at most that time.
    ///
    /// - Returns: whether `stop` was called.
    public func wait(milliseconds: Int64) -> Bool {
        var deadline = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &deadline)
        let nanoseconds = Int64(deadline.tv_nsec) + milliseconds % 1000 * 1_000_000
        deadline.tv_sec += Int(milliseconds / 1000 + nanoseconds / 1_000_000_000)
        deadline.tv_nsec = Int(nanoseconds % 1_000_000_000)
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while !stopped {
            if unsafe pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
        }
        return stopped
    }
}
