internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// The snapshot that an incremental continues: the newest exact one of the same replica set and the same selection of
/// namespaces whose catalogue can be read.
struct ParentSnapshot {
    let snapshot: Snapshot
    let optime: OpTime
    /// Every entry, views left out.
    let entries: [CatalogueEntry]
    /// The plans of its scans.
    let plans: ParentPlans

    /// Finds it.
    ///
    /// - Throws: `NoParent` when there is none.
    static func find(
        _ snapshots: [Snapshot], options: FullBackup.Options, set: String, _ repository: Repository,
        _ index: WriterIndex, _ reader: OplogReader
    ) throws -> ParentSnapshot {
        let own = snapshots.filter { $0.source.set == set && $0.exact }
        let same = own.filter { $0.hasSelection(options.include, options.exclude) }
        for snapshot in same.reversed() {
            do {
                try index.takeOver(snapshot, repository)
                let entries = try entries(of: snapshot, repository, index)
                // Without a term, which early snapshots lack, an entry that is gone is a gap like any other.
                let optime =
                    try snapshot.optime ?? reader.opTime(at: snapshot.at) ?? OpTime(timestamp: snapshot.at, term: -1)
                return ParentSnapshot(
                    snapshot: snapshot, optime: optime, entries: entries, plans: ParentPlans(entries))
            } catch let error as CairnError where error.code == .corrupt {
                // An older one does as well, if the oplog reaches back to it; `check` tells what is damaged.
                continue
            }
        }
        if own.isEmpty { throw NoParent(text: "there is no exact snapshot of \(set) yet", needsPerson: false) }
        if same.isEmpty {
            throw NoParent(
                text: "no snapshot of \(set) has the same selection of namespaces (--ns-include, --ns-exclude)",
                needsPerson: false)
        }
        throw NoParent(text: "no snapshot of \(set) can be read: run `cairn check`", needsPerson: true)
    }

    private static func entries(
        of snapshot: Snapshot, _ repository: Repository, _ index: WriterIndex
    ) throws -> [CatalogueEntry] {
        let reader = SnapshotReader(repository: repository, chunks: index.chunks, snapshot: snapshot)
        var entries: [CatalogueEntry] = []
        try reader.forEachEntry { entry in
            if !index.missing.isEmpty { try requireChunks(of: entry, reader, index.chunks) }
            if entry.kind != .view { entries.append(entry) }
        }
        return entries
    }

    /// With packs missing, what the parent's leaves refer to may be lost: a full backup would store it again.
    private static func requireChunks(of entry: CatalogueEntry, _ reader: SnapshotReader, _ chunks: ChunkIndex) throws {
        var leaves = reader.layers(of: entry)
        while let (leaf, _) = try leaves.next() {
            guard chunks.lookup(leaf.chunk) != nil else {
                throw CairnError(.corrupt, "chunk \(leaf.chunk.hex) is missing", object: entry.namespace)
            }
        }
    }
}

/// Why there is nothing that an incremental could continue.
struct NoParent: Error {
    let text: String
    let needsPerson: Bool
}
