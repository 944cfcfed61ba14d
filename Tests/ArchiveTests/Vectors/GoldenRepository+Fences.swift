import BSON
import Bytes
import ObjectStore

@testable import Archive

/// What `Tests/Vectors/fences` has beside the two full snapshots: a lease that was fenced off, a snapshot and a segment
/// that were committed under it in time, a snapshot and a segment that came too late, when what they need was removed,
/// and a list of condemned packs with its suspects.
extension GoldenRepository {
    mutating func addFences() throws {
        let lease = repository.newID()
        try backup(orders: [["first", "second", "third"], ["fifth"]], at: 1_795_172_800, lease: lease)
        let inTime = snapshots[2]
        let gap = try addGap(lease: lease)
        try repository.writeSealed(
            Fence(lease: lease, created: repository.now(), keep: [inTime, gap.id]).encode(), kind: .fence, id: lease)
        try addLate(like: try repository.snapshot(inTime), lease: lease)
        let condemned = CondemnedRecord(
            id: repository.newID(), created: repository.now(), packs: [try addUselessPack()])
        try repository.writeSealed(condemned.encode(), kind: .condemned, id: condemned.id)
        try repository.writeSealed(
            SuspectsRecord(id: condemned.id, leases: [lease]).encode(), kind: .suspects, id: condemned.id)
    }

    private func addGap(lease: RandomID) throws -> Segment {
        let start = OpTime(timestamp: Timestamp(t: 1_795_172_800, i: 1), term: 3)
        let gap = Segment(
            id: repository.newID(), set: "rs0", host: "db.example:27017", from: start,
            to: OpTime(timestamp: Timestamp(t: 1_795_180_000, i: 1), term: 4), created: repository.now(),
            firstWall: nil, lastWall: nil, entries: 0, rawBytes: 0, addedBytes: 0, chunks: [],
            gap: "the oplog did not reach back to 1795172800.1", lease: lease)
        try repository.writeSealed(gap.encode(), kind: .segment, id: gap.id)
        return gap
    }

    /// Who takes these for a snapshot and a segment does not find their chunks.
    private func addLate(like snapshot: Snapshot, lease: RandomID) throws {
        let nowhere = ChunkHasher(keys: repository.keys).id(of: Array("swept".utf8).rawSpan, type: .catalogue)
        var late = snapshot
        (late.id, late.catalogue, late.lease) = (repository.newID(), [nowhere], lease)
        late.at.t += 60
        try repository.writeSealed(late.encode(), kind: .snapshot, id: late.id)
        let (from, to) = (Timestamp(t: 1_795_180_000, i: 1), Timestamp(t: 1_795_180_060, i: 1))
        let segment = Segment(
            id: repository.newID(), set: "rs0", host: "db.example:27017", from: OpTime(timestamp: from, term: 4),
            to: OpTime(timestamp: to, term: 4), created: repository.now(), firstWall: 1_795_180_000_000,
            lastWall: 1_795_180_060_000, entries: 2, rawBytes: 200, addedBytes: 0,
            chunks: [OplogChunk(chunk: nowhere, entries: 2, rawBytes: 200, first: from, last: to)], lease: lease)
        try repository.writeSealed(segment.encode(), kind: .segment, id: segment.id)
    }

    private mutating func addUselessPack() throws -> RandomID {
        var added: Set<ChunkID> = []
        try builder.begin(in: Buffer(capacity: 1 << 12))
        _ = try leaf(documents(["forgotten"]), &added)
        let pack = builder.finish()
        try repository.writePack(pack)
        packs.append(pack.contents)
        return pack.contents.identity.id
    }
}
