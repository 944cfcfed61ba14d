public import Archive
internal import BSON
public import Bytes

/// Lists, adds and removes the keys that open a repository.
public struct Keys: Sendable {
    /// The keys, and what is wrong with key objects that cannot be used.
    public struct Report: Sendable {
        /// The usable keys, oldest first.
        public var keys: [KeyDescription]
        /// What is wrong with the others.
        public var damaged: [CairnError]
    }

    private let access: RepositoryAccess

    /// Prepares to work on the keys of a repository, which one of them opens.
    public init(access: RepositoryAccess) {
        self.access = access
    }

    /// Lists the keys.
    public func list() throws -> Report {
        let repository = try access.open()
        var damaged: [CairnError] = []
        let keys = try repository.listKeys { damaged.append($0) }
        return Report(keys: keys, damaged: damaged)
    }

    /// Adds a key; `source` is asked for once the repository is open.
    ///
    /// - Throws: `.held` while there is maintenance.
    /// - Returns: the new key's id.
    public func add(label: String, source: () throws -> KeySource) throws -> RandomID {
        let repository = try access.open()
        try repository.requireWritable()
        let source = try source()
        // The lease keeps rotation out, which would not know of this key. Not before the source: a person may be asked.
        let lease = try Lease.acquire(.writer, in: repository, note: "key add")
        defer { lease.release() }
        let id = try repository.addKey(source, label: label)
        try repository.appendAudit(
            operation: "key add", program: Program.name,
            details: ["key": .string(id.hex), "label": .string(label)])
        return id
    }

    /// Removes the key whose id begins with `prefix`.
    ///
    /// - Throws: `.notFound`; `.usage` when several begin so, and for the last key.
    /// - Returns: its id.
    public func remove(prefix: String) throws -> RandomID {
        let repository = try access.open()
        let wanted = prefix.lowercased()
        let candidates = try repository.listKeys().map(\.id).filter { $0.hex.hasPrefix(wanted) }
        guard let id = candidates.first, !wanted.isEmpty else {
            throw CairnError(.notFound, "no key has an id that begins with \(prefix): `cairn key list` shows them")
        }
        guard candidates.count == 1 else {
            throw CairnError(.usage, "\(candidates.count) keys have an id that begins with \(prefix); give more digits")
        }
        let lease = try Lease.acquire(.writer, in: repository, note: "key remove")
        defer { lease.release() }
        try repository.removeKey(id)
        try repository.appendAudit(
            operation: "key remove", program: Program.name, details: ["key": .string(id.hex)])
        return id
    }

    /// Changes the master key for everything that is written from now on. What was written before stays readable, also
    /// to those who kept the old one.
    ///
    /// - Parameters:
    ///   - others: passphrases and key files that shall go on opening the repository, beside the one that opens it now.
    ///   - revokesOthers: whether all other keys go.
    /// - Throws: `.held` when any other job is at work; `.usage` naming the keys whose secrets are missing.
    public func rotate(others: [KeySource], revokesOthers: Bool) throws -> KeyRotation {
        let repository = try access.open()
        let lease = try Lease.acquire(.maintenance, in: repository, note: "key rotate")
        defer { lease.release() }
        let rotation = try repository.rotateKeys(
            keeping: [access.key] + others, revokesOthers: revokesOthers, under: lease)
        let epoch = Int64(rotation.repository.keys.currentEpoch)
        try rotation.repository.appendAudit(
            operation: "key rotate", program: Program.name,
            details: [
                "epoch": .int64(epoch), "keys": .array(rotation.added.map { .string($0.hex) }),
                "revoked": .array(rotation.revoked.map { .string($0.hex) }),
            ])
        return rotation
    }
}
