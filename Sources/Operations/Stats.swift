internal import Archive
public import Bytes
internal import ObjectStore

/// Counts what a repository holds and what it saves.
public struct Stats: Sendable {
    /// Objects of one folder.
    public struct Folder: Sendable {
        /// For instance `packs`.
        public var name: String
        /// Their number.
        public var objects: Int
        /// Their bytes.
        public var bytes: Int
    }

    /// Chunks of one type.
    public struct Chunks: Sendable {
        /// `documents`, `leaf lists`, `catalogues`, `oplog entries` or `removals`.
        public var type: String
        /// Their number.
        public var count: Int
        /// Bytes before compression.
        public var rawBytes: Int
        /// Bytes in packs.
        public var storedBytes: Int
    }

    /// Everything that was counted.
    public struct Report: Sendable {
        /// The repository's id.
        public var repository: RandomID
        /// When it was made, in milliseconds since 1970-01-01 UTC.
        public var created: Int64
        /// The objects in the store, by folder.
        public var folders: [Folder]
        /// The chunks in the index, by type.
        public var chunks: [Chunks]
        /// Snapshots.
        public var snapshots: Int
        /// Raw bytes of all snapshots together, as if nothing were shared.
        public var snapshotRawBytes: Int
        /// Raw bytes of the newest snapshot.
        public var newestRawBytes: Int
        /// Memory that the index takes in a backup, in bytes.
        public var indexMemory: Int

        /// Bytes of all objects.
        public var storedBytes: Int { folders.reduce(0) { $0 + $1.bytes } }
    }

    private let access: RepositoryAccess

    /// Prepares to count what is in a repository.
    public init(access: RepositoryAccess) {
        self.access = access
    }

    /// Reads the index and the snapshots, and lists the store; no documents.
    public func run() throws -> Report {
        let repository = try access.open(caching: true)
        let snapshots = try repository.snapshots()
        let index = try repository.loadIndex()
        return Report(
            repository: repository.config.id, created: repository.config.created,
            folders: try Stats.folders(of: repository.store), chunks: Stats.chunks(in: index),
            snapshots: snapshots.count, snapshotRawBytes: snapshots.reduce(0) { $0 + $1.totals.rawBytes },
            newestRawBytes: snapshots.last?.totals.rawBytes ?? 0, indexMemory: index.memoryFootprint)
    }

    private static func folders(of store: any ObjectStore) throws -> [Folder] {
        var folders: [String: Folder] = [:]
        try store.list(prefix: "") { info in
            let name = String(info.name.path.prefix { $0 != "/" })
            var folder = folders[name] ?? Folder(name: name, objects: 0, bytes: 0)
            folder.objects += 1
            folder.bytes += info.size
            folders[name] = folder
        }
        return folders.values.sorted { $0.name < $1.name }
    }

    private static func chunks(in index: ChunkIndex) -> [Chunks] {
        var types: [ChunkType: Chunks] = [:]
        index.forEach { _, location in
            var chunks =
                types[location.type] ?? Chunks(type: name(of: location.type), count: 0, rawBytes: 0, storedBytes: 0)
            chunks.count += 1
            chunks.rawBytes += location.rawCount
            chunks.storedBytes += location.storedCount
            types[location.type] = chunks
        }
        return types.sorted { $0.key.rawValue < $1.key.rawValue }.map { $0.value }
    }

    private static func name(of type: ChunkType) -> String {
        switch type {
        case .documents: "documents"
        case .leafList: "leaf lists"
        case .catalogue: "catalogues"
        case .oplog: "oplog entries"
        case .run: "removals"
        }
    }
}
