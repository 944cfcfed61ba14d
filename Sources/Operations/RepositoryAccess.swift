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
    /// - Parameter caching: copies of indexes, snapshots and what leads to documents are kept on this machine, when the
    ///   repository is elsewhere. Not for who checks, removes or rewrites what is there: the store itself counts then.
    /// - Throws: `.noRepository`, `.wrongKey`, `.unsupportedFormat`, `.corrupt`, and what its store throws.
    public func open(caching: Bool = false) throws -> Repository {
        let store = try openStore()
        return try Repository.open(store: store, key: key) { [location, stores] id in
            // A cache that cannot be made or opened is done without.
            guard caching, location.isRemote, let settings = stores.cache,
                let cache = try? ObjectCache(path: "\(settings.folder)/\(id.hex)", sizeMax: settings.sizeMax)
            else { return store }
            return CachingStore(store, cache: cache, folders: Repository.cacheableFolders)
        }
    }

    /// Opens the store without looking for a repository in it. One that is far away is read ahead.
    public func openStore(creating: Bool = false) throws -> any ObjectStore {
        let store = try location.open(stores, creating: creating)
        return location.isRemote ? ReadAheadStore(store) : store
    }

    /// Throws `.noRepository`, `.unsupportedFormat` or `.corrupt` without a key: so that nobody is asked for a
    /// passphrase that would not help.
    public static func probe(location: StoreLocation, stores: StoreSettings) throws {
        _ = try Repository.peek(store: try location.open(stores))
    }
}
