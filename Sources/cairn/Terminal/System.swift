internal import Bytes
internal import Glibc

/// The system calls of the command line, and the one file of this target that is allowed to be unsafe.
///
/// Everything here takes and gives ordinary values; the pointers live for the length of a call.
enum System {
    static let standardInput: Int32 = 0
    static let standardOutput: Int32 = 1
    static let standardError: Int32 = 2

    /// Writes all bytes, across partial writes and interruptions. Returns 0 or the `errno` that stopped it.
    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        unsafe bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let start = unsafe buffer.baseAddress! + done
                let count = unsafe Glibc.write(descriptor, start, buffer.count - done)
                if count < 0 {
                    if errno == EINTR { continue }
                    return errno
                }
                done += count
            }
            return 0
        }
    }

    /// Reads a small file to its end. Throws `.usage` naming the file when it cannot be read or exceeds `byteCountMax`.
    static func read(path: String, byteCountMax: Int, what: String) throws -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CairnError(.usage, "cannot read the \(what): \(text(of: errno))", object: path)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteCountMax + 1)
        var filled = 0
        while filled < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress! + filled, buffer.count - filled)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else {
                throw CairnError(.usage, "cannot read the \(what): \(text(of: errno))", object: path)
            }
            if count == 0 { break }
            filled += count
        }
        guard filled <= byteCountMax else {
            throw CairnError(.usage, "the \(what) is larger than \(byteCountMax) bytes", object: path)
        }
        let contents = Array(bytes[..<filled])
        wipe(&bytes)
        return contents
    }

    /// The path from the root; nothing need be there. Throws `.usage` when there is no working directory any more.
    static func absolute(_ path: String) throws -> String {
        if path.hasPrefix("/") { return path }
        guard let current = unsafe getcwd(nil, 0) else {
            throw CairnError(.usage, "the working directory cannot be named: \(text(of: errno))", object: path)
        }
        defer { unsafe free(current) }
        return unsafe String(cString: current) + "/" + path
    }

    /// Overwrites bytes that were a secret, in a way that the optimiser keeps.
    static func wipe(_ bytes: inout [UInt8]) {
        unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let start = buffer.baseAddress else { return }
            unsafe explicit_bzero(start, buffer.count)
        }
    }

    /// The environment as it was at start; the first of two entries of one name wins, as in `getenv`.
    static func environment() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            let pair = unsafe String(cString: text)
            if let equals = pair.firstIndex(of: "=") {
                let name = String(pair[..<equals])
                if variables[name] == nil { variables[name] = String(pair[pair.index(after: equals)...]) }
            }
            unsafe entry += 1
        }
        return variables
    }

    /// Whether the descriptor is a terminal.
    static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    /// The width of the terminal behind a descriptor, 80 when it does not tell.
    static func columns(of descriptor: Int32) -> Int {
        var size = winsize()
        let request = UInt(TIOCGWINSZ)
        guard unsafe ioctl(descriptor, request, &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Seconds of a clock that never jumps.
    static func monotonicSeconds() -> Double {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
    }

    /// Seconds since 1970.
    static func unixSeconds() -> Int { time(nil) }

    /// The system's words for an `errno`.
    static func text(of code: Int32) -> String { unsafe String(cString: strerror(code)) }

    /// Whether an `errno` says that nobody reads the pipe any more.
    static func isBrokenPipe(_ code: Int32) -> Bool { code == EPIPE }

    /// Whether an `errno` says that the disk or the quota is full.
    static func isNoSpace(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }

    /// Ends the process after everything that is registered for its end.
    static func end(_ code: Int32) -> Never { exit(code) }

    /// Ends the process while other threads are at work, so without what is registered for its end. All but one thing
    /// of that goes with the process: libmongoc's counters in shared memory, which it makes when it is loaded.
    static func endAtOnce(_ code: Int32) -> Never {
        unsafe shm_unlink("/mongoc-\(getpid())")
        _exit(code)
    }

    // MARK: Signals

    /// Blocks SIGINT and SIGTERM in this thread and all that it starts, so that one thread can take
    /// the signals with `nextStopSignal`. A closed pipe and a file size limit become errors of `write`.
    static func routeSignals() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        var set = stopSignals()
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Blocks until SIGINT or SIGTERM arrives.
    static func nextStopSignal() {
        var set = stopSignals()
        var number: Int32 = 0
        while unsafe sigwait(&set, &number) != 0 {}
    }

    /// Starts a thread that nobody joins.
    static func startDetachedThread(body: @escaping @Sendable () -> Never) {
        let start = unsafe Unmanaged.passRetained(Body(run: body)).toOpaque()
        var handle = pthread_t()
        let status = unsafe pthread_create(
            &handle, nil,
            { argument in
                unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
            }, start)
        precondition(status == 0, "pthread_create failed: \(status)")
        pthread_detach(handle)
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Never
        init(run: @escaping @Sendable () -> Never) { self.run = run }
    }

    private static func stopSignals() -> sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, SIGINT)
        unsafe sigaddset(&set, SIGTERM)
        return set
    }

    // MARK: Passphrases

    /// Switches the terminal's echo, and returns whether it is a terminal that can.
    @discardableResult
    static func setEcho(_ on: Bool, of descriptor: Int32) -> Bool {
        var settings = termios()
        guard unsafe tcgetattr(descriptor, &settings) == 0 else { return false }
        if on {
            settings.c_lflag |= tcflag_t(ECHO)
        } else {
            settings.c_lflag &= ~tcflag_t(ECHO)
        }
        return unsafe tcsetattr(descriptor, TCSAFLUSH, &settings) == 0
    }

    /// One line from a descriptor without its newline; nil at its end. Reads byte by byte, so nothing after is lost.
    static func readLine(from descriptor: Int32, byteCountMax: Int) -> [UInt8]? {
        var line: [UInt8] = []
        line.reserveCapacity(byteCountMax)
        while line.count < byteCountMax {
            var byte: UInt8 = 0
            let count = unsafe Glibc.read(descriptor, &byte, 1)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { return line.isEmpty ? nil : line }
            if byte == UInt8(ascii: "\n") { return line }
            line.append(byte)
        }
        return line
    }
}
