import BSON
import Bytes

/// The catalogue of a deployment as it evolves by the commands of its oplog: what collections there are, under which
/// names, with which options and indexes. Collections are followed by UUID.
///
/// What `definitions` gives is what a snapshot's catalogue at that time would hold (mongod's `db/catalog/`; checked
/// against mongod 6.0). An index that is being built counts from its commit on.
public struct CatalogueState: Sendable {
    struct Index: Sendable {
        var specification: BSONDocument
        var isReady: Bool

        var name: BSONValue? { specification["name"] }
    }

    /// A collection with documents, buckets of time series included.
    struct Collection: Sendable {
        let uuid: UUIDKey
        var database: String
        var name: String
        var options: BSONDocument
        /// As users see them: those of buckets on measurements.
        var indexes: [Index]

        var key: Namespaces.Key { Namespaces.key(database, name) }
        var isTemporary: Bool { options["temp"] == .bool(true) }
    }

    /// A document of `system.views`.
    struct View: Sendable {
        let database: String
        let name: String
        var document: BSONDocument
    }

    var collections: [UUIDKey: Collection] = [:]
    var names: [Namespaces.Key: UUIDKey] = [:]
    var views: [Namespaces.Key: View] = [:]
    /// Collections that were being filled when the snapshot was taken, so that it does not hold them.
    private var unknownTemporaries: Set<UUIDKey> = []
    private let admits: @Sendable (_ database: String, _ name: String) -> Bool

    /// The state that a snapshot shows.
    ///
    /// - Parameter admits: Which names the snapshot took; operations on others are passed over.
    public init(
        _ definitions: [CollectionDefinition],
        admits: @escaping @Sendable (_ database: String, _ name: String) -> Bool = { _, _ in true }
    ) {
        self.admits = admits
        for definition in definitions { add(definition) }
    }

    private mutating func add(_ definition: CollectionDefinition) {
        let key = Namespaces.key(definition.database, definition.name)
        if definition.kind != .collection {
            var document: BSONDocument = ["_id": .string(definition.namespace)]
            if definition.kind == .view {
                document = BSONDocument(document.fields + definition.options.fields)
            } else {
                document = document.setting(
                    "viewOn", .string(Namespaces.bucketsPrefix + definition.name), order: [])
            }
            views[key] = View(database: definition.database, name: definition.name, document: document)
        }
        guard let uuid = definition.uuid else { return }
        let isSeries = definition.kind == .timeseries
        let clustered: BSONValue = true
        let options =
            isSeries
            ? definition.options.setting("clusteredIndex", clustered, order: CollectionOptions.order)
            : definition.options
        insert(
            Collection(
                uuid: uuid, database: definition.database,
                name: isSeries ? Namespaces.bucketsPrefix + definition.name : definition.name, options: options,
                indexes: definition.indexes.map { Index(specification: $0, isReady: true) }))
    }

    mutating func insert(_ collection: Collection) {
        collections[collection.uuid] = collection
        names[collection.key] = collection.uuid
    }

    @discardableResult
    mutating func remove(_ uuid: UUIDKey) -> Collection? {
        guard let collection = collections.removeValue(forKey: uuid) else { return nil }
        if names[collection.key] == uuid { names[collection.key] = nil }
        return collection
    }

    /// The collection that a command or an operation on documents concerns; nil for one that no snapshot holds, so
    /// that the operation is to be passed over.
    ///
    /// - Throws: `.corrupt` when it should be known and is not.
    mutating func locate(
        _ uuid: UUIDKey?, _ database: String, _ name: String, _ time: Timestamp
    ) throws -> Collection? {
        if let uuid, let collection = collections[uuid] { return collection }
        if uuid == nil, let own = names[Namespaces.key(database, name)] { return collections[own] }
        if Namespaces.isSkipped(database, name) { return nil }
        if let uuid, unknownTemporaries.contains(uuid) { return nil }
        if let uuid, Namespaces.looksTemporary(name) {
            unknownTemporaries.insert(uuid)
            return nil
        }
        guard admits(database, name) else { return nil }
        throw OplogFault.misfit("an operation on a collection that is not there,", time, "\(database).\(name)")
    }

    /// The collection whose documents an insert, update or delete changes; nil when it concerns none that a snapshot
    /// holds: the server's own, and those whose effect is in `definitions` (views).
    ///
    /// - Throws: `.corrupt` when the collection should be known and is not.
    public mutating func collection(of operation: borrowing Operation) throws -> UUIDKey? {
        if let uuid = operation.entry.uuid, let collection = collections[uuid] {
            return Namespaces.isSkipped(collection.database, collection.name) ? nil : uuid
        }
        let namespace = operation.entry.namespaceText
        guard let (database, name) = Namespaces.split(namespace) else {
            throw OplogFault.malformed("ns", operation.entry.timestamp)
        }
        return try locate(operation.entry.uuid, database, name, operation.time)?.uuid
    }

    /// Everything that a catalogue lists, sorted by the bytes of database and name.
    public var definitions: [CollectionDefinition] {
        var result = collections.values.filter { !$0.isTemporary }.map(definition)
        for view in views.values {
            let buckets = Namespaces.bucketsPrefix + view.name
            let isSeries =
                view.document["viewOn"] == .string(buckets)
                && names[Namespaces.key(view.database, buckets)] != nil
            guard !isSeries else { continue }
            result.append(
                CollectionDefinition(
                    database: view.database, name: view.name, kind: .view, uuid: nil,
                    options: view.document.removing("_id"), indexes: []))
        }
        result.removeAll { Namespaces.isSkipped($0.database, $0.name) || !admits($0.database, $0.name) }
        return result.sorted {
            $0.database.utf8.elementsEqual($1.database.utf8)
                ? $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
                : $0.database.utf8.lexicographicallyPrecedes($1.database.utf8)
        }
    }

    private func definition(_ collection: Collection) -> CollectionDefinition {
        var result = CollectionDefinition(
            database: collection.database, name: collection.name, kind: .collection, uuid: collection.uuid,
            options: collection.options, indexes: collection.indexes.filter(\.isReady).map(\.specification))
        guard let name = collection.name.dropping(Namespaces.bucketsPrefix),
            let view = views[Namespaces.key(collection.database, name)],
            view.document["viewOn"] == .string(collection.name)
        else { return result }
        result.name = name
        result.kind = .timeseries
        result.options = collection.options.filtered(CollectionOptions.shownByTimeseries.contains)
        return result
    }

    func isCapped(_ uuid: UUIDKey) -> Bool { collections[uuid]?.options.contains("capped") ?? false }

    func isUnknownTemporary(_ uuid: UUIDKey) -> Bool { unknownTemporaries.contains(uuid) }

    func isAdmitted(_ database: String, _ name: String) -> Bool {
        !Namespaces.isSkipped(database, name) && admits(database, name)
    }
}
