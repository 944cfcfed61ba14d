public import Bytes
import Glibc
public import ObjectStore
import Synchronization

/// A file system whose calls fail, fall short, stop for ever or hang, as a test decides call by call.
public final class FaultyFileSystem: FileSystem {
    /// The calls that a test can decide about.
    public enum Operation: String, Sendable {
        case open, create, write, read, sync, lock, status, link, rename, unlink, makeDirectory, names

        /// Whether it changes what is on the disk, or is what makes a change last.
        public var isChange: Bool {
            switch self {
            case .create, .write, .sync, .link, .rename, .unlink, .makeDirectory: true
            case .open, .read, .lock, .status, .names: false
            }
        }
    }

    /// One call, before it is made.
    public struct Call: Sendable {
        /// What is called.
        public let operation: Operation
        /// On what; for `link` and `rename` the new path; for calls on a descriptor the path it was opened with.
        public let path: String
        /// Its number among the changes, from 1 on; the number of changes so far for a call that is none.
        public let change: Int
        /// Its number among the calls of the same operation, from 1 on.
        public let number: Int
    }

    /// What happens instead of the call.
    public enum Fault: Sendable {
        /// It fails with this `errno` and has no effect.
        case error(Int32)
        /// It takes effect, but what the caller sees is this `errno`; for calls on paths.
        case loseAnswer(Int32)
        /// A write or read takes this many bytes at most.
        case short(Int)
        /// The machine stops: a write still writes half, then this and every later call fails.
        case stop
    }

    private struct State {
        var changes = 0
        var numbers: [Operation: Int] = [:]
        var paths: [FileDescriptor: String] = [:]
        var isStopped = false
    }

    private let base: any FileSystem
    private let decide: @Sendable (Call) -> Fault?
    private let state = Mutex(State())

    /// `decide` is called before each call, on the caller's thread and without a lock: it may block to freeze the call.
    public init(_ base: any FileSystem, decide: @escaping @Sendable (Call) -> Fault?) {
        self.base = base
        self.decide = decide
    }

    /// Stops the machine at change number `change`, from 1 on; nil only counts.
    public convenience init(_ base: any FileSystem, stoppingAt change: Int?) {
        self.init(base) { call in
            guard let change, call.operation.isChange, call.change >= change else { return nil }
            return .stop
        }
    }

    /// How many changes there were.
    public var changes: Int { state.withLock { $0.changes } }
    /// Whether a fault stopped the machine.
    public var isStopped: Bool { state.withLock { $0.isStopped } }

    /// Returns a limit for reads and writes.
    private func admit(_ operation: Operation, _ path: String) throws(SystemError) -> Fault? {
        let call: Call? = state.withLock { state in
            guard !state.isStopped else { return nil }
            if operation.isChange { state.changes += 1 }
            state.numbers[operation, default: 0] += 1
            return Call(
                operation: operation, path: path, change: state.changes, number: state.numbers[operation] ?? 0)
        }
        guard let call else { throw SystemError(operation.rawValue, EIO) }
        let fault = decide(call)
        switch fault {
        case .error(let number):
            throw SystemError(operation.rawValue, number)
        case .stop:
            state.withLock { $0.isStopped = true }
            if operation != .write { throw SystemError(operation.rawValue, EIO) }
        case .short, .loseAnswer, nil:
            break
        }
        return fault
    }

    private func answer(_ fault: Fault?) throws(SystemError) {
        if case .loseAnswer(let number) = fault { throw SystemError("answer", number) }
    }

    private func path(_ file: FileDescriptor) -> String { state.withLock { $0.paths[file] ?? "?" } }

    /// `openat`.
    public func open(_ path: String, _ access: FileAccess) throws(SystemError) -> FileDescriptor {
        _ = try admit(access == .create ? .create : .open, path)
        let file = try base.open(path, access)
        state.withLock { $0.paths[file] = path }
        return file
    }

    /// `close`.
    public func close(_ file: FileDescriptor) {
        state.withLock { _ = $0.paths.removeValue(forKey: file) }
        base.close(file)
    }

    /// `write`.
    public func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemError) -> Int {
        switch try admit(.write, path(file)) {
        case .short(let count):
            return try base.write(file, bytes.extracting(first: count))
        case .stop:
            _ = try base.write(file, bytes.extracting(first: bytes.byteCount / 2))
            throw SystemError("write", EIO)
        default:
            return try base.write(file, bytes)
        }
    }

    /// `pread`.
    public func read(
        _ file: FileDescriptor, at offset: Int, count: Int, into buffer: Buffer
    ) throws(SystemError) -> Int {
        if case .short(let limit) = try admit(.read, path(file)) {
            return try base.read(file, at: offset, count: min(count, limit), into: buffer)
        }
        return try base.read(file, at: offset, count: count, into: buffer)
    }

    /// `fsync`.
    public func sync(_ file: FileDescriptor) throws(SystemError) {
        _ = try admit(.sync, path(file))
        try base.sync(file)
    }

    /// `flock`.
    public func lock(_ file: FileDescriptor, waiting: Bool) throws(SystemError) -> Bool {
        _ = try admit(.lock, path(file))
        return try base.lock(file, waiting: waiting)
    }

    /// `fstat`.
    public func status(_ file: FileDescriptor) throws(SystemError) -> FileStatus {
        _ = try admit(.status, path(file))
        return try base.status(file)
    }

    /// `fstatat`.
    public func status(_ path: String, followingLinks: Bool) throws(SystemError) -> FileStatus {
        _ = try admit(.status, path)
        return try base.status(path, followingLinks: followingLinks)
    }

    /// `linkat`.
    public func link(_ old: String, _ new: String) throws(SystemError) {
        let fault = try admit(.link, new)
        try base.link(old, new)
        try answer(fault)
    }

    /// `renameat`.
    public func rename(_ old: String, _ new: String) throws(SystemError) {
        let fault = try admit(.rename, new)
        try base.rename(old, new)
        try answer(fault)
    }

    /// `unlinkat`.
    public func unlink(_ path: String) throws(SystemError) {
        let fault = try admit(.unlink, path)
        try base.unlink(path)
        try answer(fault)
    }

    /// `mkdirat`.
    public func makeDirectory(_ path: String) throws(SystemError) {
        let fault = try admit(.makeDirectory, path)
        try base.makeDirectory(path)
        try answer(fault)
    }

    /// `readdir` to the end.
    public func names(in path: String) throws(SystemError) -> [String] {
        _ = try admit(.names, path)
        return try base.names(in: path)
    }
}
