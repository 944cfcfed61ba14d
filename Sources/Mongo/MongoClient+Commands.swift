public import BSON
internal import Bytes
internal import Glibc

extension MongoClient {
    /// How often a read is tried in all, with `retryDelays` between: enough for an election (about 12 s with default
    /// settings).
    public static let triesMax = retryDelays.count + 1
    /// Milliseconds to wait before the second, third, … try.
    static let retryDelays = [100, 250, 500, 1_000, 2_000, 4_000, 8_000]

    /// Runs a read that may be repeated: transient failures (network, election) are tried again, `triesMax` times in
    /// all.
    public func read(_ command: BSONDocument, db: String, namespace: String? = nil) throws -> Reply {
        try MongoClient.retrying { try run(command, db: db, namespace: namespace) }
    }

    /// Calls `body` until it succeeds, fails for a lasting reason, or `triesMax` is reached.
    ///
    /// - Parameter readsWithCursors: `body` reads only, and starts over: a cursor that was killed is no lasting reason.
    static func retrying<Result>(readsWithCursors: Bool = false, _ body: () throws -> Result) throws -> Result {
        for delay in retryDelays {
            do {
                return try body()
            } catch let error as CairnError {
                guard let cause = error.underlying as? ServerError,
                    cause.isTransient || readsWithCursors && cause.isCursorLost
                else { throw error }
                usleep(UInt32(delay) * 1_000)
            }
        }
        return try body()
    }

    /// Walks all documents of a cursor-returning command (`listCollections`, `listIndexes`, `find`, `aggregate`, …),
    /// batch by batch. For listings: documents of the data path go through `RangeScanner`. Not retried; wrap it in
    /// `retrying` where `body` can start over.
    public func forEachDocument(
        of command: BSONDocument, db: String, namespace: String? = nil, _ body: (DocumentView) throws -> Void
    ) throws {
        var reply = try run(command, db: db, namespace: namespace)
        var batchName = "firstBatch"
        while true {
            let cursor = try reply.withView { view in try MongoClient.walk(view, batchName, body) }
            if cursor.id == 0 { return }
            let more: BSONDocument = ["getMore": .int64(cursor.id), "collection": .string(cursor.collection)]
            reply = try run(more, db: db, namespace: namespace)
            batchName = "nextBatch"
        }
    }

    private static func walk(
        _ reply: DocumentView, _ batchName: String, _ body: (DocumentView) throws -> Void
    ) throws -> (id: Int64, collection: String) {
        guard let cursor = try reply.first(named: "cursor")?.document,
            let batch = try cursor.first(named: batchName)?.document
        else { throw CairnError(.server, "the server's reply has no cursor.\(batchName).") }
        var documents = try DocumentBatch.Array(batch.bytes)
        while let document = try documents.next() { try body(DocumentView(document)) }
        let namespace = try cursor.string("ns") ?? ""
        return (Int64(try cursor.integer("id") ?? 0), Namespace(namespace)?.collection ?? "")
    }

    /// The newest majority-committed point that the pinned node knows (`lastWrite.majorityOpTime` of `hello`); nil on a
    /// standalone.
    ///
    /// A member that has just joined knows none for a moment, which is waited for.
    public func majorityTime() throws -> Timestamp? {
        for _ in 0..<100 {
            let hello = try read(["hello": 1], db: "admin").document()
            guard hello.contains("setName") else { return nil }
            let write = try hello.optional("lastWrite", as: BSONDocument.self, in: "hello")
            let point = try write?.optional("majorityOpTime", as: BSONDocument.self, in: "hello")
            if let time = try point?.optional("ts", as: Timestamp.self, in: "hello"), time.t > 0 { return time }
            usleep(100_000)
        }
        throw CairnError(.server, "\(host) has no majority-committed data yet: try again when the set has settled.")
    }

    /// The newest write that the pinned member has, and the newest that the majority of its replica set has.
    ///
    /// A member that has just joined or started knows neither for a moment, which is waited for.
    /// - Throws: `.server` when the node is not a member of a replica set.
    public func lastWrite() throws -> (newest: OpTime, majority: OpTime) {
        for _ in 0..<100 {
            let hello = try read(["hello": 1], db: "admin")
            let found = try hello.withView { hello in
                (
                    newest: try MongoClient.opTime("opTime", inHello: hello),
                    majority: try MongoClient.opTime("majorityOpTime", inHello: hello),
                    isMember: try hello.string("setName") != nil
                )
            }
            if let newest = found.newest, let majority = found.majority { return (newest, majority) }
            guard found.isMember else { break }
            usleep(100_000)
        }
        throw CairnError(
            .server, "the server does not say what it wrote last: is it still in its replica set?", object: host)
    }

    private static func opTime(_ name: String, inHello hello: DocumentView) throws -> OpTime? {
        guard let write = try hello.first(named: "lastWrite")?.document?.first(named: name)?.document,
            let time = try write.timestamp("ts"), let term = try write.integer("t")
        else { return nil }
        return OpTime(timestamp: time, term: Int64(term))
    }

    /// Whether the oplog has an entry behind `time` that names the collection. Not for collections that transactions
    /// write to: their entries hide inside `applyOps`.
    public func oplogHasEntries(for namespace: Namespace, after time: Timestamp) throws -> Bool {
        let find = BSONDocument { find in
            find.append("find", "oplog.rs")
            find.append("filter", ["ts": ["$gt": .timestamp(time)], "ns": .string(namespace.description)])
            find.append("limit", 1)
            find.append("singleBatch", true)
            find.append("readConcern", ReadConcern.majority)
        }
        return try MongoClient.retrying {
            var found = false
            try forEachDocument(of: find, db: "local", namespace: "local.oplog.rs") { _ in found = true }
            return found
        }
    }

    /// Databases in which collections, views or indexes were defined, changed or dropped behind `time`, by the oplog:
    /// the bytes of their names.
    public func databasesRedefined(after time: Timestamp) throws -> Set<[UInt8]> {
        let commands: BSONValue = [
            "op": "c", "o.applyOps": ["$exists": false], "o.commitTransaction": ["$exists": false],
            "o.abortTransaction": ["$exists": false],
        ]
        let views: BSONValue = ["ns": .regex(pattern: "\\.system\\.views$", options: "")]
        let find = BSONDocument { find in
            find.append("find", "oplog.rs")
            find.append("filter", ["ts": ["$gt": .timestamp(time)], "$or": [commands, views]])
            find.append("projection", ["ns": 1, "o.to": 1])
            find.append("readConcern", ReadConcern.majority)
        }
        return try MongoClient.retrying {
            var databases: Set<[UInt8]> = []
            try forEachDocument(of: find, db: "local", namespace: "local.oplog.rs") { entry in
                let renamed = try entry.first(named: "o")?.document?.string("to")
                for name in [try entry.string("ns"), renamed].compactMap(\.self) {
                    databases.insert(Array(name.utf8.prefix { $0 != UInt8(ascii: ".") }))
                }
            }
            return databases
        }
    }

    /// Makes sure that a collection can be read at a time.
    ///
    /// - Throws: `.snapshotTooOld`; `.snapshotUnavailable` and `.notFound` when it was defined anew since.
    public func requireReadable(_ collection: CollectionInfo, at time: Timestamp) throws {
        let namespace = collection.dataNamespace
        let find = BSONDocument { find in
            find.append("find", collection.uuid.map { .binary(subtype: 4, $0) } ?? .string(namespace.collection))
            find.append("limit", 1)
            find.append("singleBatch", true)
            find.append("projection", ["_id": 1])
            if let concern = ReadConcern.snapshot(at: time) { find.append("readConcern", concern) }
        }
        try MongoClient.retrying {
            try forEachDocument(of: find, db: namespace.db, namespace: namespace.description) { _ in }
        }
    }

    /// The names of all collections, views and time series of a database, buckets and system collections included;
    /// none when there is no such database.
    public func collectionNames(of db: String) throws -> [String] {
        try MongoClient.retrying {
            var names: [String] = []
            try forEachDocument(of: ["listCollections": 1, "nameOnly": true], db: db) {
                if let name = try $0.string("name") { names.append(name) }
            }
            return names
        }
    }

    /// `listDatabases`, sorted by name.
    public func databaseNames() throws -> [String] {
        let reply = try read(["listDatabases": 1, "nameOnly": true], db: "admin")
        return try reply.withView { view in
            guard let databases = try view.first(named: "databases")?.document else { return [] }
            var names: [String] = []
            var elements = try DocumentBatch.Array(databases.bytes)
            while let database = try elements.next() {
                if let name = try DocumentView(database).string("name") { names.append(name) }
            }
            return names.sorted { $0.precedesInBytes($1) }
        }
    }
}
