import BSON
public import Bytes

/// What a lease object says. format-spec.md §9.5 [G-1].
///
/// ```
/// version  int32    1
/// kind     string   "writer", "follower", "pruner" or "maintenance"
/// scope    string   of a follower: the replica set that it follows; absent in the others
/// created  date
/// renewed  date     when this version of the object was written
/// expires  date     at most 24 hours after `renewed`
/// note     string   for people; nothing is decided by it
/// ```
/// Nothing in it identifies a host or a process: names of hosts repeat in containers, and process ids everywhere.
public struct LeaseRecord: Hashable, Sendable {
    /// What the holder may do, and what keeps it from doing so.
    public enum Kind: String, Sendable, Hashable {
        /// Adds objects. Several at once; none while there is maintenance. Held from before the index is read until
        /// the commit. format-spec.md §11 [W-6].
        case writer
        /// Saves the oplog of one replica set, its scope, as it is written: one follower a set. What it adds, it adds
        /// under a writer's lease besides.
        case follower
        /// Forgets snapshots, or removes what nothing needs, beside writers and followers. One at a time.
        /// format-spec.md §11.1 [D-1].
        case pruner
        /// Rewrites objects that others may be using. Alone.
        case maintenance
    }

    /// The version of lease documents that this engine writes and reads.
    static let version = 1

    /// The lease's id: the name of its object.
    public var id: RandomID
    /// What the holder does.
    public var kind: Kind
    /// What of the repository's data it is about: of a follower the name of the replica set; nil for other kinds.
    public var scope: String?
    /// When it was acquired, in milliseconds since 1970-01-01 UTC by the holder's clock.
    public var created: Int64
    /// When it was last renewed, likewise.
    public var renewed: Int64
    /// When it ends unless renewed, likewise.
    public var expires: Int64
    /// For people.
    public var note: String

    init(
        id: RandomID, kind: Kind, scope: String? = nil, created: Int64, renewed: Int64, expires: Int64, note: String
    ) {
        precondition(expires - renewed <= FormatLimits.leaseDurationMax)
        precondition((scope != nil) == (kind == .follower))
        self.id = id
        self.kind = kind
        self.scope = scope
        self.created = created
        self.renewed = renewed
        self.expires = expires
        self.note = note
    }

    /// Whether nobody can hold it any more, even if the holder's clock is behind by the margin.
    /// format-spec.md §9.5 [G-3].
    public func isExpired(at now: Int64) -> Bool { now > expires + Lease.clockSkewMargin }

    /// Whether a holder of this lease and one of `other` exclude each other. format-spec.md §9.5 [G-2].
    func excludes(_ other: Kind, scope otherScope: String?) -> Bool {
        if kind == .maintenance || other == .maintenance { return true }
        guard kind == other else { return false }
        switch kind {
        case .writer: return false
        case .follower: return scope == otherScope
        case .pruner, .maintenance: return true
        }
    }

    func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("version", .int32(Int32(LeaseRecord.version)))
            builder.append("kind", .string(kind.rawValue))
            builder.append("scope", ifPresent: scope.map { .string($0) })
            builder.append("created", .date(created))
            builder.append("renewed", .date(renewed))
            builder.append("expires", .date(expires))
            builder.append("note", .string(note))
        }
    }

    init(id: RandomID, _ document: BSONDocument) throws {
        let object = Names.text(.lease, id)
        try document.requireVersion(LeaseRecord.version, in: object)
        let kindText: String = try document.require("kind", in: object)
        guard let kind = Kind(rawValue: kindText) else {
            throw CairnError(.unsupportedFormat, "a lease of kind \"\(kindText)\" is not known", object: object)
        }
        self.id = id
        self.kind = kind
        scope = kind == .follower ? try document.require("scope", in: object) : nil
        created = try document.requireDate("created", in: object)
        renewed = try document.requireDate("renewed", in: object)
        expires = try document.requireDate("expires", in: object)
        note = try document.require("note", in: object)
        let (duration, overflow) = expires.subtractingReportingOverflow(renewed)
        guard !overflow, duration >= 0, duration <= FormatLimits.leaseDurationMax, expires < Int64.max / 2 else {
            throw CairnError(.corrupt, "a lease from \(renewed) to \(expires) makes no sense", object: object)
        }
    }
}
