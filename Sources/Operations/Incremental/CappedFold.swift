internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// Makes a capped collection exact at a time by applying its own operations to what is stored of it, in order.
///
/// Before MongoDB 8.0 a capped collection cannot be read at a past time, and its order, which is part of it, rules runs
/// out. Its oplog is complete: since MongoDB 5.0 documents that fall out at its start are logged as deletes too.
///
///     stored leaves ── changed or deleted ──▶ new leaves ◀── inserted since, in their order
///
/// What was read while it was written to holds the first of the documents that were inserted meanwhile, and lacks the
/// first of those that were deleted. The inserted ones are passed over there and taken from the oplog, which has them
/// in the same order; updates may be applied twice, as oplog entries are made for.
struct CappedFold {
    private let context: BackupContext
    private let window: OplogWindow

    init(_ context: BackupContext, _ window: OplogWindow) {
        self.context = context
        self.window = window
    }

    /// The entry with new leaves, exact at `time`.
    ///
    /// - Returns: nil when the operations do not fit the memory, or the collection has no index on `_id`, or one of its
    ///   documents took on another identity, whose place the operations do not tell.
    mutating func fold(_ tracked: TrackedCollection, to time: Timestamp) throws -> CatalogueEntry? {
        guard tracked.info.hasIDIndex, tracked.stored.runs.isEmpty,
            let (table, inserted) = try operations(of: tracked, to: time)
        else { return nil }
        // Leaves of this very backup may still be on their way into a pack.
        try context.writer.flush()
        let stream = context.writer.makeStream()
        let reader = ChunkReader(repository: context.repository, chunks: context.chunks)
        let scratch = FoldScratch()
        let buffer = Buffer(capacity: 0)
        var leaves = LeafCursor(leaves: tracked.stored, reader: reader)
        while let leaf = try leaves.next() {
            try context.cancellation.check()
            buffer.removeAll()
            try reader.read(leaf.chunk, type: .documents, into: buffer)
            var documents = DocumentBatch.Chunk(buffer.bytes)
            while let document = try documents.next() {
                let identity = try DocumentIdentity.idBytes(of: document)
                if tracked.isFuzzy, inserted.contains([UInt8](identity)) { continue }
                switch try table.apply(document, identity: identity, into: scratch) {
                case .untouched: try stream.append(document: document, identity: identity)
                case .replaced: try stream.append(document: scratch.document.bytes, identity: identity)
                case .removed, .foreign: break
                }
            }
        }
        if !tracked.isFuzzy { try table.checkAllSeen() }
        try table.forEachRemaining(into: scratch) { document, identity in
            try stream.append(document: document, identity: identity)
        }
        try stream.finish()
        return try entry(tracked, stream.wait())
    }

    private func entry(_ tracked: TrackedCollection, _ stored: StoredStream) throws -> CatalogueEntry {
        let list = context.writer.makeLeafList()
        try list.append(stored.leaves)
        return CatalogueEntry(
            tracked.info, plan: tracked.stored.plan, documents: stored.documents, rawBytes: stored.rawBytes,
            leafCount: list.count, leaves: try list.finish())
    }

    /// What happened to the collection since it was stored.
    private func operations(
        of tracked: TrackedCollection, to time: Timestamp
    ) throws -> (table: FoldTable, inserted: Set<[UInt8]>)? {
        let builder = FoldTableBuilder(namespace: tracked.info.namespace.description, keepsPlaces: true)
        var inserted: Set<[UInt8]> = []
        var isOver = false
        let budget = context.tuning.changeBytes
        try window.forEachEntry(after: tracked.since, through: time) { entry in
            guard !isOver else { return }
            try entry.forEachOperation { operation in
                guard let key = operation.uuid, key == tracked.key else { return }
                if operation.kind == .command {
                    if try Operation(operation, at: operation.timestamp).command == "emptycapped" { isOver = true }
                    return
                }
                if tracked.isFuzzy, operation.kind == .insert { inserted.insert([UInt8](try operation.identity)) }
                try builder.add(Operation(operation, at: operation.timestamp))
            }
            if builder.byteCount > budget { isOver = true }
        }
        // What was stored of a fuzzy one may have a document under either identity.
        return isOver || (tracked.isFuzzy && builder.hasAliases) ? nil : (builder.freeze(), inserted)
    }
}
