public import BSON
public import Bytes

/// Makes collections, views, time series and indexes on a target, as `CollectionInfo` describes them.
///
/// Fences: while data goes in, the target must neither refuse nor expire documents. `create` therefore leaves the
/// expiry of time-series and clustered collections out, and `liftFences` adds it at the end. Validators are made at
/// once: `BulkInserter` bypasses them, and `collMod` would add options to them that the source's do not have.
public struct CatalogueRestorer {
    let client: MongoClient
    /// `{w: …}` for DDL, nil for the server's default.
    let writeConcern: BSONDocument?

    /// A restorer for the client's node, the primary.
    public init(client: MongoClient, writeConcern: BSONDocument? = nil) {
        self.client = client
        self.writeConcern = writeConcern
    }

    /// Options that `create` leaves out and `liftFences` sets: the expiry of collections that have no TTL index for it.
    private static let fenced: Set<String> = ["expireAfterSeconds"]
    /// Options that the server reports but does not take: `temp` marks collections that a restart drops.
    private static let reportedOnly: Set<String> = ["temp"]

    /// Creates the collection, view or time series under `info.namespace`, without documents and without indexes other
    /// than `_id`.
    ///
    /// - Parameters:
    ///   - preservingUUID: make it with the source's UUID by `applyOps`, which needs that privilege and is refused by
    ///     mongos and Atlas. Views and time series have none of their own to keep.
    ///   - uncapped: make a capped collection so large that it drops nothing; `limit` sets its cap.
    /// - Throws: `.alreadyExists` when the name is taken by something else; what commands throw.
    public func create(_ info: CollectionInfo, preservingUUID: Bool = false, uncapped: Bool = false) throws {
        var options = DocumentBuilder()
        options.append("create", .string(info.name))
        for (name, value) in info.options.fields
        where !Self.reportedOnly.contains(name) && (info.kind == .view || !Self.fenced.contains(name)) {
            if uncapped, name == "max" { continue }
            options.append(name, uncapped && name == "size" ? .int64(Self.capMax) : value)
        }
        if info.kind == .collection, let index = idIndex(of: info) { options.append("idIndex", .document(index)) }
        if preservingUUID, info.kind == .collection, let uuid = info.uuid {
            try apply(options.finish(), uuid: uuid, in: info.db)
        } else {
            options.append("writeConcern", ifPresent: writeConcern.map(BSONValue.document))
            _ = try client.run(options.finish(), db: info.db, namespace: info.namespace.description)
        }
    }

    /// The specification of the `_id` index, which decides its version; `create` allows no other fields.
    private func idIndex(of info: CollectionInfo) -> BSONDocument? {
        guard !info.isClustered, let index = info.indexes.first(where: { $0["name"] == .string("_id_") }) else {
            return nil
        }
        let allowed: Set<String> = ["key", "name", "v", "collation"]
        return BSONDocument(index.fields.filter { allowed.contains($0.name) }.map { ($0.name, $0.value) })
    }

    private func apply(_ create: BSONDocument, uuid: [UInt8], in db: String) throws {
        let operation: BSONDocument = [
            "op": "c", "ns": .string(db + ".$cmd"), "ui": .binary(subtype: 4, uuid), "o": .document(create),
        ]
        var command = DocumentBuilder()
        command.append("applyOps", [.document(operation)])
        command.append("writeConcern", ifPresent: writeConcern.map(BSONValue.document))
        _ = try client.run(command.finish(), db: "admin", namespace: db)
    }

    /// Sets what `create` left out. Does nothing when there was nothing.
    public func liftFences(_ info: CollectionInfo) throws {
        guard info.kind != .view else { return }
        let fences = info.options.fields.filter { Self.fenced.contains($0.name) }
        guard !fences.isEmpty else { return }
        var command = DocumentBuilder()
        command.append("collMod", .string(info.name))
        for (name, value) in fences { command.append(name, value) }
        command.append("writeConcern", ifPresent: writeConcern.map(BSONValue.document))
        _ = try client.run(command.finish(), db: info.db, namespace: info.namespace.description)
    }

    /// Sets the cap of a collection that was made without. What it holds beyond stays until the next insert, as it did
    /// in the source. MongoDB 6.0 and later.
    public func limit(_ info: CollectionInfo) throws {
        var command = DocumentBuilder()
        command.append("collMod", .string(info.name))
        command.append("cappedSize", ifPresent: info.options["size"])
        command.append("cappedMax", ifPresent: info.options["max"])
        command.append("writeConcern", ifPresent: writeConcern.map(BSONValue.document))
        _ = try client.run(command.finish(), db: info.db, namespace: info.namespace.description)
    }

    /// The largest cap that the server takes, 1 PiB. None of it is allocated.
    private static let capMax: Int64 = 1 << 50

    /// Drops a collection, view or time series; one that does not exist is fine.
    ///
    /// - Returns: false when the collection is still there, without documents: the server lets nobody drop `system.js`.
    @discardableResult
    public func drop(_ namespace: Namespace) throws -> Bool {
        var command = DocumentBuilder()
        command.append("drop", .string(namespace.collection))
        command.append("writeConcern", ifPresent: writeConcern.map(BSONValue.document))
        do {
            _ = try client.run(command.finish(), db: namespace.db, namespace: namespace.description)
        } catch let error as CairnError where error.code == .notFound {
            return true
        } catch let error where ServerError(causing: error)?.code == Self.illegalOperation {
            try empty(namespace)
            return false
        }
        return true
    }

    private static let illegalOperation = 20

    private func empty(_ namespace: Namespace) throws {
        var command = DocumentBuilder()
        command.append("delete", .string(namespace.collection))
        command.append("deletes", [["q": [:], "limit": 0]])
        command.append("writeConcern", ifPresent: writeConcern.map(BSONValue.document))
        do {
            _ = try client.run(command.finish(), db: namespace.db, namespace: namespace.description)
        } catch let error as CairnError where error.code == .privilege {
            throw CairnError(
                .privilege,
                "the server lets nobody drop this collection, and emptying it takes more than the role `restore`: "
                    + "grant the user readWriteAnyDatabase too, or leave it out (--ns-exclude '*.system.js').",
                object: namespace.description, underlying: error.underlying)
        }
    }
}

/// Indexes.
extension CatalogueRestorer {
    /// An index that could not be built.
    public struct IndexFailure: Sendable {
        /// The index's name.
        public let name: String
        /// Why.
        public let error: CairnError
    }

    /// The indexes to build after the data, in two groups: the second, unique and TTL ones, goes last, when all
    /// documents are in. The `_id` index and a clustered collection's are there from the beginning.
    public static func buildOrder(of info: CollectionInfo) -> (first: [BSONDocument], last: [BSONDocument]) {
        var order: (first: [BSONDocument], last: [BSONDocument]) = ([], [])
        for index in info.indexes where index["name"] != .string("_id_") && index["clustered"] != .bool(true) {
            if index["unique"] == .bool(true) || index.contains("expireAfterSeconds") {
                order.last.append(index)
            } else {
                order.first.append(index)
            }
        }
        return order
    }

    /// Builds indexes in one command, which reads the collection once for all of them. When that fails for one of them,
    /// each is tried alone, so that only what cannot be built is missing.
    ///
    /// - Parameters:
    ///   - specifications: verbatim, as `listIndexes` gave them.
    ///   - commitQuorum: how many members must have built them (a number, `majority`, `votingMembers`); nil for the
    ///     server's default.
    /// - Returns: the indexes that could not be built.
    /// - Throws: only when the connection fails.
    public func buildIndexes(
        _ specifications: [BSONDocument], on namespace: Namespace, commitQuorum: BSONValue? = nil
    ) throws -> [IndexFailure] {
        guard !specifications.isEmpty else { return [] }
        do {
            try createIndexes(specifications, on: namespace, commitQuorum)
            return []
        } catch let error as CairnError {
            guard ServerError(causing: error)?.origin == .server else { throw error }
            if specifications.count == 1 {
                let name = try specifications[0].optional("name", as: String.self, in: namespace.description)
                return [IndexFailure(name: name ?? "", error: error)]
            }
        }
        return try specifications.flatMap { try buildIndexes([$0], on: namespace, commitQuorum: commitQuorum) }
    }

    /// A listed specification as `createIndexes` takes it to make the same index again.
    private static func asCreated(_ index: BSONDocument) -> BSONDocument {
        // `ns` was part of specifications before MongoDB 4.4 and names the old place.
        var fields = index.fields.filter { $0.name != "ns" }.map { ($0.name, $0.value) }
        // Without one, an index gets its collection's collation: the listing shows none where it is the simple one.
        if !index.contains("collation") { fields.append(("collation", ["locale": "simple"])) }
        return BSONDocument(fields)
    }

    private func createIndexes(
        _ specifications: [BSONDocument], on namespace: Namespace, _ commitQuorum: BSONValue?
    ) throws {
        var command = DocumentBuilder()
        command.append("createIndexes", .string(namespace.collection))
        command.append("indexes", .array(specifications.map { .document(Self.asCreated($0)) }))
        command.append("commitQuorum", ifPresent: commitQuorum)
        command.append("writeConcern", ifPresent: writeConcern.map(BSONValue.document))
        let built = command.finish()
        _ = try MongoClient.retrying { try client.run(built, db: namespace.db, namespace: namespace.description) }
    }
}

/// Users and roles.
extension CatalogueRestorer {
    /// Where the restored documents of `admin.system.users` go first: inserting into the real ones is not allowed to
    /// anyone. The role `restore` may have the server read from these names only.
    public static let temporaryUsers = Namespace("admin", "tempusers")
    /// Where the restored documents of `admin.system.roles` go first.
    public static let temporaryRoles = Namespace("admin", "temproles")

    /// Merges what was inserted into the temporary collections into the server's users and roles, then drops them.
    ///
    /// - Parameters:
    ///   - users: the temporary collection of users was filled. Naming one that is not there would, when replacing,
    ///     remove every user.
    ///   - roles: the temporary collection of roles was filled.
    ///   - replacing: remove users and roles that are not among them. Otherwise equal names are replaced and others
    ///     stay.
    public func mergeUsersAndRoles(users: Bool = true, roles: Bool = true, replacing: Bool) throws {
        var command = DocumentBuilder()
        command.append("_mergeAuthzCollections", 1)
        if users { command.append("tempUsersCollection", .string(Self.temporaryUsers.description)) }
        if roles { command.append("tempRolesCollection", .string(Self.temporaryRoles.description)) }
        command.append("db", "")
        command.append("drop", .bool(replacing))
        command.append("writeConcern", .document(writeConcern ?? ["w": "majority"]))
        _ = try client.run(command.finish(), db: "admin")
        if users { try drop(Self.temporaryUsers) }
        if roles { try drop(Self.temporaryRoles) }
    }
}
