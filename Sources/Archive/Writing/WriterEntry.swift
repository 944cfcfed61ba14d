public import Bytes
import ObjectStore

/// How a writer begins: with a lease, and a look at what is there in as few requests as the order of reading allows.
///
///     lease put ─▶ leases, snapshots, segments, condemned, audit ─▶ fences, indexes, keys ─▶ (index objects) ─▶ packs
///
/// Each arrow matters. Leases are listed after the own one was put ([G-2]), keys after no rotation was seen at work,
/// fences after what they may declare void ([Y-2]), index objects after snapshots (a writer makes them the other way
/// round) and after what is condemned was read ([D-3]), packs after index objects were read. Between two arrows nothing
/// depends on the order, so a store may list in one request what stands there. format-spec.md §11.1.
public struct WriterEntry: Sendable {
    /// The writer's lease, held, and renewed in the background until it is given back.
    public let lease: Lease
    private let repository: Repository
    /// Leases, snapshots, segments, condemned lists and audit records.
    private let first: Survey
    /// Fences, index objects and keys, listed after all of `first`.
    private let second: Survey
    private let condemned: Set<RandomID>

    /// Acquires a lease and looks around.
    ///
    /// - Throws: as `Lease.acquire`; what the store throws. The lease is given back then.
    public static func acquire(in repository: Repository, note: String) throws -> WriterEntry {
        try acquire(in: repository, note: note, duration: Lease.standardDuration, renewing: true)
    }

    static func acquire(
        in repository: Repository, note: String, duration: Int64, renewing: Bool
    ) throws -> WriterEntry {
        let store = repository.store
        let (lease, found) = try Lease.acquire(
            .writer, in: repository, note: note, duration: duration, renewing: renewing
        ) { lease in
            let first = try Survey([.lease, .snapshot, .segment, .condemned, .audit], in: store)
            try lease.requireNoConflict(in: first)
            let condemned = Set(try repository.condemned(listed: first.ids(.condemned)).flatMap(\.packs))
            let second = try Survey([.fence, .index], keys: true, in: store)
            try repository.requireNewestKeys(listed: second.keys)
            return (first: first, second: second, condemned: condemned)
        }
        return WriterEntry(
            lease: lease, repository: repository, first: found.first, second: found.second, condemned: found.condemned)
    }

    /// As `Repository.snapshots(damaged:)`, of the snapshots that were there.
    public func snapshots(damaged: ((RandomID, CairnError) -> Void)? = nil) throws -> [Snapshot] {
        let all = try repository.everySnapshot(listed: first.ids(.snapshot), damaged: damaged)
        return try repository.valid(all, fences: second.ids(.fence)).sorted(by: Snapshot.precedes)
    }

    /// As `Repository.segments(damaged:)`, of the segments that were there.
    public func segments(damaged: ((RandomID, CairnError) -> Void)? = nil) throws -> [Segment] {
        let all = try repository.everySegment(listed: first.ids(.segment), damaged: damaged)
        return try repository.valid(all, fences: second.ids(.fence)).sorted(by: Segment.precedes)
    }

    /// Reads the index. Once, for a writer takes possession of it.
    public func loadIndex() throws -> WriterIndex {
        try WriterIndex.load(repository, condemned: condemned, listed: second.ids(.index))
    }

    /// The audit records that were there, ascending; nil when they were listed so long ago that others may have added
    /// to them, which would fork their chain.
    public var recentAudit: [RandomID]? { .now - first.taken < .seconds(60) ? first.ids(.audit) : nil }
}
