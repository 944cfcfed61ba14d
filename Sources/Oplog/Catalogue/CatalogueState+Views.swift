import BSON
import Bytes

/// Views and time series: documents of `<db>.system.views`.
extension CatalogueState {
    /// Follows an operation on a view's definition; one on another collection changes nothing here.
    mutating func applyToViews(_ operation: borrowing Operation) throws {
        let entry = operation.entry
        guard entry.namespaceEndsInViews else { return }
        guard let split = Namespaces.split(entry.namespaceText), split.name == "system.views",
            !Namespaces.isServers(split.database)
        else { return }
        let identity = try DocumentIdentity.document(of: entry.identity)
        guard case .string(let id)? = identity["_id"], let (database, name) = Namespaces.split(id) else {
            throw OplogFault.misfit("a view whose _id is no namespace,", operation.time, entry.namespaceText)
        }
        // The snapshot does not hold the others, so their changes find nothing.
        guard isAdmitted(database, name) else { return }
        let key = Namespaces.key(database, name)
        switch entry.kind {
        case .delete: views[key] = nil
        case .insert:
            views[key] = View(database: database, name: name, document: try BSONDocument(copying: entry.object))
        case .update:
            guard let view = views[key] else {
                throw OplogFault.misfit("a change of a view that is not there", operation.time, id)
            }
            views[key]?.document = try Self.updated(view.document, entry)
        case .command, .noop: break
        }
    }

    private static func updated(_ document: BSONDocument, _ entry: OplogEntry) throws -> BSONDocument {
        if try entry.isReplacement { return try BSONDocument(copying: entry.object) }
        let result = Buffer(capacity: document.bytes.count)
        try UpdateApplier.apply(update: entry.object, to: document.bytes.rawSpan, into: result)
        return try BSONDocument(copying: result.bytes)
    }

    mutating func removeViews(of database: String) {
        views = views.filter { !$0.value.database.utf8.elementsEqual(database.utf8) }
    }
}

extension OplogEntry {
    /// Whether the namespace can be that of view definitions: asked of every operation, so it compares eight bytes.
    var namespaceEndsInViews: Bool {
        let name = namespace
        let count = name.byteCount
        return count > 12 && name.integer(at: count - 8, as: UInt64.self) == 0x7377_6569_762E_6D65
    }
}
