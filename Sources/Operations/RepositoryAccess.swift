public import Archive
internal import Bytes
public import ObjectStore

/// A repository as the user named it: where it is, and what opens it.
public struct RepositoryAccess: Sendable {
    /// Where it lies.
    public var location: StoreLocation
    /// How its store is reached.
    public var stores: StoreSettings
    /// The passphrase or the key file's bytes.
    public var key: KeySource

    /// Access to the repository at that location.
    public init(location: StoreLocation, stores: StoreSettings = StoreSettings(), key: KeySource) {
        self.location = location
        self.stores = stores
        self.key = key
    }

    /// Opens the repository.
    ///
    /// - Throws: `.noRepository`, `.wrongKey`, `.unsupportedFormat`, `.corrupt`, and what its store throws.
    public func open() throws -> Repository {
        try Repository.open(store: try openStore(), key: key)
    }

    /// Opens the store without looking for a repository in it.
    public func openStore(creating: Bool = false) throws -> any ObjectStore {
        try location.open(stores, creating: creating)
    }

    /// Throws `.noRepository`, `.unsupportedFormat` or `.corrupt` without a key: so that nobody is asked for a
    /// passphrase that would not help.
    public static func probe(location: StoreLocation, stores: StoreSettings) throws {
        _ = try Repository.peek(store: try location.open(stores))
    }
}
