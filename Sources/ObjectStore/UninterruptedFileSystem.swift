import Bytes
import Glibc

/// Any file system, with calls repeated while signals interrupt them, so that no caller has to think of `EINTR`.
///
/// Programs with signal handlers see it from writes, reads and locks, and from any call on some network file systems.
struct UninterruptedFileSystem: FileSystem {
    let base: any FileSystem

    /// The tries are bounded so that a file system that answers `EINTR` for ever is an error and not a hang.
    private func repeating<Result>(_ body: () throws(SystemError) -> Result) throws(SystemError) -> Result {
        let triesMax = 100
        for _ in 1..<triesMax {
            do {
                return try body()
            } catch {
                if error.number != EINTR { throw error }
            }
        }
        return try body()
    }

    func open(_ path: String, _ access: FileAccess) throws(SystemError) -> FileDescriptor {
        try repeating { () throws(SystemError) in try base.open(path, access) }
    }

    func close(_ file: FileDescriptor) {
        // Linux has closed the descriptor even when it says EINTR; a second call could close another thread's file.
        base.close(file)
    }

    func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemError) -> Int {
        try repeating { () throws(SystemError) in try base.write(file, bytes) }
    }

    func read(_ file: FileDescriptor, at offset: Int, count: Int, into buffer: Buffer) throws(SystemError) -> Int {
        try repeating { () throws(SystemError) in try base.read(file, at: offset, count: count, into: buffer) }
    }

    func sync(_ file: FileDescriptor) throws(SystemError) {
        try repeating { () throws(SystemError) in try base.sync(file) }
    }

    func lock(_ file: FileDescriptor, waiting: Bool) throws(SystemError) -> Bool {
        try repeating { () throws(SystemError) in try base.lock(file, waiting: waiting) }
    }

    func status(_ file: FileDescriptor) throws(SystemError) -> FileStatus {
        try repeating { () throws(SystemError) in try base.status(file) }
    }

    func status(_ path: String, followingLinks: Bool) throws(SystemError) -> FileStatus {
        try repeating { () throws(SystemError) in try base.status(path, followingLinks: followingLinks) }
    }

    func link(_ old: String, _ new: String) throws(SystemError) {
        try repeating { () throws(SystemError) in try base.link(old, new) }
    }

    func rename(_ old: String, _ new: String) throws(SystemError) {
        try repeating { () throws(SystemError) in try base.rename(old, new) }
    }

    func unlink(_ path: String) throws(SystemError) {
        try repeating { () throws(SystemError) in try base.unlink(path) }
    }

    func makeDirectory(_ path: String) throws(SystemError) {
        try repeating { () throws(SystemError) in try base.makeDirectory(path) }
    }

    func names(in path: String) throws(SystemError) -> [String] {
        try repeating { () throws(SystemError) in try base.names(in: path) }
    }
}
