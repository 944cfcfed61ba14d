import CLinux
import Glibc

/// A named thread that `cairn` owns. Blocking calls (libmongoc, file I/O, codecs) run on these, never on the
/// cooperative pool, which is only as wide as the cores and would stall.
///
/// Every thread is joined exactly once by its owner, or let go explicitly; a thread that is merely forgotten is a bug
/// and traps when dropped.
@safe
public final class OwnedThread: @unchecked Sendable {
    private var handle = pthread_t()
    private var joined = false

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts `body` on a new thread named `name` (the kernel keeps 15 bytes of it, shown by `top -H` and `perf`).
    public init(name: String, body: @escaping @Sendable () -> Void) {
        let start = unsafe Unmanaged.passRetained(Start(name: name, body: body)).toOpaque()
        let status = unsafe pthread_create(&handle, nil, OwnedThread.main, start)
        precondition(status == 0, "pthread_create failed: \(status)")
    }

    deinit { precondition(joined, "a thread was dropped without being joined") }

    /// Lets the thread end by itself. Only for disposing of what takes its time and has no result: the process may end
    /// before it.
    public func detach() {
        precondition(!joined, "a thread is joined or detached once")
        joined = true
        _ = pthread_detach(handle)
    }

    /// Waits until the body has returned.
    public func join() {
        precondition(!joined, "a thread is joined once")
        joined = true
        _ = pthread_join(handle, nil)
    }

    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument = unsafe argument else { return nil }
        let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        unsafe cairn_name_this_thread(String(start.name.prefix(15)))
        start.body()
        return nil
    }
}
