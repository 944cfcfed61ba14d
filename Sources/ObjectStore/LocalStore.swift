import Bytes
import Glibc
import Synchronization

/// Objects as files below one directory: `packs/ab/ab01…` is the file of that path.
///
/// A put writes a new file in `tmp/`, syncs it, links it to its name and syncs the directory that holds the name, and
/// directories that are new are synced into theirs before: so an object that a put returned for survives a power cut,
/// and a name never shows a part of an object. Directories have mode 0700, files 0600.
///
/// Linking is what makes a put if-absent one step for all writers, also in other processes and on other hosts. On a
/// file system without hard links the put holds a lock on `tmp/` while it looks and renames, which is one step only for
/// the processes of hosts that share locks.
public final class LocalStore: ObjectStore {
    /// The directory of unfinished puts.
    static let temporaryDirectory = ObjectName.reserved[0]

    /// For messages.
    public let location: String
    let files: any FileSystem
    let state = Mutex(State())

    struct State {
        /// Directories known to be there after a power cut, "" (the root) among them.
        var durableDirectories: Set<String> = [""]
        /// Whether this store has looked for stale temporary files already.
        var hasSwept = false
    }

    /// A store over any file system; `location` is for messages.
    public init(files: any FileSystem, location: String) {
        self.files = UninterruptedFileSystem(base: files)
        self.location = location
    }

    /// The store in the directory `path`, which must exist; nothing is written by opening it.
    public static func open(path: String) throws -> LocalStore {
        do {
            return LocalStore(files: try LinuxFileSystem(directory: path), location: path)
        } catch let error where error.number == ENOENT || error.number == ENOTDIR {
            let what = error.number == ENOENT ? "the directory does not exist" : "it is not a directory"
            throw CairnError(
                .noRepository, "no repository at \(path): \(what); check the path, or make one with `cairn init`",
                underlying: error)
        } catch {
            throw Failure.generic(error, "cannot open the directory \(path)", object: nil)
        }
    }

    /// Makes the directory `path` and those above it where they are missing, durably, and opens it.
    ///
    /// An existing directory is taken as it is: whether there is a repository in it is for the caller to find out.
    public static func create(path: String) throws -> LocalStore {
        do {
            try makePath(path)
        } catch {
            throw Failure.generic(error, "cannot make the directory \(path)", object: nil)
        }
        return try open(path: path)
    }

    /// `mkdir -p`, each new directory synced into its parent before the next is made.
    ///
    /// A directory that is there already may be what an earlier call left that died before it synced the parent, so the
    /// parent is synced then too, unless it is closed to us, in which case we have not made the directory.
    private static func makePath(_ path: String) throws(SystemError) {
        var trimmed = path[...]
        while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
        let cut = trimmed.lastIndex(of: "/")
        let parent = cut.map { $0 == trimmed.startIndex ? "/" : String(trimmed[..<$0]) } ?? "."
        let name = cut.map { String(trimmed[trimmed.index(after: $0)...]) } ?? String(trimmed)
        if try isDirectory(path) {
            try? LinuxFileSystem(directory: parent).syncDirectory("")
            return
        }
        try makePath(parent)
        let files = try LinuxFileSystem(directory: parent)
        do {
            try files.makeDirectory(name)
        } catch let error where error.number == EEXIST {}
        try files.syncDirectory("")
    }

    private static func isDirectory(_ path: String) throws(SystemError) -> Bool {
        do {
            _ = try LinuxFileSystem(directory: path)
            return true
        } catch let error where error.number == ENOENT {
            return false
        }
    }

    /// As `ObjectStore` asks.
    public func stat(_ name: ObjectName) throws -> ObjectInfo? {
        let status: FileStatus
        do {
            status = try files.status(name.path, followingLinks: true)
        } catch let error where error.isAbsence {
            return nil
        } catch {
            throw failure(error, "cannot look up \(name)", name)
        }
        // A directory where an object should be holds no bytes of it: the object is not there.
        guard status.kind == .file else { return nil }
        return ObjectInfo(name: name, size: status.size, modified: status.modified)
    }

    /// As `ObjectStore` asks.
    public func delete(_ name: ObjectName) throws {
        do {
            try files.unlink(name.path)
            // Deletions have an order too (an index before the packs it names): each is durable before the next.
            try files.syncDirectory(name.parent ?? "")
        } catch let error where error.isAbsence {
            return
        } catch {
            throw failure(error, "cannot delete \(name)", name)
        }
    }
}
