internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// Turns oplog entries, as they are read, into committed segments: for the follower, which cuts by the clock, and for
/// backups, which cut at their end; both when a segment has grown to `bytesMax`.
///
///     reader ── batches ──▶ take ── entries that are kept ──▶ chunks (the archive writer's workers)
///                            │                                  │
///                            └─ chains that leave the segment   ▼
///                               at its start ── cut ──▶ prelude ─▶ flush ─▶ segment object
///
/// A segment stands on its own: it begins with the entry that it continues, and what transactions committed in it wrote
/// before that is fetched into its prelude when it is cut. format-spec.md §9.7.
///
/// Confined to one thread. A failure to read from the server leaves everything as it was: read again from `reached` and
/// `take` passes over what it has, or `cut` again.
final class SegmentRecorder {
    /// Raw bytes of entries at which a segment is cut at the latest, about.
    static let bytesMax = 64 << 20

    private let repository: Repository
    private let writer: ArchiveWriter
    private let lease: Lease
    private let set: String
    private let bytesMax: Int

    /// The op time that the segment under way continues.
    private(set) var from: OpTime
    /// Everything up to here was taken; at first `from`, whose entry is still to come.
    private(set) var reached: OpTime
    /// Entries taken into the segment under way that are kept, the one at `from` not counted.
    private(set) var news = 0
    /// All entries taken so far, kept or not, and their bytes.
    private(set) var taken = (entries: 0, bytes: 0)
    /// What was committed and not handed out yet, in order.
    private var committed: [Segment] = []
    /// The entry at `from` was taken.
    private var isBegun = false
    /// Made for the first entry that is kept, for a stream holds a buffer.
    private var stream: OplogStream?
    private var chains = TransactionChains()
    private var firstWall: Int64?
    private var lastWall: Int64?
    /// The entry at `reached`, when it is of a kind that is kept: the next segment begins with it.
    private let overlap = Buffer(capacity: 0)
    private var addedBefore: Int

    /// A recorder that continues at `start`.
    ///
    /// - Parameters:
    ///   - writer: takes the chunks; each segment counts as one or two of its streams.
    ///   - lease: is asked before each commit.
    ///   - set: the replica set's name.
    init(
        repository: Repository, writer: ArchiveWriter, lease: Lease, set: String, from start: OpTime,
        bytesMax: Int = SegmentRecorder.bytesMax
    ) {
        self.repository = repository
        self.writer = writer
        self.lease = lease
        self.set = set
        self.bytesMax = bytesMax
        from = start
        reached = start
        addedBefore = writer.progress.addedBytes
    }

    /// Bytes of entries in the segment under way.
    var rawBytes: Int { stream?.rawBytes ?? 0 }

    /// What was committed since the last call, in order.
    func takeCommitted() -> [Segment] {
        defer { committed = [] }
        return committed
    }

    /// Takes the entries of one batch of `OplogReader`, and commits a segment whenever one is full.
    ///
    /// - Parameter reader: fetches the heads of transactions; it may be the one whose batch this is.
    /// - Throws: what `cut` throws; `.corrupt` for an entry that cannot be read.
    func take(batch: RawSpan, _ reader: OplogReader) throws {
        var entries = try DocumentBatch.Array(batch)
        var last = 0..<0
        while let bytes = try entries.next() {
            let entry = try RecordedEntry(bytes)
            // What was taken before a resume; the entry at `from` is taken once.
            let isStart = entry.time.timestamp == from.timestamp
            if isStart ? isBegun : entry.time.timestamp <= reached.timestamp { continue }
            if rawBytes >= bytesMax {
                keepOverlap(last, of: batch)
                try cut(reader)
            }
            try add(bytes, entry, isStart: isStart)
            taken.entries += 1
            taken.bytes += bytes.byteCount
            last = entry.isKept ? batch.byteOffsets(of: bytes) ?? 0..<0 : 0..<0
            if !entry.isKept { overlap.removeAll() }
        }
        keepOverlap(last, of: batch)
    }

    private func add(_ bytes: RawSpan, _ entry: RecordedEntry, isStart: Bool) throws {
        isBegun = true
        if entry.isKept {
            let stream = self.stream ?? writer.makeOplogStream()
            self.stream = stream
            chains.note(entry)
            try stream.append(entry: bytes, time: entry.time.timestamp)
            if firstWall == nil { firstWall = entry.wall }
            lastWall = entry.wall
            if !isStart { news += 1 }
        }
        reached = entry.time
    }

    private func keepOverlap(_ range: Range<Int>, of batch: RawSpan) {
        guard !range.isEmpty else { return }
        overlap.removeAll()
        overlap.append(batch.extracting(range))
    }

    /// Commits the segment (`from`, `reached`] and begins the next one there. Does nothing when nothing was taken
    /// beyond `from`.
    ///
    /// - Returns: the segment, nil when there was nothing.
    /// - Throws: `.oplogGap` when the head of a transaction is gone; `.held` when the lease is lost; what the server,
    ///   the store and the writer throw.
    @discardableResult
    func cut(_ reader: OplogReader) throws -> Segment? {
        guard reached.timestamp > from.timestamp else { return nil }
        let prelude = try writePrelude(reader)
        let stream = self.stream.take()
        let chunks = try stream?.finish() ?? []
        if stream != nil { try writer.flush() }
        let added = writer.progress.addedBytes
        let segment = Segment(
            id: repository.newID(), set: set, host: reader.host, from: from, to: reached, created: repository.now(),
            firstWall: firstWall, lastWall: lastWall, entries: stream?.entries ?? 0,
            rawBytes: stream?.rawBytes ?? 0,
            addedBytes: added - addedBefore, chunks: chunks, prelude: prelude)
        try repository.commit(segment, under: lease)
        committed.append(segment)
        addedBefore = added
        try begin()
        return segment
    }

    /// The next segment, with the entry that it continues.
    private func begin() throws {
        from = reached
        news = 0
        firstWall = nil
        lastWall = nil
        chains = TransactionChains()
        let overlap = overlap
        guard overlap.count > 0 else { return }
        try add(overlap.bytes, try RecordedEntry(overlap.bytes), isStart: true)
    }

    /// Fetches what committed transactions wrote before `from`, oldest first, one entry in memory at a time.
    private func writePrelude(_ reader: OplogReader) throws -> [OplogChunk] {
        let heads = try chains.heads(reader)
        guard !heads.isEmpty else { return [] }
        let stream = writer.makeOplogStream()
        for head in heads {
            guard let entry = try reader.entry(at: head.timestamp) else { throw TransactionChains.gone(head) }
            try stream.append(entry: entry.bytes.rawSpan, time: head.timestamp)
        }
        return try stream.finish()
    }
}
