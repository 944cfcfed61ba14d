internal import Archive
internal import BSON
internal import Bytes
internal import Oplog

extension ArchivedState {
    /// Memory that the operations of a window may take, in bytes; a window that needs more is folded in parts.
    static let foldBudget = 256 << 20

    /// The state at a time between snapshots: the snapshot before it, seen through the operations since.
    ///
    /// - Throws: `.corrupt` or `.unsupportedFormat` naming time, namespace and key for an operation that cannot be
    ///   applied; `.limit` when the window cannot be divided far enough.
    init(
        _ route: Timeline.Route, repository: Repository, chunks: ChunkIndex, budget: Int = ArchivedState.foldBudget
    ) throws {
        let reader = SnapshotReader(repository: repository, chunks: chunks, snapshot: route.base)
        guard route.time > route.base.at else {
            try self.init(reader)
            return
        }
        var entries: [UUIDKey: CatalogueEntry] = [:]
        var definitions: [CollectionDefinition] = []
        try reader.forEachEntry { entry in
            let definition = CollectionDefinition(entry)
            definitions.append(definition)
            if let uuid = definition.uuid { entries[uuid] = entry }
        }
        let replay = OplogReplay(route: route, repository: repository, chunks: chunks, definitions: definitions)
        var deferred: DeferredFold?
        let folded: [Fold.Collection]
        if let fold = try replay.fold(budget: budget) {
            folded = fold.finish()
        } else {
            let division = try DeferredFold.divide(replay, budget: budget)
            folded = division.whole
            deferred = division.deferred
        }
        let collections = folded.map { collection in
            let base = collection.isInBase ? collection.definition.uuid.flatMap { entries[$0] } : nil
            return CatalogueEntry(collection.definition, base: base)
        }
        let tables = folded.map(\.table)
        let order = collections.indices.sorted { CatalogueEntry.precedes(collections[$0], collections[$1]) }
        let sorted = order.enumerated().map { number, index in
            let isDeferred = deferred?.concerns(collections[index]) ?? false
            return ArchivedCollection(
                number: number, entry: collections[index], fold: tables[index],
                isFolded: isDeferred || tables[index] != nil)
        }
        self.init(reader: reader, time: route.time, collections: sorted, replay: replay, deferred: deferred)
    }
}

/// What a window of the oplog did to documents, when that is more than memory may hold: it is folded anew for one part
/// of the documents after the other, and the collections concerned are read once for each.
struct DeferredFold: Sendable {
    private let replay: OplogReplay
    private let partitions: Int
    /// Collections that the window did something to, capped ones left out, which are folded whole for their order.
    private let uuids: Set<UUIDKey>

    /// Parts beyond which something else is wrong than the size of the window.
    private static let partitionsMax = 1 << 12

    /// Finds how many parts it takes.
    ///
    /// - Returns: the collections at the end of the window, with the operations on capped ones; and the rest.
    static func divide(_ replay: OplogReplay, budget: Int) throws -> (whole: [Fold.Collection], deferred: DeferredFold)
    {
        guard let catalogue = try replay.fold(only: []) else { preconditionFailure("no budget was set") }
        var capped: Set<UUIDKey> = []
        var others: Set<UUIDKey> = []
        for collection in catalogue.finish() {
            guard let uuid = collection.definition.uuid else { continue }
            if collection.definition.options.contains("capped") {
                capped.insert(uuid)
            } else {
                others.insert(uuid)
            }
        }
        guard let whole = try replay.fold(only: capped, budget: budget) else {
            throw CairnError(
                .limit,
                "the operations on capped collections take more than \(budget >> 20) MiB: choose a time closer "
                    + "behind a snapshot")
        }
        var partitions = 2
        while partitions <= partitionsMax {
            if let first = try replay.fold(
                partition: FoldHash(partition: 0, of: partitions), only: others, budget: budget)
            {
                let touched = first.finish().filter { $0.table != nil }.compactMap(\.definition.uuid)
                return (whole.finish(), DeferredFold(replay: replay, partitions: partitions, uuids: Set(touched)))
            }
            partitions *= 2
        }
        throw CairnError(.limit, "the operations on single documents take more than \(budget >> 20) MiB of memory")
    }

    /// Whether the documents of a collection come in the waves.
    func concerns(_ collection: ArchivedCollection) -> Bool { concerns(collection.entry) }

    func concerns(_ entry: CatalogueEntry) -> Bool {
        entry.uuid.flatMap { UUIDKey($0.rawSpan) }.map(uuids.contains) ?? false
    }

    /// Calls `body` once for each part.
    func forEachWave(_ collections: [ArchivedCollection], _ body: ([ArchivedCollection?]) throws -> Void) throws {
        for partition in 0..<partitions {
            let hash = FoldHash(partition: partition, of: partitions)
            guard let fold = try replay.fold(partition: hash, only: uuids) else { preconditionFailure("no budget") }
            var tables: [UUIDKey: FoldTable] = [:]
            for collection in fold.finish() {
                if let uuid = collection.definition.uuid { tables[uuid] = collection.table }
            }
            try body(
                collections.map { collection in
                    guard concerns(collection) else { return nil }
                    var part = collection
                    part.fold = collection.entry.uuid.flatMap { UUIDKey($0.rawSpan) }.flatMap { tables[$0] }
                    precondition(part.fold != nil, "a collection with operations has a table in every part")
                    return part
                })
        }
    }
}
