internal import BSON
internal import Bytes
internal import Glibc
internal import Mongo
public import ObjectStore
internal import Synchronization

/// A repository in a database of MongoDB or Atlas.
///
/// Two collections hold it. `cairn.objects` has a small document for each object, whose appearance is the commit;
/// `cairn.parts` the bytes of what is too large to lie in that document, in parts below the server's limit:
///
///     cairn.objects  { _id: "packs/ab/…", size, modified, upload: <16 bytes>, sha256, data? }
///     cairn.parts    { _id: { upload, part: 0… }, at, sha256, data }
///
/// An object's `sha256` is that of its bytes, or of its parts' digests, one behind the other.
///
/// Parts are written first, under a random upload id, so that a reader sees an object whole or not at all and writers
/// of one name do not disturb each other. Every write waits for a majority's journal, every read sees a majority's
/// data. A user with the role `readWrite` on the database suffices. Both collections need no index but that of `_id`;
/// they shard by `{_id: "hashed"}` and `{"_id.upload": "hashed"}`.
public final class MongoStore: ObjectStore {
    let deployment: MongoDeployment
    let database: String
    private let hasSwept = Mutex(false)

    /// The connection string without secrets.
    public var location: String { deployment.redactedURI }
    /// Enough for a line with a round trip of 50 ms to be full of packs.
    public var parallelism: Int { 4 }

    static let objects = "cairn.objects"
    static let parts = "cairn.parts"
    /// Objects up to this size lie in their own document: leases, snapshots and keys, which then cost one command. More
    /// would slow listings down, for which the server reads these documents whole.
    static let inlineMax = 16 << 10
    /// A read of a range fetches whole parts, a write sends several at once.
    static let partSize = 1 << 20
    /// Parts in one command, whose document may have 16 MiB. It is in memory twice, here and in libmongoc: with 12
    /// parts five packs on their way took 300 MiB, with 3 they take 160 at the same speed.
    static let partsPerCommand = 3

    /// Connects to the database that the connection string names.
    ///
    /// - Throws: `.usage` when it names none, and what connecting throws.
    public static func open(uri: String, clientsMax: Int = 32) throws -> MongoStore {
        var options = MongoOptions(access: .store)
        options.clientsMax = clientsMax
        options.socketTimeoutMilliseconds = 300_000
        let deployment = try MongoDeployment.connect(uri: uri, options: options)
        guard let database = MongoStoreLocation.database(uri) else {
            throw CairnError(
                .usage, "the connection string names no database; put one behind the hosts: mongodb://…/cairn",
                object: deployment.redactedURI)
        }
        return MongoStore(deployment: deployment, database: database)
    }

    private init(deployment: MongoDeployment, database: String) {
        self.deployment = deployment
        self.database = database
    }

    /// As `ObjectStore` asks.
    public func stat(_ name: ObjectName) throws -> ObjectInfo? {
        try record(name, withData: false).map { ObjectInfo(name: name, size: $0.size, modified: $0.modified) }
    }

    /// As `ObjectStore` asks: the server sends a few thousand objects at a time.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        try list(prefixes: [prefix], body)
    }

    /// As `ObjectStore` asks, in one command.
    public func list(prefixes: [String], _ body: (ObjectInfo) throws -> Void) throws {
        var found: [ObjectInfo] = []
        let ranges = prefixes.map { prefix -> BSONDocument in
            prefix.isEmpty ? [:] : ["_id": ["$gte": .string(prefix), "$lt": .string(prefix + "\u{10FFFF}")]]
        }
        guard let first = ranges.first else { return }
        let filter = ranges.count == 1 ? first : ["$or": .array(ranges.map { .document($0) })]
        try session { client in
            found.removeAll()
            let find = BSONDocument { find in
                find.append("find", .string(Self.objects))
                find.append("filter", .document(filter))
                find.append("projection", ["size": 1, "modified": 1])
                find.append("batchSize", 5_000)
                find.append("readConcern", ["level": "majority"])
            }
            try client.forEachDocument(of: find, db: database, namespace: namespace(Self.objects)) { view in
                guard let name = (try view.first(named: "_id")?.string).flatMap({ ObjectName($0) }) else { return }
                let record = try ObjectRecord(view, location: location)
                found.append(ObjectInfo(name: name, size: record.size, modified: record.modified))
            }
        }
        for info in found { try body(info) }
    }

    /// As `ObjectStore` asks. The object goes before its parts: what a crash leaves is no object, and swept up later.
    public func delete(_ name: ObjectName) throws {
        let old = try modify(name) { command in
            command.append("remove", true)
        }
        if let old { try removeParts(old) }
        // Packs are deleted by maintenance alone, which has the time for it.
        let isFirst = hasSwept.withLock { swept in
            defer { swept = swept || name.path.hasPrefix("packs/") }
            return !swept && name.path.hasPrefix("packs/")
        }
        if isFirst { _ = try sweep(now: Int64(time(nil))) }
    }

    /// A majority's journal has what was acknowledged.
    public func settle(_ names: [ObjectName]) throws {}

    /// Removes parts that no object refers to and that are older than a day: what writers that died left behind.
    ///
    /// - Returns: how many uploads were removed.
    public func sweep(olderThan seconds: Int64 = 86_400, now: Int64) throws -> Int {
        var uploads: [RandomID: Int64] = [:]
        try forEach(Self.parts, projection: ["at": 1]) { view in
            guard let id = try view.first(named: "_id")?.document,
                let upload = try id.first(named: "upload")?.binary, upload.byteCount == RandomID.byteCount
            else { return }
            uploads[RandomID(upload)] = try view.first(named: "at")?.date ?? 0
        }
        // Objects are read after the parts: one that was committed between the two is seen here.
        try forEach(Self.objects, projection: ["upload": 1]) { view in
            guard let upload = try view.first(named: "upload")?.binary, upload.byteCount == RandomID.byteCount else {
                return
            }
            uploads[RandomID(upload)] = nil
        }
        let abandoned = uploads.filter { $0.value < (now - seconds) * 1_000 }
        for upload in abandoned.keys { try removeParts(of: upload) }
        return abandoned.count
    }

    private func forEach(
        _ collection: String, projection: BSONDocument, _ body: (DocumentView) throws -> Void
    ) throws {
        try session { client in
            let find: BSONDocument = [
                "find": .string(collection), "projection": .document(projection),
                "readConcern": ["level": "majority"],
            ]
            try client.forEachDocument(of: find, db: database, namespace: namespace(collection), body)
        }
    }

    /// Runs what may be repeated with a client of its own.
    func session<Result>(_ body: (MongoClient) throws -> Result) throws -> Result {
        let client = try deployment.checkOut()
        do {
            return try client.repeatingOverElections { try body(client) }
        } catch let error as CairnError where error.code == .cursorLost {
            throw CairnError(.unreachable, error.message, object: error.object, underlying: error.underlying)
        }
    }

    /// How messages call a collection.
    func namespace(_ collection: String) -> String { database + "." + collection }
}

/// The parts of a connection string that the store needs.
enum MongoStoreLocation {
    /// The database between the hosts and the options; nil when there is none.
    static func database(_ uri: String) -> String? {
        let parts = uri.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false)
        // mongodb: // hosts / database
        guard parts.count == 4, !parts[3].isEmpty else { return nil }
        return String(parts[3])
    }
}
