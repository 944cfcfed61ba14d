import Glibc

// A listing decides what is deleted, so it is complete or it throws. A directory that was never made is the one thing
// that may be missing, and only while the root is there and nothing points to where the directory should be: a broken
// symbolic link is a disk that is not mounted, not an empty store.
extension LocalStore {
    /// As `ObjectStore` asks.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        let directory = prefix.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(prefix[..<$0]) } ?? ""
        guard directory.isEmpty || ObjectName(directory) != nil else { return }
        do {
            guard try files.status("", followingLinks: true).links > 0 else { throw SystemError("stat", ENOENT) }
            try walk(directory, prefix: prefix, depth: 0, body)
        } catch let error as SystemError {
            let place = directory.isEmpty ? location : "\(location)/\(directory)"
            throw Failure.generic(error, "cannot list \(place) completely", object: nil)
        }
    }

    private func walk(
        _ directory: String, prefix: String, depth: Int, _ body: (ObjectInfo) throws -> Void
    ) throws {
        for name in try names(in: directory, mayBeVacant: depth == 0) {
            let path = directory.isEmpty ? name : "\(directory)/\(name)"
            let isWanted = path.hasPrefix(prefix)
            guard let object = ObjectName(path), isWanted || prefix.hasPrefix("\(path)/") else { continue }
            guard let status = try statusUnlessVacant(path) else { continue }
            switch status.kind {
            case .file:
                if isWanted { try body(ObjectInfo(name: object, size: status.size, modified: status.modified)) }
            case .directory:
                try walk(path, prefix: prefix, depth: depth + 1, body)
            case .other:
                continue
            }
        }
    }

    private func names(in directory: String, mayBeVacant: Bool) throws(SystemError) -> [String] {
        do {
            return try files.names(in: directory)
        } catch {
            if mayBeVacant, error.number == ENOENT, try isVacant(directory) { return [] }
            throw error
        }
    }

    /// Nil for an object that was deleted since the directory was read.
    private func statusUnlessVacant(_ path: String) throws(SystemError) -> FileStatus? {
        do {
            return try files.status(path, followingLinks: true)
        } catch {
            if error.number == ENOENT, try isVacant(path) { return nil }
            throw error
        }
    }

    /// Whether nothing is at `path` because a part of it was never made. A part that is there and leads nowhere, a
    /// broken symbolic link, is no absence.
    private func isVacant(_ path: String) throws(SystemError) -> Bool {
        var end = path.startIndex
        while end < path.endIndex {
            end = path[end...].dropFirst().firstIndex(of: "/") ?? path.endIndex
            do {
                _ = try files.status(String(path[..<end]), followingLinks: false)
            } catch let error where error.number == ENOENT {
                return true
            }
            do {
                _ = try files.status(String(path[..<end]), followingLinks: true)
            } catch let error where error.number == ENOENT {
                return false
            }
        }
        return false
    }
}
