import BSON
public import Bytes

/// Packs that nothing needs, and that are removed once nobody can be about to need them. format-spec.md §9.8 [Z-1].
///
/// ```
/// version  int32    1
/// created  date     when the packs were found to be of no use
/// packs    binary   their ids, 16 bytes each
/// suspects binary   only of older programs: what `SuspectsRecord` says
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
    /// The leases whose holders may have meant to use them, where an older program put them here.
    public var suspects: [RandomID]?

    func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("version", .int32(Int32(CondemnedRecord.version)))
            builder.append("created", .date(created))
            builder.append("packs", .ids(packs))
            builder.append("suspects", ifPresent: suspects.map { .ids($0) })
        }
    }

    init(id: RandomID, created: Int64, packs: [RandomID], suspects: [RandomID]? = nil) {
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
        packs = try document.requireIDs("packs", in: object)
        suspects = document.contains("suspects") ? try document.requireIDs("suspects", in: object) : nil
    }
}

/// The leases of writers that were held when a list of condemned packs was there for everybody to see: their holders
/// may have meant to use the packs. Put once, under the id of that list. format-spec.md §9.9 [Z-2].
///
/// ```
/// version  int32    1
/// leases   binary   their ids, 16 bytes each
/// ```
///
/// Not a field of the list, put a second time: such a put of a pruner that stalled could bring back a list that
/// another one was done with, and with it packs that writers use again.
struct SuspectsRecord: Hashable, Sendable {
    /// The version of these documents that this engine writes and reads.
    static let version = 1

    /// The id of the list of condemned packs.
    var id: RandomID
    /// The leases.
    var leases: [RandomID]

    init(id: RandomID, leases: [RandomID]) {
        self.id = id
        self.leases = leases
    }

    func encode() -> BSONDocument {
        ["version": .int32(Int32(SuspectsRecord.version)), "leases": .ids(leases)]
    }

    init(id: RandomID, _ document: BSONDocument) throws {
        let object = Names.text(.suspects, id)
        try document.requireVersion(SuspectsRecord.version, in: object)
        self.id = id
        leases = try document.requireIDs("leases", in: object)
    }
}

extension BSONDocument {
    /// A row of ids, 16 bytes each.
    func requireIDs(_ name: String, in object: String) throws -> [RandomID] {
        guard case .binary(_, let bytes)? = self[name], bytes.count % RandomID.byteCount == 0,
            bytes.count / RandomID.byteCount <= CondemnedRecord.packsMax
        else { throw CairnError(.corrupt, "field \"\(name)\" holds no row of ids", object: object) }
        return stride(from: 0, to: bytes.count, by: RandomID.byteCount).map { start in
            RandomID(bytes.rawSpan.extracting(start..<start + RandomID.byteCount))
        }
    }
}

extension BSONValue {
    /// A row of ids, 16 bytes each.
    static func ids(_ ids: [RandomID]) -> BSONValue { .binary(subtype: 0, ids.flatMap(\.bytes)) }
}

extension Repository {
    /// What is condemned, oldest first. One that somebody removes meanwhile is passed over.
    public func condemned() throws -> [CondemnedRecord] { try condemned(listed: nil) }

    func condemned(listed: [RandomID]?) throws -> [CondemnedRecord] {
        try readAll(.condemned, listed: listed, damaged: nil) { try CondemnedRecord(id: $0, $1) }
            .sorted { ($0.created, $0.id) < ($1.created, $1.id) }
    }
}
