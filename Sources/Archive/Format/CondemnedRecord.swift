import BSON
public import Bytes

/// Packs that nothing needs, and that are removed once nobody can be about to need them. format-spec.md §9.8 [Z-1].
///
/// ```
/// version  int32    1
/// created  date     when the packs were found to be of no use
/// packs    binary   their ids, 16 bytes each
/// suspects binary   ids of the leases that were held right after this object was put first, 16 bytes each; absent
///                   until they are known
/// ```
public struct CondemnedRecord: Hashable, Sendable {
    /// The version of these documents that this engine writes and reads.
    static let version = 1
    /// Packs in one object.
    static let packsMax = 1 << 20

    /// The id: the name of the object.
    public var id: RandomID
    /// When, in milliseconds since 1970-01-01 UTC.
    public var created: Int64
    /// The packs.
    public var packs: [RandomID]
    /// The leases whose holders may have meant to use them; nil while nobody looked.
    public var suspects: [RandomID]?

    func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("version", .int32(Int32(CondemnedRecord.version)))
            builder.append("created", .date(created))
            builder.append("packs", .binary(subtype: 0, packs.flatMap(\.bytes)))
            builder.append("suspects", ifPresent: suspects.map { .binary(subtype: 0, $0.flatMap(\.bytes)) })
        }
    }

    init(id: RandomID, created: Int64, packs: [RandomID], suspects: [RandomID]?) {
        precondition(packs.count <= CondemnedRecord.packsMax)
        self.id = id
        self.created = created
        self.packs = packs
        self.suspects = suspects
    }

    init(id: RandomID, _ document: BSONDocument) throws {
        let object = Names.text(.condemned, id)
        try document.requireVersion(CondemnedRecord.version, in: object)
        self.id = id
        created = try document.requireDate("created", in: object)
        packs = try CondemnedRecord.ids("packs", document, object)
        suspects = document.contains("suspects") ? try CondemnedRecord.ids("suspects", document, object) : nil
    }

    private static func ids(_ name: String, _ document: BSONDocument, _ object: String) throws -> [RandomID] {
        guard case .binary(_, let bytes)? = document[name], bytes.count % 16 == 0, bytes.count / 16 <= packsMax else {
            throw CairnError(.corrupt, "field \"\(name)\" holds no row of ids", object: object)
        }
        return try stride(from: 0, to: bytes.count, by: 16).map { start in
            guard let id = RandomID(hex: Hex.encode(Array(bytes[start..<start + 16]))) else {
                throw CairnError(.corrupt, "field \"\(name)\" holds no row of ids", object: object)
            }
            return id
        }
    }
}

extension Repository {
    /// What is condemned, oldest first. One that somebody removes meanwhile is passed over.
    public func condemned() throws -> [CondemnedRecord] {
        try readAll(.condemned, damaged: nil) { try CondemnedRecord(id: $0, $1) }
            .sorted { ($0.created, $0.id) < ($1.created, $1.id) }
    }
}
