import BSON
import Bytes

/// What a command did to the documents of collections.
public struct CatalogueChange: Sendable {
    /// Collections that are gone, with their documents.
    public var dropped: [UUIDKey] = []
    /// A collection that is empty now.
    public var emptied: UUIDKey?
    /// A collection that has another name now.
    public var renamed: (uuid: UUIDKey, namespace: String)?
}

extension CatalogueState {
    /// Commands that change neither definitions nor documents of a user: keys that became multikey, consistency checks,
    /// the server's own storage identifiers, sharding metadata.
    private static let passedOver: Set<String> = [
        "setMultikeyMetadata", "dbCheck", "dropIdent", "createDatabaseMetadata", "dropDatabaseMetadata",
        "modifyCollectionShardingIndexCatalog",
    ]

    /// Follows a command, or a change of a view's definition. Other operations on documents change nothing here.
    ///
    /// - Throws: `.unsupportedFormat` naming time, namespace and key for what is not known; `.corrupt` when it does not
    ///   fit to the state; `.incomplete` when a collection appears whose documents no snapshot holds.
    @discardableResult
    public mutating func apply(_ operation: borrowing Operation) throws -> CatalogueChange {
        guard operation.kind == .command else {
            try applyToViews(operation)
            return CatalogueChange()
        }
        let command = try CommandEntry(operation.entry)
        if Namespaces.isServers(command.database) { return CatalogueChange() }
        switch command.name {
        case "create": try create(command)
        case "drop": return try drop(command)
        case "dropDatabase": return dropDatabase(command)
        case "renameCollection": return try rename(command)
        case "collMod": try modify(command)
        case "emptycapped":
            return CatalogueChange(emptied: try collection(of: command)?.uuid)
        default:
            if try applyToIndexes(command) || Self.passedOver.contains(command.name) { return CatalogueChange() }
            throw command.unknown("the command \"\(command.name)\"")
        }
        return CatalogueChange()
    }

    /// The collection that a command names in its first field.
    mutating func collection(of command: CommandEntry) throws -> Collection? {
        try locate(command.uuid, command.database, command.collection, command.time)
    }

    private mutating func create(_ command: CommandEntry) throws {
        guard let uuid = command.uuid else { throw command.malformed("ui") }
        guard collections[uuid] == nil, names[Namespaces.key(command.database, command.collection)] == nil else {
            throw command.misfit("the creation of a collection that is there already,")
        }
        let index = try IndexSpecification.ofID(command)
        insert(
            Collection(
                uuid: uuid, database: command.database, name: command.collection,
                options: try CollectionOptions.created(by: command),
                indexes: index.map { [Index(specification: $0, isReady: true)] } ?? []))
    }

    private mutating func drop(_ command: CommandEntry) throws -> CatalogueChange {
        if command.collection == "system.views" { removeViews(of: command.database) }
        guard let collection = try collection(of: command) else { return CatalogueChange() }
        remove(collection.uuid)
        return CatalogueChange(dropped: [collection.uuid])
    }

    private mutating func dropDatabase(_ command: CommandEntry) -> CatalogueChange {
        removeViews(of: command.database)
        let gone = collections.values.filter { $0.database.utf8.elementsEqual(command.database.utf8) }.map(\.uuid)
        for uuid in gone { remove(uuid) }
        return CatalogueChange(dropped: gone)
    }

    private mutating func rename(_ command: CommandEntry) throws -> CatalogueChange {
        guard let from = Namespaces.split(command.collection), case .string(let target) = command.document["to"],
            let to = Namespaces.split(target)
        else { throw command.malformed("renameCollection") }
        for name in command.document.names
        where !["renameCollection", "to", "stayTemp", "dropTarget"].contains(name) {
            throw command.unknown("field \"\(name)\" of renameCollection")
        }
        guard var collection = try locate(command.uuid, from.database, from.name, command.time) else {
            return try renameUnknown(command, to)
        }
        let dropped = try makeWay(command, to)
        remove(collection.uuid)
        collection.database = to.database
        collection.name = to.name
        if command.document["stayTemp"] != .bool(true) { collection.options = collection.options.removing("temp") }
        insert(collection)
        return CatalogueChange(dropped: dropped, renamed: (collection.uuid, target))
    }

    /// A collection that no snapshot holds gets a name: fatal when a snapshot would hold it under that.
    private mutating func renameUnknown(
        _ command: CommandEntry, _ to: (database: String, name: String)
    ) throws -> CatalogueChange {
        guard !isAdmitted(to.database, to.name) else {
            throw CairnError(
                .incomplete,
                "the collection that is renamed to this at \(command.time) was being made when the snapshot was taken, "
                    + "or not among what it takes, so its documents are not there: choose a time before that or one "
                    + "not before the next snapshot",
                object: "\(to.database).\(to.name)")
        }
        return CatalogueChange(dropped: try makeWay(command, to))
    }

    /// Drops what stands where a collection is renamed to, as `dropTarget` says: a UUID, or before 4.0 a flag.
    private mutating func makeWay(
        _ command: CommandEntry, _ to: (database: String, name: String)
    ) throws -> [UUIDKey] {
        let there = names[Namespaces.key(to.database, to.name)]
        var dropped: [UUIDKey] = []
        switch command.document["dropTarget"] {
        case .binary(_, let bytes)?:
            guard let uuid = UUIDKey(bytes.rawSpan) else { throw command.malformed("dropTarget") }
            if remove(uuid) != nil { dropped = [uuid] }
        case .bool(true)?:
            if let there, remove(there) != nil { dropped = [there] }
        case .bool(false)?, nil: break
        default: throw command.malformed("dropTarget")
        }
        guard names[Namespaces.key(to.database, to.name)] == nil || there == command.uuid else {
            throw command.misfit("a rename to a name that is taken")
        }
        return dropped
    }

    private mutating func modify(_ command: CommandEntry) throws {
        guard var collection = try collection(of: command) else { return }
        collection.options = try CollectionOptions.modified(collection.options, by: command)
        if case .document(let change)? = command.document["index"] {
            try modify(&collection, change, command)
        }
        collections[collection.uuid] = collection
    }
    private func modify(_ collection: inout Collection, _ change: BSONDocument, _ command: CommandEntry) throws {
        let position = collection.indexes.firstIndex { index in
            change["name"].map { index.name == $0 } ?? (index.specification["key"] == change["keyPattern"])
        }
        guard let position else { throw command.misfit("collMod of an index that is not there") }
        let before = collection.indexes[position].specification
        let after = try IndexSpecification.modified(before, change, command)
        if BucketIndexes(collection.options)?.keepsOriginal(before) ?? false { return }
        collection.indexes[position].specification = after
    }
}
