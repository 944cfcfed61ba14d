import Bytes
import Glibc
import Synchronization

/// A program that runs beside the test: the binary under test, a server.
///
/// Its standard input is a pipe that ends when this process does, however that happens, so a child that watches it
/// (see `ThrowawayServer`) never outlives a test run that was killed.
public final class ChildProcess: Sendable {
    /// The operating system's number of the process.
    public let id: Int32
    private let input: Mutex<Int32?>
    private let status = Mutex<Int32?>(nil)

    /// What a finished program left behind.
    public struct Outcome: Sendable {
        /// The exit code; 128 + the signal's number when a signal ended it.
        public let exitCode: Int
        /// Everything written to standard output.
        public let output: [UInt8]
        /// Everything written to standard error.
        public let errors: [UInt8]

        /// Standard output as text.
        public var text: String { String(decoding: output, as: UTF8.self) }
        /// Standard error as text.
        public var errorText: String { String(decoding: errors, as: UTF8.self) }
    }

    /// Starts `executable`, looked up on PATH unless it holds a slash.
    ///
    /// - Parameters:
    ///   - environment: added to this process's own, replacing equal names.
    ///   - outputPath: where standard output goes; this process's own when nil.
    ///   - errorPath: where standard error goes; this process's own when nil.
    /// - Throws: `.io` when it cannot be started.
    public init(
        _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:],
        outputPath: String? = nil, errorPath: String? = nil
    ) throws {
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { throw CairnError(.io, "pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        for (descriptor, path) in [(Int32(1), outputPath), (2, errorPath)] {
            guard let path else { continue }
            unsafe posix_spawn_file_actions_addopen(&actions, descriptor, path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        }
        var child: pid_t = 0
        let code = unsafe Self.withCStrings([executable] + arguments) { argv in
            unsafe Self.withCStrings(Self.merged(environment)) { envp in
                unsafe posix_spawnp(&child, executable, &actions, nil, argv, envp)
            }
        }
        close(ends[0])
        guard code == 0 else {
            close(ends[1])
            throw CairnError(.io, "cannot start \(executable): errno \(code)")
        }
        id = child
        input = Mutex(ends[1])
    }

    deinit {
        closeInput()
        if status.withLock({ $0 }) == nil {
            kill(id, SIGKILL)
            _ = wait()
        }
    }

    /// Runs a program to its end and returns what it said.
    ///
    /// - Throws: `.io` when it cannot be started.
    public static func run(
        _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:], input: [UInt8] = []
    ) throws -> Outcome {
        let folder = try TemporaryDirectory("cairn-run")
        let child = try ChildProcess(
            executable, arguments, environment: environment, outputPath: folder.path + "/out",
            errorPath: folder.path + "/err")
        child.write(input)
        child.closeInput()
        let code = child.wait()
        return Outcome(
            exitCode: code, output: readWholeFile(folder.path + "/out"), errors: readWholeFile(folder.path + "/err"))
    }

    /// Writes to the child's standard input; a child that no longer reads is no error.
    public func write(_ bytes: [UInt8]) {
        input.withLock { descriptor in
            guard let descriptor else { return }
            var offset = 0
            while offset < bytes.count {
                let written = unsafe bytes[offset...].withUnsafeBytes {
                    unsafe send(writing: descriptor, $0)
                }
                guard written > 0 else { return }
                offset += written
            }
        }
    }

    /// Ends the child's standard input.
    public func closeInput() {
        input.withLock { descriptor in
            if let descriptor { close(descriptor) }
            descriptor = nil
        }
    }

    /// Sends a signal, such as SIGINT, unless the child has been waited for.
    public func signal(_ number: Int32) {
        status.withLock { status in
            if status == nil { kill(id, number) }
        }
    }

    /// Waits for the end and returns the exit code; 128 + the signal's number when a signal ended it.
    public func wait() -> Int {
        var raw: Int32 = 0
        if let known = status.withLock({ $0 }) {
            raw = known
        } else {
            while unsafe waitpid(id, &raw, 0) < 0 && errno == EINTR {}
            let final = raw
            status.withLock { $0 = final }
        }
        let signal = raw & 0x7F
        return signal == 0 ? Int((raw >> 8) & 0xFF) : 128 + Int(signal)
    }

    /// Whether it has ended, without waiting.
    public var hasEnded: Bool {
        status.withLock { status in
            if status != nil { return true }
            var raw: Int32 = 0
            guard unsafe waitpid(id, &raw, WNOHANG) == id else { return false }
            status = raw
            return true
        }
    }

    private static func merged(_ environment: [String: String]) -> [String] {
        var entries: [String] = []
        var cursor = unsafe environ
        while let entry = unsafe cursor.pointee {
            let text = unsafe String(cString: entry)
            let name = text.prefix { $0 != "=" }
            if environment[String(name)] == nil { entries.append(text) }
            unsafe cursor += 1
        }
        return entries + environment.map { "\($0.key)=\($0.value)" }
    }

    private static func withCStrings<Result>(
        _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) throws -> Result
    ) rethrows -> Result {
        var pointers = unsafe texts.map { unsafe strdup($0) } + [nil]
        defer { unsafe pointers.forEach { unsafe free($0) } }
        return try unsafe body(&pointers)
    }
}

/// Writes without SIGPIPE, which would end the test run when a child has closed its input.
private func send(writing descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    signal(SIGPIPE, SIG_IGN)
    return unsafe write(descriptor, bytes.baseAddress, bytes.count)
}

/// The bytes of a file; empty when it cannot be read.
public func readWholeFile(_ path: String) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = unsafe block.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return bytes }
        bytes.append(contentsOf: block[..<count])
    }
}
