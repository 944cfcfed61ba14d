public import BSON
internal import Bytes

/// Everything in a deployment whose loss a user would notice.
public enum Catalogue {
    /// Lists collections, views and time series with their options and indexes, sorted by namespace.
    ///
    /// Taken: all user databases and `admin`, `<db>.system.js`, `admin.system.users` and `admin.system.roles`; views
    /// and time series by their definition. Not taken: `local` and `config` (the node's and the set's own state), and
    /// the system collections that `SystemNamespaces` names. Names that vanish between the listing and a look at their
    /// indexes are left out.
    ///
    /// - Parameters:
    ///   - connections: how many connections ask for indexes at once.
    ///   - sizes: ask for each collection's size too.
    public static func list(
        _ deployment: MongoDeployment, filter: NamespaceFilter = .all, connections: Int = 4, sizes: Bool = true
    ) throws -> [CollectionInfo] {
        let client = try deployment.checkOut()
        var found: [CollectionInfo] = []
        for db in try client.databaseNames() where !SystemNamespaces.isSkipped(database: db) {
            found += try list(db, client).filter { filter.admits($0.namespace) }
        }
        found.sort { $0.namespace < $1.namespace }
        return try describe(found, deployment, connections: connections, sizes: sizes)
    }

    /// The collections of one database without their indexes.
    static func list(_ db: String, _ client: MongoClient) throws -> [CollectionInfo] {
        try MongoClient.retrying {
            var entries: [Entry] = []
            try client.forEachDocument(of: ["listCollections": 1], db: db) { entries.append(try Entry($0)) }
            return collections(of: db, entries)
        }
    }

    /// One line of `listCollections`.
    private struct Entry {
        let name: String
        let type: String
        let options: BSONDocument
        let uuid: [UInt8]?

        init(_ view: DocumentView) throws {
            name = try view.string("name") ?? ""
            type = try view.string("type") ?? "collection"
            options = try view.owned("options") ?? BSONDocument()
            let info = try view.owned("info") ?? BSONDocument()
            uuid = try info.optional("uuid", as: BSONBinary.self, in: "listCollections")?.bytes
        }
    }

    private static func collections(of db: String, _ entries: [Entry]) -> [CollectionInfo] {
        let prefix = "system.buckets."
        let series = Set(entries.filter { $0.type == "timeseries" }.map { Namespace(db, $0.name) })
        var buckets: [Namespace: [UInt8]] = [:]
        for entry in entries {
            if let name = entry.name.dropping(prefix) { buckets[Namespace(db, name)] = entry.uuid }
        }
        return entries.compactMap { entry in
            let namespace = Namespace(db, entry.name)
            if let name = entry.name.dropping(prefix), series.contains(Namespace(db, name)) { return nil }
            if SystemNamespaces.isSkipped(namespace) || entry.options["temp"] == .bool(true) { return nil }
            let kind = CollectionInfo.Kind(rawValue: entry.type) ?? .collection
            return CollectionInfo(
                namespace: namespace, kind: kind, uuid: entry.uuid ?? buckets[namespace], options: entry.options,
                indexes: [])
        }
    }

    /// Adds indexes (and sizes) with several connections at once: each takes the next collection that nobody has taken.
    private static func describe(
        _ collections: [CollectionInfo], _ deployment: MongoDeployment, connections: Int, sizes: Bool
    ) throws -> [CollectionInfo] {
        let described: [CollectionInfo?] = try Parallel.map(collections, threads: connections, name: "catalogue") {
            try deployment.checkOut()
        } each: { client, info in
            var info = info
            guard info.hasDocuments else { return info }
            do {
                info.indexes = try indexes(of: info.namespace, client)
                if sizes { info.estimate = try estimate(of: info, client) }
                return info
            } catch let error as CairnError where error.code == .notFound {
                return nil
            }
        }
        return described.compactMap { $0 }
    }

    /// `listIndexes` verbatim, without indexes that are being built: those count from their commit on, and a build may
    /// still fail. Servers list them like the others unless they are asked for the build's UUID.
    public static func indexes(of namespace: Namespace, _ client: MongoClient) throws -> [BSONDocument] {
        try MongoClient.retrying {
            var indexes: [BSONDocument] = []
            let command: BSONDocument = [
                "listIndexes": .string(namespace.collection), "includeBuildUUIDs": true,
            ]
            try client.forEachDocument(of: command, db: namespace.db, namespace: namespace.description) {
                let index = try BSONDocument(copying: $0.bytes)
                if !index.contains("buildUUID"), !index.contains("indexBuildInfo") { indexes.append(index) }
            }
            return indexes
        }
    }

    /// Count and raw bytes of the collection that holds the documents, from the server's metadata.
    ///
    /// `dataSize` with `estimate` answers without touching the collection's files; `collStats` opens them, which takes
    /// 20 s for 10,000 collections, and `dbStats` is not in the role `backup`.
    public static func estimate(of info: CollectionInfo, _ client: MongoClient) throws -> CollectionInfo.Estimate {
        let namespace = info.dataNamespace.description
        let reply = try client.read(
            ["dataSize": .string(namespace), "estimate": true], db: info.db, namespace: namespace)
        return try reply.withView { size in
            CollectionInfo.Estimate(
                documents: try size.integer("numObjects") ?? 0, bytes: try size.integer("size") ?? 0)
        }
    }
}

/// Which system namespaces are no part of a user's data.
enum SystemNamespaces {
    /// `local` is the node's own (oplog, start-up log); `config` holds sessions, transactions and caches of a replica
    /// set.
    static func isSkipped(database: String) -> Bool { database == "local" || database == "config" }

    /// Definitions (`system.views`) are kept as views; keys, profiles, pre-images, reshard and drop-pending
    /// collections belong to the server. `admin.system.version` holds the feature compatibility version, which a
    /// restore must not change.
    static func isSkipped(_ namespace: Namespace) -> Bool {
        let name = namespace.collection
        if name == "system.views" || name == "system.profile" || name == "system.preimages" { return true }
        if name == "system.indexBuilds" || name.dropping("system.resharding.") != nil { return true }
        if name.dropping("system.drop.") != nil { return true }
        guard namespace.db == "admin", name.dropping("system.") != nil else { return false }
        return name != "system.users" && name != "system.roles" && name != "system.js"
    }
}
