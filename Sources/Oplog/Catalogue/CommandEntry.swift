import BSON
import Bytes

/// A command of the oplog, owned: DDL is rare, so reading it may copy.
struct CommandEntry {
    /// The command's name, its first field.
    let name: String
    /// The whole of `o`.
    let document: BSONDocument
    /// The database whose `$cmd` the entry names.
    let database: String
    /// The collection that the first field names; empty for another type.
    let collection: String
    let uuid: UUIDKey?
    let time: Timestamp
    let namespace: String

    init(_ entry: OplogEntry) throws {
        document = try BSONDocument(copying: entry.object)
        namespace = entry.namespaceText
        time = entry.timestamp
        uuid = entry.uuid
        guard let first = document.fields.first else { throw OplogFault.malformed("o", time) }
        name = first.name
        if case .string(let text) = first.value { collection = text } else { collection = "" }
        guard let split = Namespaces.split(namespace), split.name == "$cmd" else {
            throw OplogFault.malformed("ns", time)
        }
        database = split.database
    }

    func unknown(_ what: String) -> CairnError { OplogFault.unknown(what, time, "\(database).\(collection)") }

    func malformed(_ field: String) -> CairnError {
        CairnError(
            .corrupt, "the oplog entry at \(time) has a malformed field \"\(field)\" of \(name)",
            object: "\(database).\(collection)")
    }

    func misfit(_ what: String) -> CairnError { OplogFault.misfit(what, time, "\(database).\(collection)") }

    /// A field that is a list of index specifications.
    func specifications(_ field: String) throws -> [BSONDocument] {
        guard case .array(let values) = document[field] else { throw malformed(field) }
        return try values.map { value in
            guard case .document(let specification) = value else { throw malformed(field) }
            return specification
        }
    }
}
