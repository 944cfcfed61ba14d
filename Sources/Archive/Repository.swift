public import Bytes
public import ObjectStore

/// An unlocked repository: a store, what its `config` says, and its keys. Safe to use from several threads.
///
/// It reads and writes objects; who may do so when (`Lease`), and what must be durable before what
/// (format-spec.md §11 [W-1]), is the business of the operations built on it.
public final class Repository: Sendable {
    /// Where the objects are.
    public let store: any ObjectStore
    /// What the repository is.
    public let config: RepositoryConfig
    /// Its keys.
    public let keys: KeyRing
    /// The key object that it was opened with.
    public let openedBy: RandomID
    /// The key objects that were read when it was opened, none of which wraps more master keys than `keys` has.
    let knownKeys: Set<RandomID>
    let surroundings: Surroundings

    init(
        store: any ObjectStore, config: RepositoryConfig, keys: KeyRing, openedBy: RandomID,
        knownKeys: Set<RandomID> = [], surroundings: Surroundings
    ) {
        self.store = store
        self.config = config
        self.keys = keys
        self.openedBy = openedBy
        self.knownKeys = knownKeys
        self.surroundings = surroundings
    }

    /// Milliseconds since 1970-01-01 UTC, by this machine's clock.
    public func now() -> Int64 { surroundings.now() }

    /// A fresh id for an object.
    public func newID() -> RandomID { surroundings.randomID() }

    /// A builder of packs for one worker.
    ///
    /// - Parameter effort: that with which all chunks are encoded or were tried, when it is the same for all.
    public func makePackBuilder(effort: Int? = nil) -> PackBuilder {
        PackBuilder(keys: keys, surroundings: surroundings, level: effort)
    }

    /// Whether chunks may be encoded in columns. format-spec.md §10.1 [V-8].
    public var hasColumns: Bool { config.incompatibleFeatures & FormatVersion.columnsFeature != 0 }

    /// The repository with columns allowed, for one that was made before there were any.
    ///
    /// - Parameter stored: Whether its `config` is replaced, so that older programs refuse it from now on; false is for
    ///   finding out what would be.
    /// - Throws: what the store throws.
    func withColumns(stored: Bool) throws -> Repository {
        guard !hasColumns else { return self }
        var config = config
        config.incompatibleFeatures |= FormatVersion.columnsFeature
        if stored {
            let encoded = config.encode(verificationKey: keys.verificationKey)
            try store.put(Names.config, encoded.bytes, mode: .replace)
        }
        return Repository(store: store, config: config, keys: keys, openedBy: openedBy, surroundings: surroundings)
    }

    /// What index objects note of packs whose chunks were encoded at a zstd level. format-spec.md §8 [I-3].
    func effort(ofLevel level: Int) -> Int { hasColumns ? level + PackContents.columnsEffort : level }

    /// A compressor of chunks for one thread.
    func makeChunkCompressor(level: Int) -> ChunkCompressor { ChunkCompressor(level: level, columns: hasColumns) }

    /// An opener of chunks for one thread.
    public func makeChunkOpener() -> ChunkOpener { ChunkOpener(keys: keys) }

    /// A codec of small objects for one thread.
    func makeSealedObjects() -> SealedObjects { SealedObjects(keys: keys, surroundings: surroundings) }

    /// Throws unless this program may write to a repository of this format. format-spec.md §10.1 [V-5].
    public func requireWritable() throws {
        guard config.isWritable else {
            throw CairnError(
                .unsupportedFormat,
                "the repository asks for format version \(config.writeVersion) of those who write to it, this program "
                    + "has \(FormatVersion.current): it can be read, but not changed; use a newer program",
                object: Names.configText)
        }
    }
}

/// What a new repository is made with.
public struct RepositoryParameters: Sendable {
    /// How streams of documents are chunked.
    public var documentChunks: ChunkSizes
    /// How leaf lists and catalogues are chunked.
    public var metadataChunks: ChunkSizes
    /// The cost of the passphrase; unused for key files.
    public var passphraseCost: PassphraseCost
    /// What `key list` calls the first key; at most 256 bytes.
    public var keyLabel: String
    /// Whether chunks may be encoded in columns; false makes what programs before columns made.
    var columns = true

    /// The standard ones, unless told otherwise.
    public init(
        documentChunks: ChunkSizes = .documents, metadataChunks: ChunkSizes = .metadata,
        passphraseCost: PassphraseCost = .standard, keyLabel: String = "first key"
    ) {
        self.documentChunks = documentChunks
        self.metadataChunks = metadataChunks
        self.passphraseCost = passphraseCost
        self.keyLabel = keyLabel
    }
}

extension Repository {
    /// Makes a repository in `store`: its first key object, then its `config`, whose presence is the commit.
    ///
    /// - Throws: `.alreadyExists` when there is a repository, or what could be the rest of one.
    public static func create(
        store: any ObjectStore, parameters: RepositoryParameters = RepositoryParameters(), key: KeySource
    ) throws -> Repository {
        try create(store: store, parameters: parameters, key: key, surroundings: .system)
    }

    static func create(
        store: any ObjectStore, parameters: RepositoryParameters, key: KeySource, surroundings: Surroundings
    ) throws -> Repository {
        try requireNoRepository(store)
        let masterBytes = surroundings.random(32)
        let config = RepositoryConfig(
            id: surroundings.randomID(), created: surroundings.now(), documentChunks: parameters.documentChunks,
            metadataChunks: parameters.metadataChunks, features: parameters.columns ? FormatVersion.columnsFeature : 0)
        let keys = KeyRing(masters: [SecretBytes(copying: masterBytes.rawSpan)], repository: config.id)
        let keyID = surroundings.randomID()
        let keyObject = try KeyObject.make(
            id: keyID, source: key, keys: keys, label: parameters.keyLabel, created: config.created,
            salt: surroundings.random(KeyObject.saltSize), cost: parameters.passphraseCost)
        try store.put(Names.key(keyID), keyObject.bytes, mode: .ifAbsent)
        let encoded = config.encode(verificationKey: keys.verificationKey)
        // Should this fail, the key object stays: the put may have taken effect all the same, and readers pass over
        // a key object that is not of their repository.
        try store.put(Names.config, encoded.bytes, mode: .ifAbsent)
        return Repository(store: store, config: config, keys: keys, openedBy: keyID, surroundings: surroundings)
    }

    /// A store with data but without `config` is a damaged repository: making a new one there would bury it.
    private static func requireNoRepository(_ store: any ObjectStore) throws {
        guard try store.stat(Names.config) == nil else {
            throw CairnError(.alreadyExists, "\(store.location) holds a repository already", object: Names.configText)
        }
        for folder in ["packs/", "indexes/", "snapshots/", "segments/"] {
            var found: ObjectName?
            try store.list(prefix: folder) { found = $0.name }
            guard let found else { continue }
            throw CairnError(
                .alreadyExists,
                "\(store.location) holds objects of a repository whose config is missing: restore "
                    + "the config from a copy, or choose an empty place", object: found.path)
        }
    }

    /// Opens the repository in `store`.
    ///
    /// - Parameter decorating: makes of the repository's id the store that it is used through from then on.
    /// - Throws: `.noRepository` when there is none; `.unsupportedFormat` naming the version or feature, before any key
    ///   is tried; `.wrongKey` when no key object opens, all having been tried; `.corrupt`.
    public static func open(
        store: any ObjectStore, key: KeySource, decorating: ((RandomID) -> any ObjectStore)? = nil
    ) throws -> Repository {
        try open(store: store, key: key, surroundings: .system, decorating: decorating)
    }

    static func open(
        store: any ObjectStore, key: KeySource, surroundings: Surroundings,
        decorating: ((RandomID) -> any ObjectStore)? = nil
    ) throws -> Repository {
        let bytes = try readConfig(store)
        let config = try RepositoryConfig(bytes.bytes)
        let unlocked = try KeyStore.unlock(store, repository: config.id, with: key)
        try RepositoryConfig.authenticate(bytes.bytes, verificationKey: unlocked.keys.verificationKey)
        return Repository(
            store: decorating?(config.id) ?? store, config: config, keys: unlocked.keys, openedBy: unlocked.by,
            knownKeys: unlocked.known,
            surroundings: surroundings)
    }

    /// What `config` claims, read without a key and thus not authenticated.
    ///
    /// - Throws: `.noRepository`, `.unsupportedFormat`, `.corrupt`.
    public static func peek(store: any ObjectStore) throws -> RepositoryConfig {
        let bytes = try readConfig(store)
        return try RepositoryConfig(bytes.bytes)
    }

    private static func readConfig(_ store: any ObjectStore) throws -> Buffer {
        let buffer = Buffer(capacity: 4 << 10)
        do {
            try store.get(Names.config, sizeMax: FormatLimits.configSizeMax, into: buffer)
        } catch let error as CairnError where error.code == .notFound {
            throw CairnError(
                .noRepository, "no repository at \(store.location): `cairn init` makes one", object: Names.configText)
        }
        return buffer
    }
}
