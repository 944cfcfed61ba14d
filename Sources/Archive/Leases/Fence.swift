import BSON
import Bytes
import ObjectStore

/// Ends a lease for good whose holder did not give it back: what the holder commits from then on does not count.
/// Put once, under the lease's id. format-spec.md §9.10 [Y-1].
///
/// A put that a machine slept in, or that a network kept, may land long after the lease has ended, when what it rests
/// on has been removed, and nobody may be left who takes it back. So what counts is settled before anything is
/// removed: the commits that are there when the fence is made, and no later ones.
///
/// ```
/// version  int32    1
/// created  date
/// keep     binary   ids of the snapshots and segments under the lease that count, 16 bytes each
/// ```
struct Fence: Hashable, Sendable {
    /// The version of these documents that this engine writes and reads.
    static let version = 1

    /// The lease.
    var lease: RandomID
    /// When, in milliseconds since 1970-01-01 UTC.
    var created: Int64
    /// What counts.
    var keep: Set<RandomID>

    init(lease: RandomID, created: Int64, keep: Set<RandomID>) {
        self.lease = lease
        self.created = created
        self.keep = keep
    }

    func encode() -> BSONDocument {
        [
            "version": .int32(Int32(Fence.version)), "created": .date(created), "keep": .ids(keep.sorted()),
        ]
    }

    init(lease: RandomID, _ document: BSONDocument) throws {
        let object = Names.text(.fence, lease)
        try document.requireVersion(Fence.version, in: object)
        self.lease = lease
        created = try document.requireDate("created", in: object)
        keep = Set(try document.requireIDs("keep", in: object))
    }
}

/// What is committed under a lease.
protocol Commit: Sendable {
    /// The name of its object.
    var id: RandomID { get }
    /// The lease that it was committed under; nil in what older programs wrote.
    var lease: RandomID? { get }
}

extension Snapshot: Commit {}
extension Segment: Commit {}

extension Repository {
    /// Those of `commits` that no fence has made void. format-spec.md §9.10 [Y-2].
    ///
    /// Fences are listed after the commits were: what a fence makes void may be seen before the fence is, but then its
    /// chunks were still there. Most repositories have no fence; only those of leases in question are read.
    ///
    /// - Parameter fences: those that were listed after the commits were; nil lists them.
    func valid<Element: Commit>(_ commits: [Element], fences listed: [RandomID]? = nil) throws -> [Element] {
        guard commits.contains(where: { $0.lease != nil }) else { return commits }
        let fenced = Set(try listed ?? list(.fence))
        guard !fenced.isEmpty else { return commits }
        var fences: [RandomID: Fence] = [:]
        return try commits.filter { commit in
            guard let lease = commit.lease, fenced.contains(lease) else { return true }
            let fence = try fences[lease] ?? Fence(lease: lease, try readSealed(kind: .fence, id: lease))
            fences[lease] = fence
            return fence.keep.contains(commit.id)
        }
    }

    /// Ends a lease that has expired or is gone. What its holder has committed by now counts, nothing later does.
    ///
    /// Several may do so at once: whichever fence is there first holds, and each counts everything whose writer still
    /// held its lease after the commit, for it is made after that lease's end.
    func fence(_ lease: RandomID) throws {
        guard try store.stat(Names.object(.fence, lease)) == nil else { return }
        // What cannot be read may be of a program to come, and under this lease.
        var keep: Set<RandomID> = []
        for snapshot in try everySnapshot(damaged: { id, _ in keep.insert(id) }) where snapshot.lease == lease {
            keep.insert(snapshot.id)
        }
        for segment in try everySegment(damaged: { id, _ in keep.insert(id) }) where segment.lease == lease {
            keep.insert(segment.id)
        }
        do {
            try writeSealed(
                Fence(lease: lease, created: now(), keep: keep).encode(), kind: .fence, id: lease)
        } catch let error as CairnError where error.code == .alreadyExists {
            return
        }
    }

    /// All snapshots, void ones included.
    func everySnapshot(
        listed: [RandomID]? = nil, damaged: ((RandomID, CairnError) -> Void)? = nil
    ) throws -> [Snapshot] {
        try readAll(.snapshot, listed: listed, damaged: damaged) { try Snapshot(id: $0, $1) }
    }

    /// All segments, void ones included.
    func everySegment(
        listed: [RandomID]? = nil, damaged: ((RandomID, CairnError) -> Void)? = nil
    ) throws -> [Segment] {
        try readAll(.segment, listed: listed, damaged: damaged) { try Segment(id: $0, $1) }
    }

    /// Throws `.notFound` when a fence has made `commit` void.
    func requireValid(_ commit: some Commit, object: String) throws {
        guard try valid([commit]).isEmpty else { return }
        throw CairnError(
            .notFound, "whoever wrote it had lost its lease, so it does not count; `cairn prune` removes it",
            object: object)
    }

    /// Commits a segment under a writer's lease that is held before and still after it; otherwise the segment is taken
    /// back. Its chunks must be durable (`ArchiveWriter.flush`). format-spec.md §11 [W-9].
    ///
    /// - Throws: `.held` when the lease is lost; what the store throws.
    public func commit(_ segment: Segment, under lease: Lease) throws {
        var segment = segment
        segment.lease = lease.id
        try lease.committing {
            try writeSegment(segment)
        } undo: {
            try store.delete(Names.object(.segment, segment.id))
        }
    }
}
