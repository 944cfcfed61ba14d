import Archive
import BSON
import Bytes

/// Oplog entries as a server writes them, made up, and the segments that hold them.
enum SegmentSample {
    /// The entry at second `time`.
    static func entry(_ time: UInt32, size: Int = 120) -> BSONDocument {
        [
            "op": "i", "ns": "shop.orders", "ui": .binary(subtype: 4, [UInt8](repeating: 7, count: 16)),
            "o": ["_id": .int32(Int32(time)), "note": .string(String(repeating: "oplog \(time) ", count: size / 10))],
            "o2": ["_id": .int32(Int32(time))], "ts": .timestamp(Timestamp(t: time, i: 1)), "t": .int64(1),
            "v": .int64(2), "wall": .date(Int64(time) * 1000), "prevOpTime": ["ts": .timestamp(Timestamp(t: 0, i: 0))],
        ]
    }

    static func chunks(_ times: some Sequence<UInt32>, with writer: ArchiveWriter) throws -> [OplogChunk] {
        let stream = writer.makeOplogStream()
        for time in times {
            let bytes = entry(time).bytes
            try stream.append(entry: bytes.rawSpan, time: Timestamp(t: time, i: 1))
        }
        return try stream.finish()
    }

    /// A description of the segment (`from`, `to`] that holds the entry of every second, the one at `from` too.
    static func segment(
        from: UInt32, to: UInt32, prelude: [UInt32] = [], with writer: ArchiveWriter, id: RandomID = .random()
    ) throws -> Segment {
        let chunks = try chunks(from...to, with: writer)
        let before = try self.chunks(prelude, with: writer)
        return Segment(
            id: id, set: "rs0", host: "db.example:27017",
            from: OpTime(timestamp: Timestamp(t: from, i: 1), term: 1),
            to: OpTime(timestamp: Timestamp(t: to, i: 1), term: 1), created: 1, firstWall: Int64(from) * 1000,
            lastWall: Int64(to) * 1000, entries: chunks.reduce(0) { $0 + $1.entries },
            rawBytes: chunks.reduce(0) { $0 + $1.rawBytes }, addedBytes: 9, chunks: chunks, prelude: before)
    }

    /// Stores entries and commits their segment.
    @discardableResult
    static func write(
        from: UInt32, to: UInt32, prelude: [UInt32] = [], to repository: Repository,
        options: WriterOptions = Engine.options
    ) throws -> Segment {
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: options)
        let segment = try segment(from: from, to: to, prelude: prelude, with: writer)
        try writer.flush()
        try repository.writeSegment(segment)
        writer.abort()
        return segment
    }

    /// Every entry of a segment, read back: prelude, entries.
    static func contents(
        _ segment: Segment, of repository: Repository
    ) throws -> (prelude: [BSONDocument], entries: [BSONDocument]) {
        let reader = SegmentReader(
            repository: repository, chunks: try repository.loadIndex(), segment: segment)
        var prelude: [BSONDocument] = []
        var entries: [BSONDocument] = []
        try reader.forEachEntry {
            prelude.append(try BSONDocument(copying: $0))
        } entry: { entry, time in
            entries.append(try BSONDocument(copying: entry))
            guard entries.last?["ts"] == .timestamp(time) else { throw CairnError(.corrupt, "another time") }
        }
        return (prelude, entries)
    }
}
