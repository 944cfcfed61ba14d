import Bytes
import Glibc
import Synchronization

// The order of a put: new directories (each synced into its parent), temporary file, sync, link, sync of the directory
// of the link. `format-spec.md` builds the order packs, index, snapshot on it.
extension LocalStore {
    /// The most that Linux takes in one write(2).
    private static let writeMax = 0x7fff_f000

    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        do throws(SystemError) {
            try prepareDirectory(Self.temporaryDirectory)
            try prepareDirectory(name.parent ?? "")
            let temporary = try makeTemporary()
            sweepOnce(reference: temporary)
            do throws(SystemError) {
                try fill(temporary.file, bytes)
                try publish(temporary, as: name, mode)
            } catch {
                // Best effort: what stays is swept later.
                try? files.unlink(temporary.path)
                throw error
            }
        } catch let error where error.number == EEXIST {
            throw CairnError(
                .alreadyExists, "\(name) exists already in \(location)", object: name.path, underlying: error)
        } catch {
            throw failure(error, "cannot store \(name) (\(bytes.byteCount) bytes)", name)
        }
    }

    /// Writes all of `bytes`, however short the writes are, and syncs.
    ///
    /// A failed sync is final for this file: Linux reports it once and then calls the lost pages clean, so the put
    /// fails and whoever tries again writes a new file.
    private func fill(_ file: borrowing OpenFile, _ bytes: RawSpan) throws(SystemError) {
        var written = 0
        while written < bytes.byteCount {
            let rest = bytes.extracting(written..<min(bytes.byteCount, written + Self.writeMax))
            let count = try files.write(file.descriptor, rest)
            // A write of nothing that is no error would loop for ever.
            if count == 0 { throw SystemError("write", EIO) }
            written += count
        }
        try files.sync(file.descriptor)
    }

    /// Gives the file its name, durably.
    private func publish(
        _ temporary: borrowing TemporaryFile, as name: ObjectName, _ mode: PutMode
    ) throws(SystemError) {
        let old = temporary.path
        switch mode {
        case .replace:
            try files.rename(old, name.path)
            try files.syncDirectory(name.parent ?? "")
        case .ifAbsent:
            try linkIfAbsent(temporary, to: name)
            do {
                try files.syncDirectory(name.parent ?? "")
            } catch {
                // The name may not last, so the put failed, and a failed put leaves nothing that a later one could
                // mistake for a durable object.
                try? files.unlink(name.path)
                throw error
            }
            try? files.unlink(old)
        }
    }

    private func linkIfAbsent(_ temporary: borrowing TemporaryFile, to name: ObjectName) throws(SystemError) {
        let old = temporary.path
        do {
            try files.link(old, name.path)
        } catch {
            switch error.number {
            case EEXIST:
                // Over NFS a link that was made can be answered with EEXIST, when the answer was lost and the call
                // repeated (open(2), O_EXCL); the count of links tells.
                if try files.status(temporary.file.descriptor).links == 2 { return }
                throw error
            case EPERM, EOPNOTSUPP, ENOSYS, EMLINK:
                try renameIfAbsent(old, name)
            default:
                throw error
            }
        }
    }

    /// For file systems without hard links.
    private func renameIfAbsent(_ old: String, _ name: ObjectName) throws(SystemError) {
        let directory = try OpenFile(files, Self.temporaryDirectory, .directory)
        _ = try files.lock(directory.descriptor, waiting: true)
        do {
            _ = try files.status(name.path, followingLinks: false)
        } catch let error where error.number == ENOENT {
            return try files.rename(old, name.path)
        }
        throw SystemError("rename", EEXIST)
    }

    /// Syncs the directories that hold the names, up to the root. The files themselves were synced before they were
    /// linked to their names.
    public func settle(_ names: [ObjectName]) throws {
        var directories: Set<String> = []
        for name in names {
            var directory = name.parent ?? ""
            while directories.insert(directory).inserted, !directory.isEmpty { directory = Self.parent(of: directory) }
        }
        do {
            for directory in directories { try files.syncDirectory(directory) }
        } catch {
            throw Failure.generic(error, "cannot make the objects in \(location) durable", object: nil)
        }
    }

    private static func parent(of path: String) -> String {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? ""
    }

    /// Makes a directory and those above it unless they are known to be there, and to be there after a power cut.
    ///
    /// A directory that exists may have been made by another process an instant ago and not be synced yet. So the first
    /// look at any directory syncs its parent; all its siblings that existed before that sync are then known as well,
    /// which keeps the 256 directories of packs at one sync for each process, not one each.
    private func prepareDirectory(_ path: String) throws(SystemError) {
        if state.withLock({ $0.durableDirectories.contains(path) }) { return }
        let parent = Self.parent(of: path)
        try prepareDirectory(parent)
        do {
            try files.makeDirectory(path)
        } catch let error where error.number == EEXIST {}
        let siblings = try files.names(in: parent)
        try files.syncDirectory(parent)
        state.withLock { state in
            for name in siblings {
                state.durableDirectories.insert(parent.isEmpty ? name : "\(parent)/\(name)")
            }
        }
    }
}
