public import BSON
public import Bytes

/// What one operation left behind: a link in a chain of hashes. format-spec.md §9.6 [H-1].
///
/// ```
/// version   int32     2 when it has `replaces`, otherwise 1
/// at        date
/// operation string    "init", "backup", …
/// program   string    name and version of the program
/// details   document  what the operation wants to tell; for people and reports
/// previous  array     of {id: binary 16, hash: binary 32}: every head that the writer saw, with the SHA-256 of its
///                     stored bytes
/// replaces  array     likewise: records that this one is a copy of, under a newer key; absent when none
/// ```
public struct AuditRecord: Hashable, Sendable {
    /// An earlier record, as a later one names it.
    public struct Link: Hashable, Sendable {
        /// The earlier record's id.
        public var id: RandomID
        /// SHA-256 of its stored bytes.
        public var hash: Digest256

        fileprivate var document: BSONDocument { ["id": .id(id), "hash": .digest(hash)] }
    }

    /// The version of audit documents that this engine writes and reads.
    static let version = 2

    /// The record's id: the name of its object.
    public var id: RandomID
    /// When it was written, in milliseconds since 1970-01-01 UTC.
    public var at: Int64
    /// What was done.
    public var operation: String
    /// By which program.
    public var program: String
    /// With what result.
    public var details: BSONDocument
    /// What came before.
    public var previous: [Link]
    /// Records that this one took the place of when it was encrypted anew: what names them means this one. [H-5]
    public var replaces: [Link]

    init(
        id: RandomID, at: Int64, operation: String, program: String, details: BSONDocument, previous: [Link],
        replaces: [Link] = []
    ) {
        self.id = id
        self.at = at
        self.operation = operation
        self.program = program
        self.details = details
        self.previous = previous
        self.replaces = replaces
    }

    func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("version", .int32(replaces.isEmpty ? 1 : 2))
            builder.append("at", .date(at))
            builder.append("operation", .string(operation))
            builder.append("program", .string(program))
            builder.append("details", document: details.bytes.rawSpan)
            builder.appendDocuments("previous", previous.map(\.document))
            if !replaces.isEmpty { builder.appendDocuments("replaces", replaces.map(\.document)) }
        }
    }

    init(id: RandomID, _ document: BSONDocument) throws {
        let object = Names.text(.audit, id)
        try document.requireVersion(AuditRecord.version, in: object)
        self.id = id
        at = try document.requireDate("at", in: object)
        operation = try document.require("operation", in: object)
        program = try document.require("program", in: object)
        details = try document.require("details", in: object)
        previous = try AuditRecord.links("previous", document, object)
        replaces = document.contains("replaces") ? try AuditRecord.links("replaces", document, object) : []
    }

    private static func links(_ name: String, _ document: BSONDocument, _ object: String) throws -> [Link] {
        let links: [BSONDocument] = try document.require(name, in: object)
        return try links.map {
            Link(id: try $0.requireID("id", in: object), hash: try $0.requireDigest("hash", in: object))
        }
    }
}
