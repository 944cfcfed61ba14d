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
    /// - Returns: the new key's id.
    public func add(label: String, source: () throws -> KeySource) throws -> RandomID {
        let repository = try access.open()
        try repository.requireWritable()
        let id = try repository.addKey(try source(), label: label)
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
        try repository.removeKey(id)
        try repository.appendAudit(
            operation: "key remove", program: Program.name, details: ["key": .string(id.hex)])
        return id
    }
}
