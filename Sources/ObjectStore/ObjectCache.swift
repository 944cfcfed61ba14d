import Bytes
import Glibc
import Synchronization

/// Copies of objects in a folder: bounded, shared by any number of processes, and of no consequence when it is lost.
///
/// An entry is a file that appears whole, by renaming. Nothing is synced, and nothing here is trusted by who reads it:
/// what a power cut or a person damages fails to authenticate, as it would in the store. Errors of the disk mean that
/// there is no entry, never that an operation fails.
public final class ObjectCache: Sendable {
    private let files: LinuxFileSystem
    private let store: LocalStore
    private let sizeMax: Int
    /// Bytes that may be added before the folder is measured again.
    private let room = Mutex(0)

    /// The cache in the folder `path`, which is made where it is missing, of at most `sizeMax` bytes: each process
    /// exceeds that by a sixteenth at most.
    ///
    /// - Throws: `.io`.
    public init(path: String, sizeMax: Int) throws {
        precondition(sizeMax > 0, "a cache without room is none")
        _ = try LocalStore.create(path: path)
        do {
            files = try LinuxFileSystem(directory: path, syncs: false)
        } catch {
            throw CairnError(.io, "cannot open the cache", object: path, underlying: error)
        }
        store = LocalStore(files: files, location: path)
        self.sizeMax = sizeMax
    }

    /// Appends an entry to `buffer`.
    ///
    /// - Parameter size: what it must have in bytes; it is dropped when it has another size.
    /// - Returns: whether there is one.
    func read(_ name: ObjectName, size: Int, into buffer: Buffer) -> Bool {
        guard let info = try? store.stat(name) else { return false }
        let start = buffer.count
        guard info.size == size, (try? store.get(name, range: 0..<size, into: buffer)) != nil,
            buffer.count - start == size
        else {
            buffer.truncate(to: start)
            drop(name)
            return false
        }
        // The order of use is kept to the minute: a command that reads thousands of entries need not write as often.
        if Int64(time(nil)) - info.modified >= 60 { try? files.touch(name.path) }
        return true
    }

    /// Keeps an entry, unless it is so large that it would displace all others.
    func keep(_ name: ObjectName, _ bytes: RawSpan) {
        guard bytes.byteCount <= sizeMax / 4 else { return }
        try? store.put(name, bytes, mode: .replace)
        let isFull = room.withLock { room in
            room -= bytes.byteCount
            return room < 0
        }
        if isFull { makeRoom() }
    }

    /// Removes an entry.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    func drop(_ name: ObjectName) -> Bool {
        guard (try? store.stat(name)) != nil else { return false }
        try? store.delete(name)
        return true
    }

    /// Removes the entries whose path begins with `prefix`.
    ///
    /// - Returns: whether there were any.
    func drop(prefix: String) -> Bool {
        var names: [ObjectName] = []
        try? store.list(prefix: prefix) { names.append($0.name) }
        for name in names { try? store.delete(name) }
        return !names.isEmpty
    }

    /// Removes what was not used for longest. Several processes may do so at once: what is gone is gone.
    private func makeRoom() {
        var entries: [ObjectInfo] = []
        try? store.list(prefix: "") { entries.append($0) }
        var total = entries.reduce(0) { $0 + $1.size }
        if total > sizeMax {
            for entry in entries.sorted(by: { ($0.modified, $0.name) < ($1.modified, $1.name) }) {
                if total <= sizeMax - sizeMax / 8 { break }
                try? store.delete(entry.name)
                total -= entry.size
            }
        }
        room.withLock { $0 = min(max(0, sizeMax - total), sizeMax / 16) }
    }
}
