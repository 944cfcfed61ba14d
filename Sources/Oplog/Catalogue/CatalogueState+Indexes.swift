import BSON
import Bytes

/// Indexes: made at once on empty collections, otherwise built between a start and a commit.
extension CatalogueState {
    /// Follows a command on indexes; false for another.
    mutating func applyToIndexes(_ command: CommandEntry) throws -> Bool {
        switch command.name {
        case "createIndexes":
            let first = command.name
            try addIndexes([command.document.filtered { $0 != first }], isReady: true, command)
        case "startIndexBuild": try addIndexes(command.specifications("indexes"), isReady: false, command)
        case "commitIndexBuild": try addIndexes(command.specifications("indexes"), isReady: true, command)
        case "abortIndexBuild":
            let names = try command.specifications("indexes").map { $0["name"] }
            try removeIndexes(command) { index in names.contains { $0 == index.name } }
        case "dropIndexes", "deleteIndexes", "dropIndex", "deleteIndex": try dropIndexes(command)
        default: return false
        }
        return true
    }

    /// Adds indexes, or makes ready those that were being built: they keep the place that they had from the start.
    private mutating func addIndexes(
        _ specifications: [BSONDocument], isReady: Bool, _ command: CommandEntry
    ) throws {
        guard var collection = try collection(of: command) else { return }
        for specification in specifications {
            let listed =
                try BucketIndexes(collection.options)?.shown(specification, command)
                ?? IndexSpecification.listed(specification, command)
            let index = Index(specification: listed, isReady: isReady)
            if let position = collection.indexes.firstIndex(where: { $0.name == index.name }) {
                collection.indexes[position] = index
            } else {
                collection.indexes.append(index)
            }
        }
        collections[collection.uuid] = collection
    }

    private mutating func removeIndexes(_ command: CommandEntry, _ isGone: (Index) -> Bool) throws {
        guard var collection = try collection(of: command) else { return }
        collection.indexes.removeAll(where: isGone)
        collections[collection.uuid] = collection
    }

    /// By name, or `*` for all but the one on `_id`.
    private mutating func dropIndexes(_ command: CommandEntry) throws {
        switch command.document["index"] {
        case .string("*")?:
            try removeIndexes(command) {
                $0.specification["key"] != ["_id": 1] && $0.specification["clustered"] != .bool(true)
            }
        case .string(let name)?: try removeIndexes(command) { $0.name == .string(name) }
        case .array(let names)?: try removeIndexes(command) { $0.name.map(names.contains) ?? false }
        case .document(let key)?: try removeIndexes(command) { $0.specification["key"] == .document(key) }
        default: throw command.malformed("index")
        }
    }
}
