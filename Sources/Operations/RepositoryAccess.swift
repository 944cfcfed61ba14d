public import Archive
internal import Bytes
internal import ObjectStore

/// A repository as the user named it: where it is, and what opens it.
public struct RepositoryAccess: Sendable {
    /// The directory.
    public var location: String
    /// The passphrase or the key file's bytes.
    public var key: KeySource

    /// Access to the repository in a directory.
    public init(location: String, key: KeySource) {
        self.location = location
        self.key = key
    }

    /// Opens the repository.
    ///
    /// - Throws: `.noRepository`, `.wrongKey`, `.unsupportedFormat`, `.corrupt`, `.io`.
    public func open() throws -> Repository {
        try Repository.open(store: try LocalStore.open(path: location), key: key)
    }

    /// Throws `.noRepository`, `.unsupportedFormat` or `.corrupt` without a key: so that nobody is asked for a
    /// passphrase that would not help.
    public static func probe(location: String) throws {
        _ = try Repository.peek(store: try LocalStore.open(path: location))
    }
}
