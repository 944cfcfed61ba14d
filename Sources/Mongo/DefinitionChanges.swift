public import BSON
internal import Bytes

extension MongoClient {
    /// Whether the oplog has an entry behind `start`, up to `end`, that makes, drops, renames or alters a collection,
    /// a view or an index of a wanted namespace.
    ///
    /// Transactions of several entries are not looked into: their parts may stand before `start`. Index builds count
    /// when they are committed.
    ///
    /// - Parameters:
    ///   - start: a time that a majority has, so that no entry before it is still to come.
    ///   - end: likewise.
    public func definitionsChanged(
        after start: Timestamp, through end: Timestamp, _ filter: NamespaceFilter
    ) throws -> Bool {
        let inTransaction: BSONValue = ["$or": [["o.applyOps": ["$exists": false]], ["o.applyOps.op": "c"]]]
        let find = BSONDocument { find in
            find.append("find", "oplog.rs")
            find.append(
                "filter",
                [
                    "ts": ["$gt": .timestamp(start), "$lte": .timestamp(end)],
                    "$or": [
                        ["op": "c", "$and": [inTransaction]],
                        ["ns": .regex(pattern: "\\.system\\.views$", options: "")],
                    ],
                ])
            find.append("readConcern", ReadConcern.majority)
        }
        return try MongoClient.retrying(readsWithCursors: true) {
            var changed = false
            try forEachDocument(of: find, db: "local", namespace: "local.oplog.rs") { entry in
                if !changed { changed = try DefinitionChange.concerns(BSONDocument(copying: entry.bytes), filter) }
            }
            return changed
        }
    }
}

/// Which namespaces an oplog entry redefines.
private enum DefinitionChange {
    /// Commands that change no definition. The end of a prepared transaction says nothing of what is in it; the drop
    /// of a database follows that of each of its collections; an index counts from its build's commit on.
    private static let harmless: Set<String> = [
        "startIndexBuild", "abortIndexBuild", "commitTransaction", "abortTransaction", "dbCheck", "emptycapped",
        "dropDatabase",
    ]

    static func concerns(_ entry: BSONDocument, _ filter: NamespaceFilter) throws -> Bool {
        guard case .string(let place)? = entry["ns"], let namespace = Namespace(place),
            case .document(let object)? = entry["o"]
        else { return false }
        if namespace.collection == "system.views" {
            if case .document(let criteria)? = entry["o2"] { return isWanted(criteria["_id"], filter) }
            return isWanted(object["_id"], filter)
        }
        guard entry["op"] == .string("c"), let command = object.fields.first else { return false }
        if case .array(let operations) = command.value, command.name == "applyOps" {
            return try operations.contains { operation in
                guard case .document(let inner) = operation else { return false }
                return try concerns(inner, filter)
            }
        }
        if harmless.contains(command.name) { return false }
        if command.name == "renameCollection" {
            return isWanted(command.value, filter) || isWanted(object["to"], filter)
        }
        guard case .string(let name) = command.value else { return true }
        return isWanted(.string("\(namespace.db).\(name)"), filter)
    }

    /// A time series is named by its buckets here, and the definitions of all views are one collection.
    private static func isWanted(_ text: BSONValue?, _ filter: NamespaceFilter) -> Bool {
        guard case .string(let text)? = text, let namespace = Namespace(text) else { return true }
        if namespace.collection == "system.views" { return true }
        if SystemNamespaces.isSkipped(database: namespace.db) || SystemNamespaces.isSkipped(namespace) { return false }
        if filter.admits(namespace) { return true }
        return namespace.collection.dropping("system.buckets.").map { filter.admits(Namespace(namespace.db, $0)) }
            ?? false
    }
}
