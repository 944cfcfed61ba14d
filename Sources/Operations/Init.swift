internal import Archive
internal import BSON
public import Bytes
internal import ObjectStore

/// Makes a repository.
public struct Init: Sendable {
    /// What was made.
    public struct Report: Sendable {
        /// The repository's id.
        public var id: RandomID
        /// The directory.
        public var location: String
        /// The id of its first key.
        public var key: RandomID
        /// Its format version.
        public var formatVersion: Int
    }

    private let access: RepositoryAccess
    private let keyLabel: String

    /// Prepares a repository at a place, with its first key and what that key is called.
    public init(access: RepositoryAccess, keyLabel: String) {
        self.access = access
        self.keyLabel = keyLabel
    }

    /// Makes the directory where it is missing, and the repository in it.
    ///
    /// - Throws: `.alreadyExists` when there is one.
    public func run() throws -> Report {
        let store = try access.openStore(creating: true)
        let repository = try Repository.create(
            store: store, parameters: RepositoryParameters(keyLabel: keyLabel), key: access.key)
        try repository.appendAudit(operation: "init", program: Program.name, details: BSONDocument())
        return Report(
            id: repository.config.id, location: access.location.description, key: repository.openedBy,
            formatVersion: Int(FormatVersion.current))
    }
}
