import Bytes
import Glibc

/// What system errors become: the code by which callers decide, and the remedy.
enum Failure {
    /// An error of the store as a whole, or of one object.
    @inline(never)
    static func generic(_ error: SystemError, _ what: String, object: String?) -> CairnError {
        switch error.number {
        case ENOSPC, EDQUOT:
            return CairnError(
                .noSpace, "\(what); free space or raise the quota and run again: what is stored is reused",
                object: object, underlying: error)
        case EACCES, EPERM:
            return CairnError(
                .io, "\(what); run as the user who owns the repository, or change its permissions", object: object,
                underlying: error)
        case EROFS:
            return CairnError(
                .io, "\(what); remount the file system writable, and see the kernel's log for why it is not",
                object: object, underlying: error)
        case EIO:
            return CairnError(
                .io, "\(what); the disk or the network file system is failing, see the kernel's log", object: object,
                underlying: error)
        case EXDEV:
            return CairnError(
                .io, "\(what); all directories of a repository must be on one file system", object: object,
                underlying: error)
        case EMFILE, ENFILE:
            return CairnError(.io, "\(what); raise `ulimit -n`", object: object, underlying: error)
        default:
            return CairnError(.io, what, object: object, underlying: error)
        }
    }

    /// An object that ends before the bytes that were asked of it.
    @inline(never)
    static func truncated(_ name: ObjectName, _ location: String, size: Int, _ range: Range<Int>) -> CairnError {
        CairnError(
            .corrupt,
            "\(name) in \(location) ends at byte \(size), but bytes \(range.lowerBound) to \(range.upperBound) were "
                + "wanted: it is truncated; `cairn check` tells what is affected",
            object: name.path, offset: size)
    }
}

extension SystemError: CustomStringConvertible {
    /// Whether it says that the file is not there.
    var isAbsence: Bool { number == ENOENT || number == ENOTDIR }

    /// The reason in words, then the call and the number.
    public var description: String {
        let reason =
            switch number {
            case ENOENT: "no such file or directory"
            case EEXIST: "it exists already"
            case EACCES: "permission denied"
            case EPERM: "operation not permitted"
            case ENOTDIR: "not a directory"
            case EISDIR: "it is a directory"
            case ENOSPC: "no space left on the device"
            case EDQUOT: "disk quota exceeded"
            case EROFS: "the file system is read-only"
            case EIO: "input/output error"
            case EMFILE, ENFILE: "too many open files"
            case ESTALE: "stale file handle"
            case ELOOP: "too many symbolic links"
            case EFBIG: "file too large"
            case EXDEV: "not on the same file system"
            default: "system error"
            }
        return "\(reason) (\(call), errno \(number))"
    }
}

extension LocalStore {
    /// An error about one object; `what` names it.
    @inline(never)
    func failure(_ error: SystemError, _ what: String, _ name: ObjectName) -> CairnError {
        Failure.generic(error, "\(what) in \(location)", object: name.path)
    }
}

/// A descriptor that is closed when it goes out of scope.
struct OpenFile: ~Copyable {
    let files: any FileSystem
    let descriptor: FileDescriptor

    init(_ files: any FileSystem, _ path: String, _ access: FileAccess) throws(SystemError) {
        self.files = files
        descriptor = try files.open(path, access)
    }

    deinit {
        files.close(descriptor)
    }
}

extension FileSystem {
    /// Makes the names in a directory durable.
    func syncDirectory(_ path: String) throws(SystemError) {
        let directory = try OpenFile(self, path, .directory)
        try sync(directory.descriptor)
    }
}
