internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// The oplog from the parent's time on: what segments hold already is read from them, the rest from the server, and
/// that is stored as segments when it is read for the first time. Confined to one thread.
final class OplogWindow {
    private let repository: Repository
    private let chunks: ChunkIndex
    private let reader: OplogReader
    private let recorder: SegmentRecorder
    private let cancellation: Cancellation
    /// Segments that were there before, in order, without a hole between `start` and the recorder's start.
    private let stored: [Segment]
    /// Entries of transactions that stand before the time of the pass, from segments: the server's oplog may have lost
    /// them.
    private var heads: [Timestamp: [UInt8]] = [:]

    init(_ context: BackupContext, _ chain: SegmentChain, _ reader: OplogReader, _ recorder: SegmentRecorder) {
        repository = context.repository
        chunks = context.chunks
        cancellation = context.cancellation
        self.reader = reader
        self.recorder = recorder
        stored = chain.segments
    }

    /// Everything up to here is in segments, or on its way into one.
    var reached: OpTime { recorder.reached }
    /// Segments that were committed through this window, in order.
    private(set) var committed: [Segment] = []

    /// Feeds the collector with every entry after `since` up to `end`.
    ///
    /// - Throws: `.oplogGap` when the server's oplog does not continue what is stored.
    func collect(after since: Timestamp, through end: Timestamp, into collector: inout ChangeCollector) throws {
        heads = [:]
        let latest = collector.latest
        try forEachEntry(after: since, through: end, headsUpTo: latest) { entry in
            guard entry.timestamp > since else {
                if OplogWindow.isPart(entry) { self.heads[entry.timestamp] = [UInt8](entry.bytes) }
                return
            }
            try self.pass(entry, &collector)
        }
        heads = [:]
    }

    /// Calls `body` with every entry after `since` up to `end`, once and in order, however segments overlap; of a
    /// segment that holds entries up to `latest`, or needs earlier ones, with those before `since` too.
    func forEachEntry(
        after since: Timestamp, through end: Timestamp, headsUpTo latest: Timestamp? = nil,
        _ body: (borrowing OplogEntry) throws -> Void
    ) throws {
        // What is on its way into a segment can be read once it is one.
        if since < recorder.reached.timestamp { try finish() }
        var last = since
        func pass(_ bytes: RawSpan) throws {
            let entry = try OplogEntry(bytes)
            guard entry.timestamp <= end, entry.timestamp <= since || entry.timestamp > last else { return }
            last = max(last, entry.timestamp)
            try body(entry)
        }
        for segment in stored + committed where segment.to.timestamp > since {
            guard segment.from.timestamp < end else { break }
            let source = SegmentReader(repository: repository, chunks: chunks, segment: segment)
            if let latest, segment.from.timestamp <= latest || !segment.prelude.isEmpty {
                try source.forEachEntry(prelude: { try pass($0) }, entry: { bytes, _ in try pass(bytes) })
            } else {
                try source.forEachEntry(after: since) { bytes, _ in try pass(bytes) }
            }
        }
        try readServer(through: end) { batch in
            var entries = try DocumentBatch.Array(batch)
            while let bytes = try entries.next() {
                if try RecordedEntry(bytes).time.timestamp > since { try pass(bytes) }
            }
        }
    }

    /// Stores what follows up to `end` without looking into it.
    func record(through end: Timestamp) throws { try readServer(through: end) { _ in } }

    /// Proves that the server's oplog continues what is stored.
    ///
    /// - Throws: `.oplogGap`.
    func verify() throws { try reader.read(from: recorder.reached, through: recorder.reached.timestamp) { _ in false } }

    /// Commits what is on its way into a segment.
    func finish() throws {
        try recorder.cut(reader)
        committed += recorder.takeCommitted()
    }

    private func readServer(through end: Timestamp, _ body: (RawSpan) throws -> Void) throws {
        guard recorder.reached.timestamp < end else { return }
        try reader.read(from: recorder.reached, through: end) { batch in
            try self.cancellation.check()
            // The segment that a full one is cut from is committed before its batch is collected: the server's copy of
            // a transaction's head is read by then, if one is needed.
            try self.recorder.take(batch: batch, self.reader)
            self.committed += self.recorder.takeCommitted()
            try body(batch)
            return true
        }
    }

    /// Whether an entry may be part of a transaction of several.
    private static func isPart(_ entry: borrowing OplogEntry) -> Bool {
        entry.kind == .command && !entry.isAppliedSeparately
    }

    private func pass(_ entry: borrowing OplogEntry, _ collector: inout ChangeCollector) throws {
        if OplogWindow.isPart(entry), let previous = entry.previous, previous.timestamp <= collector.latest {
            // What was prepared counts from its commit timestamp on, which may lie before the entry that says so.
            let object = try DocumentView(entry.object)
            let commit = try object.first(named: "commitTimestamp")?.timestamp
            try takeHeads(previous, at: commit ?? entry.timestamp, &collector)
        }
        if OplogWindow.isPart(entry), entry.timestamp <= collector.latest {
            heads[entry.timestamp] = [UInt8](entry.bytes)
        }
        try collector.take(entry, at: entry.timestamp)
    }

    /// Takes what a transaction wrote up to `last`, oldest first.
    private func takeHeads(
        _ last: OpTime, at time: Timestamp, _ collector: inout ChangeCollector
    ) throws {
        var places: [OpTime] = []
        var next: OpTime? = last
        while let place = next {
            places.append(place)
            next = try withHead(place) { try OplogEntry($0).previous }
            if let next, next.timestamp >= place.timestamp { throw TransactionChains.gone(next) }
        }
        for place in places.reversed() {
            try withHead(place) { try collector.take(OplogEntry($0), at: time) }
        }
    }

    private func withHead<Result>(_ place: OpTime, _ body: (RawSpan) throws -> Result) throws -> Result {
        if let head = heads[place.timestamp] { return try body(head.rawSpan) }
        guard let entry = try reader.entry(at: place.timestamp) else { throw TransactionChains.gone(place) }
        return try body(entry.bytes.rawSpan)
    }
}
