import Bytes
import Synchronization

// Files of unfinished puts. The rule by which they go away, safe beside live writers:
//
// - a writer holds a lock (flock) on its temporary file from its creation until the put ends; the kernel drops the lock
//   when the process dies;
// - the first put of each `LocalStore` looks into `tmp/` and removes every file that was last written an hour or more
//   ago, by the clock of the file system and not of this host, and whose lock it can take.
//
// The lock alone would do on one host; the hour is for network file systems whose hosts do not share locks, and for the
// instant between creation and lock. Should a live writer lose its file nevertheless, its link fails and so its put:
// it never costs an object.

/// A new file in `tmp/`, locked.
struct TemporaryFile: ~Copyable {
    let path: String
    let file: OpenFile
}

extension LocalStore {
    /// How long a temporary file is left alone after its last write, in seconds.
    static let temporaryAge: Int64 = 3600

    /// The name is random: process ids repeat across hosts and containers.
    func makeTemporary() throws(SystemError) -> TemporaryFile {
        let path = "\(Self.temporaryDirectory)/\(RandomID.random().hex)"
        let file = try OpenFile(files, path, .create)
        // A file system without locks is left with the rule of the hour.
        _ = try? files.lock(file.descriptor, waiting: false)
        return TemporaryFile(path: path, file: file)
    }

    /// Removes stale temporary files, once for each store. Errors do not matter: the files cost only space.
    func sweepOnce(reference: borrowing TemporaryFile) {
        let isFirst = state.withLock { state in
            defer { state.hasSwept = true }
            return !state.hasSwept
        }
        guard isFirst, let now = try? files.status(reference.file.descriptor).modified,
            let names = try? files.names(in: Self.temporaryDirectory)
        else { return }
        for name in names {
            let path = "\(Self.temporaryDirectory)/\(name)"
            if path != reference.path { try? sweep(path, now: now) }
        }
    }

    private func sweep(_ path: String, now: Int64) throws(SystemError) {
        let seen = try files.status(path, followingLinks: false)
        guard seen.kind == .file, now - seen.modified >= Self.temporaryAge else { return }
        let file = try OpenFile(files, path, .read)
        guard try files.lock(file.descriptor, waiting: false) else { return }
        try files.unlink(path)
    }
}
