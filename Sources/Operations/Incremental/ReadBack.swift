internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// Reads the documents of a change set at one cluster time, with several readers, and makes a run of each collection.
///
///     changes, by collection ── batches of `_id`s ──▶ readers ── found: chunks of documents ──▶ run
///                                                             └─ not found: removals ─────────▶
///
/// A batch's documents are a stream of their own, so that nothing but the collection's run is shared by readers.
struct ReadBack {
    let deployment: MongoDeployment
    let writer: ArchiveWriter
    let time: Timestamp
    let readers: Int
    let progress: JobProgress
    let cancellation: Cancellation

    /// Bytes of documents that a batch should bring, about.
    private static let replyBytes = 2 << 20
    private static let batchMax = 4_000
    private static let batchBytesMax = 1 << 20

    /// Reads all.
    ///
    /// - Returns: the runs by the collections' indexes.
    /// - Throws: `.snapshotTooOld`, `.snapshotUnavailable`: nothing of the runs counts then, and what was stored is
    ///   found by content the next time.
    func run(_ changes: ChangeSet, of collections: [TrackedCollection?]) throws -> [Int: Run] {
        guard changes.count > 0 else { return [:] }
        let queue = BoundedQueue<IdentityBatch>(capacity: 2 * readers)
        let collected = RunCollector(writer)
        let threads = (0..<readers).map { number in
            OwnedThread(name: "cairn-changes-\(number)") {
                do { try read(queue, collected) } catch {
                    queue.fail(error)
                    collected.fail(error)
                }
            }
        }
        do {
            try changes.forEachCollection { collection, records in
                guard let tracked = collections[collection] else { return }
                progress.enter(collection: tracked.info.namespace.description)
                let size = ReadBack.batchSize(tracked.stored)
                try push(changes, records, collection, tracked.info, size, queue, collected)
            }
            queue.finish()
        } catch { queue.fail(error) }
        for thread in threads { thread.join() }
        return try collected.finish()
    }

    private static func batchSize(_ entry: CatalogueEntry) -> Int {
        let average = entry.documents > 0 ? entry.rawBytes / entry.documents : 1_024
        return max(16, min(batchMax, replyBytes / max(1, average)))
    }

    private func push(
        _ changes: ChangeSet, _ records: ArraySlice<UInt32>, _ collection: Int, _ info: CollectionInfo, _ size: Int,
        _ queue: BoundedQueue<IdentityBatch>, _ collected: RunCollector
    ) throws {
        var batch = IdentityBatch(collection: collection, info: info)
        collected.open(collection)
        for record in records {
            if batch.count >= size || batch.byteCount >= ReadBack.batchBytesMax {
                collected.expect(collection)
                try queue.push(batch)
                batch = IdentityBatch(collection: collection, info: info)
            }
            try changes.withRecord(record) { identity, existed in try batch.append(identity, existed: existed) }
        }
        collected.expect(collection)
        try queue.push(batch)
        try collected.close(collection)
    }

    private func read(_ queue: BoundedQueue<IdentityBatch>, _ collected: RunCollector) throws {
        let reader = IdentityReader(client: try deployment.checkOut())
        while var batch = try queue.pop() {
            try cancellation.check()
            let stream = writer.makeStream()
            try reader.read(batch.request, in: batch.info, at: time) { array in
                var documents = try DocumentBatch.Array(array)
                while let document = try documents.next() {
                    let identity = try DocumentIdentity.idBytes(of: document)
                    if batch.take(identity) { try stream.append(document: document, identity: identity) }
                }
            }
            try stream.finish()
            let stored = try stream.wait()
            progress.add(documents: batch.count, bytesIn: stored.rawBytes)
            progress.set(bytesStored: writer.progress.addedBytes)
            try collected.take(batch, stored)
        }
    }
}

/// The `_id`s that one reader asks for together, and which of them were found.
struct IdentityBatch: Sendable {
    let collection: Int
    let info: CollectionInfo
    private(set) var request = IdentityReader.Request()
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var existed: [Bool] = []
    private var found: [Bool] = []
    /// By a hash of the `_id`: its index plus 1; made when the first document arrives.
    private var table: [Int32] = []

    init(collection: Int, info: CollectionInfo) {
        self.collection = collection
        self.info = info
    }

    var count: Int { ends.count }
    var byteCount: Int { bytes.count }

    mutating func append(_ identity: RawSpan, existed: Bool) throws {
        try request.append(identity)
        bytes += [UInt8](identity)
        ends.append(bytes.count)
        self.existed.append(existed)
        found.append(false)
    }

    /// Whether a document with that `_id`, byte for byte, was asked for and did not come before.
    mutating func take(_ identity: RawSpan) -> Bool {
        if table.isEmpty { index() }
        var slot = home(identity)
        while table[slot] != 0 {
            let index = Int(table[slot]) - 1
            if spansEqual(bytes.rawSpan.extracting(range(index)), identity) {
                defer { found[index] = true }
                return !found[index]
            }
            slot = slot + 1 == table.count ? 0 : slot + 1
        }
        return false
    }

    /// What the batch adds to the number of documents.
    var delta: Int { found.count { $0 } - existed.count { $0 } }

    /// Calls `body` with each `_id` that has no document.
    func forEachMissing(_ body: (RawSpan) throws -> Void) rethrows {
        for index in 0..<count where !found[index] { try body(bytes.rawSpan.extracting(range(index))) }
    }

    private func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

    private mutating func index() {
        table = [Int32](repeating: 0, count: 2 * count + 1)
        for index in 0..<count {
            var slot = home(bytes.rawSpan.extracting(range(index)))
            while table[slot] != 0 { slot = slot + 1 == table.count ? 0 : slot + 1 }
            table[slot] = Int32(index + 1)
        }
    }

    private static let hash = SipHash(key0: 0x63_61_69_72_6E, key1: 0x72_65_61_64)

    private func home(_ identity: RawSpan) -> Int {
        Int(IdentityBatch.hash.hash64(identity).multipliedFullWidth(by: UInt64(table.count)).high)
    }
}

/// The runs under way: one for each collection that has batches with the readers.
private final class RunCollector: Sendable {
    private struct Open {
        var writer: RunWriter
        var delta = 0
        var expected = 0
        var taken = 0
        var isClosed = false
    }

    private struct State {
        var open: [Int: Open] = [:]
        var runs: [Int: Run] = [:]
        var failure: (any Error)?
    }

    private let archive: ArchiveWriter
    private let state = Mutex(State())

    init(_ archive: ArchiveWriter) { self.archive = archive }

    func fail(_ error: any Error) { state.withLock { if $0.failure == nil { $0.failure = error } } }

    func open(_ collection: Int) {
        state.withLock { [archive] in $0.open[collection] = Open(writer: archive.makeRunWriter()) }
    }

    /// A batch of the collection is on its way.
    func expect(_ collection: Int) { state.withLock { $0.open[collection]?.expected += 1 } }

    /// No batch follows.
    func close(_ collection: Int) throws {
        try state.withLock { state in
            state.open[collection]?.isClosed = true
            try RunCollector.endIfComplete(collection, &state)
        }
    }

    func take(_ batch: borrowing IdentityBatch, _ stored: StoredStream) throws {
        try state.withLock { state in
            guard let run = state.open[batch.collection] else { return }
            try run.writer.put(stored)
            try batch.forEachMissing { try run.writer.remove(identity: $0) }
            state.open[batch.collection]?.delta += batch.delta
            state.open[batch.collection]?.taken += 1
            try RunCollector.endIfComplete(batch.collection, &state)
        }
    }

    private static func endIfComplete(_ collection: Int, _ state: inout State) throws {
        guard let run = state.open[collection], run.isClosed, run.taken == run.expected else { return }
        state.open[collection] = nil
        state.runs[collection] = try run.writer.finish(delta: run.delta)
    }

    /// All runs.
    ///
    /// - Throws: the first failure of any reader.
    func finish() throws -> [Int: Run] {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            precondition(state.open.isEmpty, "a batch was not taken")
            return state.runs
        }
    }
}
