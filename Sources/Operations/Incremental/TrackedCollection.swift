internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// One collection on its way to the snapshot's time: what is stored of it, since when its changes count, and the runs
/// that were made of them.
struct TrackedCollection {
    /// As it is at the time that is being made for.
    var info: CollectionInfo
    /// Its leaves and earlier runs, from the parent or from a scan.
    var stored: CatalogueEntry
    /// Changes after this time are not in `stored`: the parent's time, or the earliest at which a range was read.
    var since: Timestamp
    /// The latest time at which a range was read; the same as `since` but after a scan of several times.
    var until: Timestamp
    /// What the rounds found.
    var runs: [Run] = []
    /// `_id`s in those runs, one in several runs counted as often.
    var changed = 0
    /// Whether operations were seen on documents that cannot be read by `_id`: all of a capped collection or of one
    /// without an index on `_id`, single ones of others (`IdentityReader.canFind`).
    var isTouched = false
    /// It is capped and was read while it was written to: what happened between `since` and `until` may be in it.
    var isFuzzy = false
    /// Some operation falls between `since` and `until`: whether the scan saw it is not known, so what the runs add
    /// to the number of documents has to be counted.
    var needsCount = false

    init(info: CollectionInfo, _ collection: StoredCollection) {
        self.info = info
        stored = collection.entry
        since = collection.since
        until = collection.until
        isFuzzy = collection.isFuzzy
        isTouched = collection.isFuzzy
    }

    /// The collection's key in oplog entries.
    var key: UUIDKey? { info.uuid.flatMap { UUIDKey($0.rawSpan) } }

    /// Counts the live documents by reading all that is stored, and sets right what the last run says it adds.
    ///
    /// A scan of several times may or may not have seen an operation between them, so what the operations say of a
    /// document's existence does not tell what the run changes. Reading the stored documents costs what the scan's
    /// writing did, without the server; it is done only when such an operation was met.
    mutating func count(_ context: BackupContext) throws {
        needsCount = false
        guard let last = runs.indices.last else { return }
        try context.writer.flush()
        let current = entry
        let reader = ChunkReader(repository: context.repository, chunks: context.chunks)
        let buffer = Buffer(capacity: 0)
        var live = 0
        for partition in LayerTable.partitions(for: current.runs) {
            let table = try LayerTable(current.runs, reader: reader, partition: partition)
            var cursor = LayeredCursor(layers: current, reader: reader)
            while let (leaf, layer) = try cursor.next() {
                try context.cancellation.check()
                buffer.removeAll()
                try reader.read(leaf.chunk, type: .documents, into: buffer)
                var documents = DocumentBatch.Chunk(buffer.bytes)
                while let document = try documents.next() {
                    if table.isLive(try DocumentIdentity.idBytes(of: document), layer: layer) { live += 1 }
                }
            }
        }
        runs[last].delta += live - current.liveDocuments
    }

    /// Whether its documents are read back by `_id`. A capped collection's order is part of it, and before MongoDB 8.0
    /// it cannot be read at a past time.
    var hasRuns: Bool { !info.isCapped && info.hasIDIndex }

    /// The catalogue entry: the parent's byte for byte when neither documents nor definitions changed.
    var entry: CatalogueEntry {
        var entry = CatalogueEntry(
            info, plan: stored.plan, documents: stored.documents, rawBytes: stored.rawBytes,
            leafCount: stored.leafCount, leaves: stored.leaves)
        entry.runs = stored.runs + runs.filter { !$0.isEmpty }
        return entry
    }
}
