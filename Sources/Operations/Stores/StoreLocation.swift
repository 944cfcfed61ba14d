internal import Bytes
public import ObjectStore
public import Remote

/// What opens stores beside their location.
public struct StoreSettings: Sendable {
    /// How to reach accounts of Azure.
    public var azure = AzureSettings()
    /// What blobs are made as.
    public var blobs = AzureBlobOptions()
    /// Bytes a second that may go to the store; nil means no limit.
    public var uploadRate: Int?
    /// Bytes a second that may come from the store; nil means no limit.
    public var downloadRate: Int?

    /// Where copies of what is read again and again are kept; nil for none.
    public var cache: CacheSettings?

    /// No limits, no cache, and for Azure what the environment gives.
    public init() {}
}

/// The cache of repositories that are not on this machine.
public struct CacheSettings: Sendable {
    /// The folder that holds a folder for each repository.
    public var folder: String
    /// The most bytes for each repository.
    public var sizeMax: Int

    /// Everything given.
    public init(folder: String, sizeMax: Int) {
        self.folder = folder
        self.sizeMax = sizeMax
    }
}

/// Where a repository lies: a directory, `azblob://ACCOUNT/CONTAINER[/PREFIX]`, or
/// `mongodb[+srv]://HOSTS/DATABASE?OPTIONS`.
///
/// Describes itself without secrets.
public enum StoreLocation: Sendable, CustomStringConvertible {
    /// A directory of a local or mounted file system.
    case directory(String)
    /// A container of Azure Blob Storage.
    case azure(AzureLocation)
    /// A database of a MongoDB deployment; the connection string may hold a password.
    case mongo(uri: String)

    /// Reads a location as a person writes it.
    ///
    /// - Throws: `.usage` for a scheme that is not known, or a malformed location.
    public init(_ text: String) throws {
        guard let end = text.firstRange(of: "://") else {
            self = .directory(text)
            return
        }
        switch text[..<end.lowerBound] {
        case "azblob": self = .azure(try AzureLocation(text))
        case "mongodb", "mongodb+srv": self = .mongo(uri: text)
        case "file": self = .directory(String(text[end.upperBound...]))
        case let scheme:
            throw CairnError(
                .usage,
                "there is no store `\(scheme)://`; a repository lies in a directory, at azblob://ACCOUNT/CONTAINER, or "
                    + "at mongodb://HOSTS/DATABASE")
        }
    }

    /// The location for messages.
    public var description: String {
        switch self {
        case .directory(let path): path
        case .azure(let location): location.description
        case .mongo(let uri): DeploymentAccess.redacted(uri)
        }
    }

    /// Whether it is reached over a network by this program itself.
    public var isRemote: Bool {
        if case .directory = self { return false }
        return true
    }

    /// Whether the text holds a password, which a command line would show to others.
    public var holdsSecret: Bool {
        if case .mongo(let uri) = self { return DeploymentAccess.holdsPassword(uri) }
        return false
    }

    /// Opens the store.
    ///
    /// - Parameter creating: makes the directory or the container where it is missing.
    /// - Throws: `.noRepository` when there is no such directory or container, `.usage`, `.authentication`,
    ///   `.unreachable`, `.io`.
    public func open(_ settings: StoreSettings, creating: Bool = false) throws -> any ObjectStore {
        let store: any ObjectStore
        switch self {
        case .directory(let path):
            store = creating ? try LocalStore.create(path: path) : try LocalStore.open(path: path)
        case .azure(let location):
            let exchange = settings.azure.exchange()
            let access = try settings.azure.access(account: location.account, exchange: exchange)
            let blobs = AzureBlobStore(location, access: access, exchange: exchange, options: settings.blobs)
            if creating { try blobs.makeContainer() }
            store = blobs
        case .mongo(let uri):
            store = try MongoStore.open(uri: uri)
        }
        guard settings.uploadRate != nil || settings.downloadRate != nil else { return store }
        return ThrottledStore(store, uploadRate: settings.uploadRate, downloadRate: settings.downloadRate)
    }
}
