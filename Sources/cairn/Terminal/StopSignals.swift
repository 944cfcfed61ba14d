internal import Bytes
internal import Operations
internal import Synchronization

/// SIGINT and SIGTERM: taken by one thread that waits for them, because almost nothing may be done in a handler.
///
/// A verb that changes something registers its cancellation flag: the first signal sets it and the verb ends cleanly,
/// the second ends the process at once (the repository is safe against that too, only the lease has to run out).
/// Every other verb ends at the first. The exit code is 130 in all cases.
enum StopSignals {
    private struct State {
        var cancellation: Cancellation?
        var echoIsOff = false
    }

    private static let state = Mutex(State())

    /// Starts the thread. Must come before any other thread is started, which inherit the blocked signals. The thread
    /// lives as long as the process, so it is deliberately never joined.
    static func start() {
        System.routeSignals()
        System.startDetachedThread {
            while true {
                System.nextStopSignal()
                receive()
            }
        }
    }

    /// Lets `cancellation` decide about the next signal.
    static func stopGently(_ cancellation: Cancellation) {
        state.withLock { $0.cancellation = cancellation }
    }

    /// Tells that the terminal's echo is off, so that a signal switches it on again before the process ends.
    static func setEchoIsOff(_ off: Bool) {
        state.withLock { $0.echoIsOff = off }
    }

    private static func receive() {
        let (gently, echoIsOff) = state.withLock { state -> (Bool, Bool) in
            guard let cancellation = state.cancellation, !cancellation.isCancelled else {
                return (false, state.echoIsOff)
            }
            cancellation.cancel()
            return (true, state.echoIsOff)
        }
        if echoIsOff { System.setEcho(true, of: System.standardInput) }
        if gently && !echoIsOff {
            Console.shared.writeMessage("stopping; a second signal ends the process at once")
            return
        }
        Console.shared.draw(bar: "")
        System.endAtOnce(ExitStatus.interrupted.rawValue)
    }
}
