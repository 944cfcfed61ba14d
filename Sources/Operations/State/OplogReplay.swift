internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// Feeds the operations that lead from a snapshot to a time into folds, from the segments of a timeline.
struct OplogReplay: Sendable {
    let route: Timeline.Route
    let repository: Repository
    let chunks: ChunkIndex
    /// The snapshot's catalogue.
    let definitions: [CollectionDefinition]

    /// A fold of the whole route, or of a part of the documents.
    ///
    /// - Parameter budget: bytes of operations that may be kept.
    /// - Returns: nil when the budget does not suffice.
    func fold(partition: FoldHash = FoldHash(), only: Set<UUIDKey>? = nil, budget: Int = .max) throws -> Fold? {
        let filter = NamespaceFilter(include: route.base.include, exclude: route.base.exclude)
        let fold = Fold(
            definitions, after: route.base.at, through: route.time, partition: partition, only: only
        ) { database, name in
            filter.admits(Namespace(database, name))
        }
        var fits = true
        try RouteReader(route: route, repository: repository, chunks: chunks).forEachEntry {
            fold.hasOpenPrepared
        } prelude: {
            try fold.takePrelude($0)
        } entry: { entry, _ in
            let wantsMore = try fold.take(entry)
            fits = fold.byteCount <= budget
            return wantsMore && fits
        }
        return fits ? fold : nil
    }

    /// The last kept entry behind the snapshot and not behind the time; nil when there is none.
    func lastOperation() throws -> OpTime? {
        for segment in route.segments.reversed() {
            for chunk in segment.chunks.reversed() where chunk.first <= route.time && chunk.last > route.base.at {
                var last: OpTime?
                let reader = SegmentReader(repository: repository, chunks: chunks, segment: segment)
                let before = Timestamp(rawValue: chunk.first.rawValue - 1)
                try reader.forEachEntry(after: before) { entry, time in
                    guard time <= route.time, time > route.base.at else { return }
                    last = try OplogEntry(entry).opTime
                }
                if let last { return last }
            }
        }
        return nil
    }
}

extension CollectionDefinition {
    /// What a catalogue entry describes.
    init(_ entry: CatalogueEntry) {
        let kind: Kind =
            switch entry.kind {
            case .collection: .collection
            case .view: .view
            case .timeseries: .timeseries
            }
        self.init(
            database: entry.database, name: entry.collection, kind: kind,
            uuid: entry.uuid.flatMap { UUIDKey($0.rawSpan) }, options: entry.options, indexes: entry.indexes)
    }
}

extension CatalogueEntry {
    /// A collection that `definition` describes, with the documents of `base`.
    init(_ definition: CollectionDefinition, base: CatalogueEntry?) {
        let kind: Kind =
            switch definition.kind {
            case .collection: .collection
            case .view: .view
            case .timeseries: .timeseries
            }
        self.init(
            database: definition.database, collection: definition.name, kind: kind, uuid: definition.uuid?.bytes,
            options: definition.options, indexes: definition.indexes, documents: base?.documents ?? 0,
            rawBytes: base?.rawBytes ?? 0, plan: base?.plan, leafCount: base?.leafCount ?? 0,
            leaves: base?.leaves ?? .inline([]), runs: base?.runs ?? [])
    }
}
