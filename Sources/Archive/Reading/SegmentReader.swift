public import BSON
import Bytes

/// Reads the entries of one segment, in order. Confined to one thread; one chunk is in memory at a time.
public struct SegmentReader {
    private let segment: Segment
    private let reader: ChunkReader
    private let buffer = Buffer(capacity: 0)

    /// A reader of `segment`, whose chunks are where `chunks` says (`Repository.loadIndex`).
    public init(repository: Repository, chunks: ChunkIndex, segment: Segment) {
        self.segment = segment
        reader = ChunkReader(repository: repository, chunks: chunks)
    }

    /// Calls `prelude` with each entry before the segment that a transaction in it needs, then `entry` with each of
    /// its own entries and their times, all in the order of the oplog. The spans are borrowed for the call.
    ///
    /// - Throws: `.corrupt` when a chunk cannot be read or does not hold the entries that the segment says, in order;
    ///   what the bodies throw.
    public func forEachEntry(
        prelude: (RawSpan) throws -> Void, entry: (RawSpan, Timestamp) throws -> Void
    ) throws {
        for chunk in segment.prelude { try forEach(in: chunk) { span, _ in try prelude(span) } }
        for chunk in segment.chunks { try forEach(in: chunk, entry) }
    }

    /// Calls `body` with the entries later than `time` alone: what a reader that comes from an overlapping segment has
    /// not seen. Chunks that end before are not read. [S-5]
    public func forEachEntry(after time: Timestamp, _ body: (RawSpan, Timestamp) throws -> Void) throws {
        for chunk in segment.chunks where chunk.last > time {
            try forEach(in: chunk) { span, entryTime in
                if entryTime > time { try body(span, entryTime) }
            }
        }
    }

    private func forEach(in chunk: OplogChunk, _ body: (RawSpan, Timestamp) throws -> Void) throws {
        buffer.removeAll()
        try reader.read(chunk.chunk, type: .oplog, into: buffer)
        var check = OplogOrder(chunk, object: Names.text(.segment, segment.id))
        var entries = DocumentBatch.Chunk(buffer.bytes)
        while let entry = try entries.next() { try body(entry, try check.take(entry)) }
        try check.finish()
    }
}

/// Compares the entries of a chunk with what its segment says of it. format-spec.md §9.7 [S-2].
struct OplogOrder {
    private let chunk: OplogChunk
    private let object: String
    private var count = 0
    private var last: Timestamp?

    init(_ chunk: OplogChunk, object: String) {
        self.chunk = chunk
        self.object = object
    }

    /// The time of the next entry.
    mutating func take(_ entry: RawSpan) throws -> Timestamp {
        let time = try time(of: entry)
        guard time > last ?? Timestamp(rawValue: 0), time >= chunk.first, time <= chunk.last,
            last != nil || time == chunk.first
        else {
            throw CairnError(
                .corrupt, "entry \(count) of chunk \(chunk.chunk.hex) is out of order: \(time)", object: object)
        }
        last = time
        count += 1
        return time
    }

    /// Looks for it by static text, since this is done for every entry.
    private func time(of entry: RawSpan) throws -> Timestamp {
        var elements = try DocumentView(entry).makeElements()
        while let element = try elements.next() {
            guard element.isNamed("ts") else { continue }
            guard let time = element.timestamp else { break }
            return time
        }
        throw CairnError(.corrupt, "entry \(count) of chunk \(chunk.chunk.hex) has no `ts`", object: object)
    }

    func finish() throws {
        guard count == chunk.entries, last == chunk.last else {
            throw CairnError(
                .corrupt,
                """
                chunk \(chunk.chunk.hex) holds \(count) oplog entries to \(last?.description ?? "none"), the segment \
                says \(chunk.entries) to \(chunk.last)
                """, object: object)
        }
    }
}
