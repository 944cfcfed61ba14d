public import BSON
internal import Bytes

/// Makes collections, views and indexes in a target deployment from what `listCollections` and `listIndexes` said of the source.
///
/// Options go over verbatim, also those that this program does not know. Two things wait until the documents are in, because the server
/// would act on half-restored data: expiry (`expireAfterSeconds`) and indexes. Validators are made at once, for `BulkInserter` bypasses them.
public struct CatalogueWriter {
    private let client: MongoClient
    private let writeConcern: BSONDocument?

    /// A writer for the thread of `client`.
    public init(client: MongoClient, writeConcern: BSONDocument? = nil) {
        self.client = client
        self.writeConcern = writeConcern
    }

    /// Creates the collection, time series or view that `info` describes under the name `target`, without expiry and secondary indexes.
    ///
    /// - Parameter preservingUUID: gives it `info.uuid`, by an oplog entry: needs the privileges of the role `restore` and a server that
    ///   allows `applyOps` (no mongos, no shared Atlas tier).
    /// - Throws: `.alreadyExists`, and what the server says about an option it does not take.
    public func create(_ info: CollectionInfo, as target: Namespace, preservingUUID: Bool = false) throws {
        let options = CatalogueWriter.withoutExpiry(info)
        guard preservingUUID, info.kind == .collection, let uuid = info.uuid else {
            try run(["create": .string(target.collection)], options, on: target)
            return
        }
        let operation = BSONDocument { operation in
            operation.append("op", "c")
            operation.append("ns", .string("\(target.db).$cmd"))
            operation.append("ui", .binary(subtype: 4, uuid))
            operation.append("o", .document(CatalogueWriter.joined(["create": .string(target.collection)], options)))
        }
        try run(["applyOps": [.document(operation)]], BSONDocument(), on: Namespace("admin", target.description))
    }

    /// Lets documents expire as in the source: the last step, for a time series or clustered collection with `expireAfterSeconds`.
    public func setExpiry(of info: CollectionInfo, on target: Namespace) throws {
        guard let seconds = info.options["expireAfterSeconds"] else { return }
        try run(["collMod": .string(target.collection), "expireAfterSeconds": seconds], BSONDocument(), on: target)
    }

    /// Builds indexes in one pass over the collection.
    ///
    /// - Throws: the server's error about any of them; none of them was built then.
    public func createIndexes(_ specifications: [BSONDocument], on target: Namespace) throws {
        guard !specifications.isEmpty else { return }
        try run(
            ["createIndexes": .string(target.collection), "indexes": .array(specifications.map { .document($0) })],
            BSONDocument(), on: target)
    }

    /// Drops a collection or view; one that is not there is fine.
    public func drop(_ target: Namespace) throws {
        do {
            try run(["drop": .string(target.collection)], BSONDocument(), on: target)
        } catch let error as CairnError where error.code == .notFound {
            return
        }
    }

    /// Puts users and roles, whose documents were inserted into two temporary collections of `admin`, in force. What mongorestore does:
    /// nobody may write to `admin.system.users` directly.
    ///
    /// - Parameter replacing: remove users and roles that are not among them.
    public func mergeUsersAndRoles(users: String, roles: String, replacing: Bool) throws {
        try run(
            [
                "_mergeAuthzCollections": 1, "tempUsersCollection": .string("admin.\(users)"),
                "tempRolesCollection": .string("admin.\(roles)"), "drop": .bool(replacing), "db": "",
            ], BSONDocument(), on: Namespace("admin", "system.users"))
    }

    private func run(_ head: BSONDocument, _ options: BSONDocument, on target: Namespace) throws {
        var command = CatalogueWriter.joined(head, options)
        if let writeConcern { command = CatalogueWriter.joined(command, ["writeConcern": .document(writeConcern)]) }
        _ = try client.run(command, db: target.db, namespace: target.description)
    }

    private static func joined(_ left: BSONDocument, _ right: BSONDocument) -> BSONDocument {
        BSONDocument(left.fields.map { ($0.name, $0.value) } + right.fields.map { ($0.name, $0.value) })
    }

    private static func withoutExpiry(_ info: CollectionInfo) -> BSONDocument {
        BSONDocument(info.options.fields.filter { $0.name != "expireAfterSeconds" }.map { ($0.name, $0.value) })
    }
}

extension CollectionInfo {
    /// The secondary indexes, as they can be given to `createIndexes`: without that on `_id` and the clustering one, which come with the
    /// collection, and without the name of the source's namespace that old servers put in.
    public var secondaryIndexes: [BSONDocument] {
        indexes.filter { $0["name"] != .string("_id_") && $0["clustered"] != .bool(true) && $0["key"] != ["_id": 1] }
            .map { index in BSONDocument(index.fields.filter { $0.name != "ns" }.map { ($0.name, $0.value) }) }
    }
}
