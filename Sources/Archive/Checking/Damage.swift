public import BSON
public import Bytes

/// One thing that is wrong with a repository, and what it costs.
public struct Damage: Hashable, Sendable {
    /// The object concerned, or the folder where one is missing.
    public var object: String
    /// The byte offset in it, where one is known.
    public var offset: Int?
    /// What is wrong.
    public var message: String
    /// What cannot be read because of it: at most `Damage.affectedMax`; empty when no snapshot needs it.
    public var affected: [Affected] = []
    /// What is affected beyond those.
    public var affectedOmitted = 0

    /// Affected ranges listed for one damage.
    public static let affectedMax = 1_000

    init(object: String, offset: Int? = nil, message: String) {
        self.object = object
        self.offset = offset
        self.message = message
    }

    init(_ error: CairnError, object: String) {
        self.init(object: error.object ?? object, offset: error.offset, message: error.message)
    }

    mutating func add(_ affected: Affected) {
        if self.affected.count < Damage.affectedMax { self.affected.append(affected) } else { affectedOmitted += 1 }
    }
}

/// A part of a snapshot or of a segment that cannot be read.
public struct Affected: Hashable, Sendable {
    /// The snapshot; nil when a segment is meant.
    public var snapshot: RandomID?
    /// The segment; nil when a snapshot is meant.
    public var segment: RandomID?
    /// `db.coll`; nil for a segment, and when it is not known, because the catalogue itself cannot be read there.
    public var namespace: String?
    /// The documents, or entries of the oplog, that are lost; nil when it is not known how many, because what lists
    /// them cannot be read.
    public var documents: Int?
    /// The `_id` element of the first of them (`DocumentIdentity.document` makes a document of it), empty when not
    /// known. In a snapshot in natural order the documents between need not have `_id`s between.
    public var firstID: [UInt8] = []
    /// The `_id` element of the last of them, empty when not known.
    public var lastID: [UInt8] = []
    /// The times of the first and the last operation of a segment that are lost; nil when not known, or for a
    /// snapshot.
    public var times: ClosedRange<Timestamp>?

    /// A part of a snapshot.
    public init(snapshot: RandomID, namespace: String?, documents: Int?, firstID: [UInt8] = [], lastID: [UInt8] = []) {
        self.snapshot = snapshot
        self.namespace = namespace
        self.documents = documents
        self.firstID = firstID
        self.lastID = lastID
    }

    /// A stretch of a segment.
    public init(segment: RandomID, entries: Int?, times: ClosedRange<Timestamp>?) {
        self.segment = segment
        documents = entries
        self.times = times
    }

    init(_ leaf: Leaf, snapshot: RandomID, namespace: String) {
        self.init(
            snapshot: snapshot, namespace: namespace, documents: leaf.documents, firstID: leaf.firstID,
            lastID: leaf.lastID)
    }
}
