import BSON
import Bytes
import ObjectStore

@testable import Archive

/// What `Tests/Vectors/layers` has beside the two full snapshots: an incremental with runs, a synthetic one made of it,
/// segments of the oplog between, and a gap.
extension GoldenRepository {
    mutating func addLayers() throws {
        let incremental = try addIncremental(at: 1_795_090_000)
        try addSynthetic(of: incremental, at: 1_795_090_000)
        try addSegments(from: 1_795_086_400, to: 1_795_090_000)
    }

    private mutating func addIncremental(at: UInt32) throws -> [CatalogueEntry] {
        var added: Set<ChunkID> = Set(packs.flatMap { $0.entries.map(\.id) })
        try builder.begin(in: Buffer(capacity: 1 << 14))
        var squares = try entry(
            "big", "numbers", try (0..<6).map { try leaf(numbers($0), &added) }, options: [:], added: &added)
        // More leaves than fit inline, so that a run has a leaf list too.
        let changed = (0..<6).map { BSONDocument([("_id", .int32($0)), ("square", .double(Double($0 * $0)))]) }
        squares.runs = [try run(changed.map { [$0] }, removing: [.int32(17)], delta: -1, &added)]
        var empty = try entry("shop", "empty", [], options: ["capped": true, "size": .int64(4096)], added: &added)
        empty.runs = [try run([[["_id": 1], ["_id": 2]]], removing: [], delta: 2, &added)]
        var orders = try entry(
            "shop", "orders",
            try [["first", "second", "third"], ["fourth"]].map { try leaf(documents($0), &added) }, options: [:],
            added: &added)
        orders.runs = [
            try run([[["_id": "second", "note": "changed"]]], removing: ["first", "never there"], delta: -1, &added),
            try run([documents(["first", "fifth"])], removing: ["third"], delta: 1, &added),
        ]
        hooks.runs(&orders.runs)
        let view = try entry(
            "shop", "view", nil, options: ["viewOn": "orders", "pipeline": .array([])], added: &added)
        let entries = [squares, empty, orders, view]
        try commit(entries, kind: .incremental, at: at, &added, hooks.incremental)
        return entries
    }

    private func run(
        _ leaves: [[BSONDocument]], removing removed: [BSONValue], delta: Int, _ added: inout Set<ChunkID>
    ) throws -> Run {
        let stored = try leaves.map { try leaf($0.map(hooks.putIntoRun), &added) }
        var place = CatalogueEntry.Leaves.inline(stored)
        if stored.count > FormatLimits.inlineLeavesMax {
            place = .lists([try chunk(stored.flatMap { $0.encode().bytes }, .leafList, &added)])
        }
        let removals = hooks.removals(removed.flatMap { BSONDocument([("_id", $0)]).bytes })
        return Run(
            documents: stored.reduce(0) { $0 + $1.documents }, rawBytes: stored.reduce(0) { $0 + $1.rawBytes },
            leafCount: stored.count, leaves: place, removed: removed.count,
            removals: removed.isEmpty ? [] : [try chunk(removals, .run, &added)], delta: delta)
    }

    /// The same documents in leaves of their own.
    private mutating func addSynthetic(of entries: [CatalogueEntry], at: UInt32) throws {
        var added: Set<ChunkID> = Set(packs.flatMap { $0.entries.map(\.id) })
        try builder.begin(in: Buffer(capacity: 1 << 14))
        var folded = entries
        folded[0] = try entry(
            "big", "numbers",
            try (0..<6).map { number in
                try leaf(
                    numbers(number).filter { $0["_id"] != .int32(17) }.map { document in
                        guard number < 2, case .int32(let value)? = document["_id"] else { return document }
                        return ["_id": .int32(value), "square": .double(Double(value * value))]
                    }, &added)
            }, options: [:], added: &added)
        folded[1] = try entry(
            "shop", "empty", [try leaf([["_id": 1], ["_id": 2]], &added)],
            options: ["capped": true, "size": .int64(4096)], added: &added)
        folded[2] = try entry(
            "shop", "orders",
            [
                try leaf(documents(["fourth"]), &added),
                try leaf([["_id": "second", "note": "changed"]] + documents(["first", "fifth"]), &added),
            ], options: [:], added: &added)
        try commit(folded, kind: .synthetic, at: at, &added, { $0 })
    }

    private mutating func commit(
        _ entries: [CatalogueEntry], kind: Snapshot.Kind, at: UInt32, _ added: inout Set<ChunkID>,
        _ change: (BSONDocument) -> BSONDocument
    ) throws {
        let catalogue = try chunk(entries.flatMap { $0.encode().bytes }, .catalogue, &added)
        let pack = builder.finish()
        try repository.writePack(pack)
        packs.append(pack.contents)
        var totals = Snapshot.Totals(of: entries)
        totals.addedBytes = pack.buffer.count
        let snapshot = Snapshot(
            id: repository.newID(), kind: kind, parent: snapshots.last, at: Timestamp(t: at, i: 1),
            started: repository.now(), finished: repository.now(),
            source: Snapshot.Source(
                set: "rs0", host: "db.example:27017", serverVersion: "6.0.5", featureCompatibilityVersion: "6.0"),
            scanOrder: .natural, tags: [], catalogue: [catalogue], totals: totals, warnings: [], exact: true, term: 3,
            layered: entries.contains { !$0.runs.isEmpty })
        try repository.writeSealed(change(snapshot.encode()), kind: .snapshot, id: snapshot.id)
        snapshots.append(snapshot.id)
        try repository.appendAudit(
            operation: "backup", program: "cairn vectors", details: ["snapshot": .id(snapshot.id)])
    }

    /// One segment with a prelude, one that overlaps it and ends later, and a gap behind.
    private mutating func addSegments(from: UInt32, to: UInt32) throws {
        var added: Set<ChunkID> = Set(packs.flatMap { $0.entries.map(\.id) })
        try builder.begin(in: Buffer(capacity: 1 << 14))
        let middle = from + 1800
        let first = try segment(
            from: from, to: to, chunks: [[from, from + 7], [middle, to]], prelude: [from - 9, from - 8], &added)
        let second = try segment(from: middle, to: to + 600, chunks: [[middle, to], [to + 300]], prelude: [], &added)
        var gap = second
        (gap.id, gap.from, gap.gap) = (repository.newID(), second.to, "the oplog did not reach back to 1795090600.1")
        (gap.to.timestamp.t, gap.to.term) = (to + 9_000, 4)
        (gap.chunks, gap.entries, gap.rawBytes, gap.firstWall, gap.lastWall) = ([], 0, 0, nil, nil)
        let pack = builder.finish()
        try repository.writePack(pack)
        packs.append(pack.contents)
        try repository.writeSealed(hooks.segment(first.encode()), kind: .segment, id: first.id)
        for segment in [second, gap] {
            try repository.writeSealed(segment.encode(), kind: .segment, id: segment.id)
        }
    }

    private func segment(
        from: UInt32, to: UInt32, chunks: [[UInt32]], prelude: [UInt32], _ added: inout Set<ChunkID>
    ) throws -> Segment {
        func piece(_ times: [UInt32]) throws -> OplogChunk {
            let bytes = hooks.oplog(times.map { SegmentSample.entry($0) }).flatMap(\.bytes)
            return OplogChunk(
                chunk: try chunk(bytes, .oplog, &added), entries: times.count, rawBytes: bytes.count,
                first: Timestamp(t: times[0], i: 1), last: Timestamp(t: times[times.count - 1], i: 1))
        }
        let pieces = try chunks.map(piece)
        return Segment(
            id: repository.newID(), set: "rs0", host: "db.example:27017",
            from: OpTime(timestamp: Timestamp(t: from, i: 1), term: 3),
            to: OpTime(timestamp: Timestamp(t: to, i: 1), term: 3), created: repository.now(),
            firstWall: Int64(from) * 1000, lastWall: Int64(to) * 1000, entries: pieces.reduce(0) { $0 + $1.entries },
            rawBytes: pieces.reduce(0) { $0 + $1.rawBytes }, addedBytes: 0, chunks: pieces,
            prelude: prelude.isEmpty ? [] : [try piece(prelude)])
    }
}
