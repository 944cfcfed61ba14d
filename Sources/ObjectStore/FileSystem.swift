public import Bytes

/// A failed system call: what was called, and its `errno`.
public struct SystemError: Error, Hashable, Sendable {
    /// The call, for example `fsync`.
    public let call: String
    /// The error number, for example `EIO`.
    public let number: Int32

    /// Everything given.
    public init(_ call: String, _ number: Int32) {
        self.call = call
        self.number = number
    }
}

/// An open file of a `FileSystem`; whoever opened it closes it.
public struct FileDescriptor: Hashable, Sendable {
    /// The number that the file system gave it.
    public let number: Int32

    /// Wraps a number.
    public init(number: Int32) {
        self.number = number
    }
}

/// How a file is opened.
public enum FileAccess: Sendable {
    /// A file, to be read.
    case read
    /// A new file, mode 0600, to be written; fails with `EEXIST`.
    case create
    /// A directory, to be synced or listed; fails with `ENOTDIR`.
    case directory
}

/// What `stat` tells of a file.
public struct FileStatus: Hashable, Sendable {
    /// The kinds of files that make a difference.
    public enum Kind: Sendable {
        /// An ordinary file.
        case file
        /// A directory.
        case directory
        /// A symbolic link (seen only when links are not followed), device, socket or pipe.
        case other
    }

    /// What it is.
    public let kind: Kind
    /// Size in bytes.
    public let size: Int
    /// Last change of the content, in seconds since 1970-01-01 UTC.
    public let modified: Int64
    /// How many directory entries name it; 0 when it was removed.
    public let links: Int

    /// Everything given.
    public init(kind: Kind, size: Int, modified: Int64, links: Int) {
        self.kind = kind
        self.size = size
        self.modified = modified
        self.links = links
    }
}

/// The system calls that `LocalStore` makes, and nothing more, on the files below one directory.
///
/// This is the seam at which tests fail, freeze or cut off the n-th call, and behind which they simulate a disk that
/// forgets what was not synced. Each function is one call, as the manual pages describe it, with all its freedom: a
/// write may be short, any call may fail with `EINTR`. Paths are relative to the directory; the empty path is the
/// directory itself. Calls may come from several threads.
public protocol FileSystem: Sendable {
    /// `openat`.
    func open(_ path: String, _ access: FileAccess) throws(SystemError) -> FileDescriptor
    /// `close`; nothing depends on its result, because what must last was synced before.
    func close(_ file: FileDescriptor)
    /// `write`: returns how many bytes of `bytes` it took, at least one.
    func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemError) -> Int
    /// `pread`: appends up to `count` bytes from `offset` on to `buffer`, returns how many; 0 at the end of the file.
    func read(_ file: FileDescriptor, at offset: Int, count: Int, into buffer: Buffer) throws(SystemError) -> Int
    /// `fsync` of a file or directory.
    func sync(_ file: FileDescriptor) throws(SystemError)
    /// `flock(LOCK_EX)`, released by `close`; false when another holds it and `waiting` is false.
    func lock(_ file: FileDescriptor, waiting: Bool) throws(SystemError) -> Bool
    /// `fstat`.
    func status(_ file: FileDescriptor) throws(SystemError) -> FileStatus
    /// `fstatat`.
    func status(_ path: String, followingLinks: Bool) throws(SystemError) -> FileStatus
    /// `linkat`: fails with `EEXIST` when `new` is taken.
    func link(_ old: String, _ new: String) throws(SystemError)
    /// `renameat`: `new` is replaced.
    func rename(_ old: String, _ new: String) throws(SystemError)
    /// `unlinkat`.
    func unlink(_ path: String) throws(SystemError)
    /// `mkdirat`, mode 0700.
    func makeDirectory(_ path: String) throws(SystemError)
    /// `readdir` to the end: all names in a directory but `.` and `..`. Fails rather than return a part.
    func names(in path: String) throws(SystemError) -> [String]
}
