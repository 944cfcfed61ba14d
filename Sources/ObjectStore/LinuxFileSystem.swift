public import Bytes
import CLinux
import Glibc

/// The system calls themselves, relative to a directory that is held open.
///
/// Holding the directory means that a disk that is unmounted or a directory that is renamed in the middle of a backup
/// does not turn later paths into files somewhere else. All of the module's unsafe code is here.
public final class LinuxFileSystem: FileSystem {
    private let root: Int32
    private let syncs: Bool

    /// Opens the directory `path`. With `syncs` false nothing is made durable: for what may be lost at any time.
    public init(directory path: String, syncs: Bool = true) throws(SystemError) {
        self.syncs = syncs
        root = unsafe try check("open", Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    }

    deinit {
        _ = Glibc.close(root)
    }

    /// `openat`.
    public func open(_ path: String, _ access: FileAccess) throws(SystemError) -> FileDescriptor {
        let flags =
            switch access {
            case .read: O_RDONLY
            case .create: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
            case .directory: O_RDONLY | O_DIRECTORY
            }
        let number = unsafe openat(root, path.isEmpty ? "." : path, flags | O_CLOEXEC | O_NOCTTY, 0o600)
        return FileDescriptor(number: try check("open", number))
    }

    /// `close`.
    public func close(_ file: FileDescriptor) {
        _ = Glibc.close(file.number)
    }

    /// `write`; around the page cache where that is possible.
    public func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemError) -> Int {
        if let count = writeDirect(file, bytes) { return count }
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file.number, $0.baseAddress, $0.count) }
        return try check("write", count)
    }

    /// Writes the whole pages of a large span around the page cache; nil when that is not possible.
    ///
    /// What a backup writes it does not read again soon: in the page cache it would displace what mongod keeps there,
    /// and the copy cost about a tenth of a backup's CPU time. Refusals (alignment, a file system without direct I/O, a
    /// full disk) are left to the ordinary write, which succeeds or says why.
    private func writeDirect(_ file: FileDescriptor, _ bytes: RawSpan) -> Int? {
        let wholePages = bytes.byteCount & ~(Self.pageSize - 1)
        guard wholePages >= Self.directMin, cairn_set_direct(file.number, 1) == 0 else { return nil }
        defer { _ = cairn_set_direct(file.number, 0) }
        let count = unsafe bytes.withUnsafeBytes { memory -> Int in
            guard Int(bitPattern: memory.baseAddress) % Self.pageSize == 0 else { return -1 }
            return unsafe Glibc.write(file.number, memory.baseAddress, wholePages)
        }
        return count > 0 ? count : nil
    }

    /// The alignment that every common block device is content with.
    private static let pageSize = 4096
    /// Below this, the page cache is cheaper than waiting for the device twice.
    private static let directMin = 1 << 20

    /// `pread`.
    public func read(
        _ file: FileDescriptor, at offset: Int, count: Int, into buffer: Buffer
    ) throws(SystemError) -> Int {
        let before = buffer.count
        var failure: Int32 = 0
        unsafe buffer.appendUninitialized(upTo: count) { memory in
            let got = unsafe pread(file.number, memory.baseAddress, count, offset)
            if got < 0 { failure = errno }
            return max(got, 0)
        }
        if failure != 0 { throw SystemError("read", failure) }
        return buffer.count - before
    }

    /// `fsync`.
    public func sync(_ file: FileDescriptor) throws(SystemError) {
        if syncs { _ = try check("fsync", fsync(file.number)) }
    }

    /// `flock`.
    public func lock(_ file: FileDescriptor, waiting: Bool) throws(SystemError) -> Bool {
        do {
            _ = try check("flock", flock(file.number, waiting ? LOCK_EX : LOCK_EX | LOCK_NB))
            return true
        } catch let error where error.number == EWOULDBLOCK {
            return false
        }
    }

    /// `fstat`.
    public func status(_ file: FileDescriptor) throws(SystemError) -> FileStatus {
        var result = Glibc.stat()
        _ = try check("stat", unsafe fstat(file.number, &result))
        return FileStatus(result)
    }

    /// `fstatat`.
    public func status(_ path: String, followingLinks: Bool) throws(SystemError) -> FileStatus {
        var result = Glibc.stat()
        let flags = followingLinks ? 0 : AT_SYMLINK_NOFOLLOW
        _ = try check("stat", unsafe fstatat(root, path.isEmpty ? "." : path, &result, flags))
        return FileStatus(result)
    }

    /// `linkat`.
    public func link(_ old: String, _ new: String) throws(SystemError) {
        _ = try check("link", unsafe linkat(root, old, root, new, 0))
    }

    /// `renameat`.
    public func rename(_ old: String, _ new: String) throws(SystemError) {
        _ = try check("rename", unsafe renameat(root, old, root, new))
    }

    /// `unlinkat`.
    public func unlink(_ path: String) throws(SystemError) {
        _ = try check("unlink", unsafe unlinkat(root, path, 0))
    }

    /// `utimensat`: from now on the content counts as changed just now.
    func touch(_ path: String) throws(SystemError) {
        _ = try check("utimensat", unsafe utimensat(root, path, nil, 0))
    }

    /// `mkdirat`.
    public func makeDirectory(_ path: String) throws(SystemError) {
        _ = try check("mkdir", unsafe mkdirat(root, path, 0o700))
    }

    /// `readdir` to the end.
    public func names(in path: String) throws(SystemError) -> [String] {
        let file = try open(path, .directory)
        guard let stream = unsafe fdopendir(file.number) else {
            let failure = SystemError("opendir", errno)
            close(file)
            throw failure
        }
        // The stream owns the descriptor now.
        defer { _ = unsafe closedir(stream) }
        var names: [String] = []
        while true {
            // Null means both end and error; only errno tells them apart (readdir(3)).
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                if errno != 0 { throw SystemError("readdir", errno) }
                return names
            }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                // A name that is not UTF-8 is repaired to one that no object has, and so is passed over.
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }
}

extension FileStatus {
    fileprivate init(_ status: Glibc.stat) {
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            default: .other
            }
        self.init(
            kind: kind, size: Int(status.st_size), modified: Int64(status.st_mtim.tv_sec), links: Int(status.st_nlink))
    }
}

/// The result of a call, or its error; must follow the call at once, because errno does not last.
private func check<Result: SignedInteger>(_ call: String, _ result: Result) throws(SystemError) -> Result {
    if result >= 0 { return result }
    throw SystemError(call, errno)
}
