internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

extension Restore {
    /// How the operations between the snapshot and the time are applied.
    public enum Replay: String, Sendable, CaseIterable {
        /// To the documents while they come out of the archive.
        case fold
        /// To the documents on the server, once the snapshot is there.
        case server
    }
}

extension ReplayWindow {
    /// The window that leads to a moment, and the state that it begins with (`baseState`). Begins with an earlier
    /// snapshot when the nearest lacks a collection that was being filled then, as `Repository.state` does.
    ///
    /// - Throws: `.usage` for a moment that is a snapshot's, or that cannot be restored.
    static func leading(
        to moment: Moment, in repository: Repository, chunks: ChunkIndex
    ) throws -> (window: ReplayWindow, base: ArchivedState) {
        guard case .time(let selection, let set) = moment else {
            throw CairnError(.usage, "--replay server applies operations behind a snapshot: it needs --at")
        }
        let timeline = try repository.timeline(of: set)
        var route = try timeline.route(to: selection, now: Int(repository.now() / 1_000))
        while true {
            let window = ReplayWindow(route: route, repository: repository, chunks: chunks)
            do {
                return (window, try window.baseState())
            } catch let error as CairnError where error.code == .incomplete {
                guard let earlier = timeline.earlier(route) else { throw error }
                route = earlier
            }
        }
    }

    /// The collections that there are at the end of the window, with the documents that they had at its beginning.
    func baseState() throws -> ArchivedState {
        let reader = SnapshotReader(repository: repository, chunks: chunks, snapshot: route.base)
        var entries: [UUIDKey: CatalogueEntry] = [:]
        var definitions: [CollectionDefinition] = []
        try reader.forEachEntry { entry in
            let definition = CollectionDefinition(entry)
            definitions.append(definition)
            if let uuid = definition.uuid { entries[uuid] = entry }
        }
        let oplog = OplogReplay(route: route, repository: repository, chunks: chunks, definitions: definitions)
        guard let fold = try oplog.fold(only: []) else { preconditionFailure("no budget was set") }
        let collections = fold.finish().map { collection in
            let base = collection.isInBase ? collection.definition.uuid.flatMap { entries[$0] } : nil
            return CatalogueEntry(collection.definition, base: base)
        }.sorted(by: CatalogueEntry.precedes)
        return ArchivedState(
            reader: reader, time: route.time,
            collections: collections.enumerated().map { ArchivedCollection(number: $0, entry: $1, fold: nil) },
            deferred: nil)
    }
}

/// The part of a restore that goes on behind the snapshot: operations applied on the server.
struct RestoreReplay {
    private let window: ReplayWindow
    private let items: [RestoreItem]
    private let target: MongoDeployment
    private let options: Restore.Options
    private let progress: JobProgress
    private let cancellation: Cancellation
    private let record: ReplayRecord
    /// An earlier run was interrupted behind the snapshot: its documents are there.
    let isResumed: Bool

    /// - Throws: `.usage` when an interrupted restore was of other namespaces; `.unsupportedFormat` when an operation
    ///   can only be folded.
    init(
        _ window: ReplayWindow, _ plan: RestorePlan, _ target: MongoDeployment, _ options: Restore.Options,
        _ progress: JobProgress, _ cancellation: Cancellation
    ) throws {
        guard !options.salvage else {
            throw CairnError(
                .usage,
                "--salvage cannot go with --replay server: operations on documents that are lost cannot be "
                    + "applied. Leave --replay server out")
        }
        self.window = window
        items = plan.items
        self.target = target
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
        record = try ReplayRecord(
            snapshot: window.route.base.id, time: window.route.time, targets: plan.items.map(\.target.description),
            client: target.checkOut())
        isResumed = try !options.drop && !options.dryRun && record.load() != nil
        if !isResumed { try requireReplayable() }
    }

    /// Looks through the operations before anything is written: one that a server cannot take would leave the target
    /// half made.
    private func requireReplayable() throws {
        let own = Set(items.compactMap { $0.entry.uuid.flatMap { UUIDKey($0.rawSpan) } })
        try window.forEachOperation(
            { operation, _ in
                guard let uuid = operation.entry.uuid, own.contains(uuid) else { return }
                try ReplayOperation.requireReplayable(operation)
            }, entryEnd: { _ in })
    }

    /// What a run that was interrupted had inserted of the snapshot.
    func restoredBase() -> [InsertOutcome] {
        items.map { item in
            var outcome = InsertOutcome(namespace: item.target.description)
            outcome.documents = item.entry.liveDocuments
            outcome.rawBytes = item.entry.totalRawBytes
            return outcome
        }
    }

    /// Applies the operations to the documents of the snapshot, which are there, and counts what becomes of them.
    ///
    /// - Parameter digest: sums up what should be there, by the fold, for the comparison.
    func run(_ outcomes: inout [InsertOutcome], _ digest: DocumentDigest?, workers: Int) throws {
        if let refused = outcomes.flatMap(\.failures).first {
            throw CairnError(
                .incomplete,
                "a document of the snapshot was refused (\(refused.reason)), so the operations behind it "
                    + "cannot be applied", object: refused.namespace)
        }
        let targets = items.map { item in
            (item.entry.uuid.flatMap { UUIDKey($0.rawSpan) }, ReplayTarget(item.info))
        }
        if try !isResumed || record.load() == nil {
            try record.save(
                ReplayRecord.State(done: window.route.base.at, deltas: Array(repeating: 0, count: items.count)))
        }
        progress.begin(phase: "replay", totalDocuments: window.route.segments.reduce(0) { $0 + $1.entries })
        var replay = try ServerReplay(
            target: target, targets: targets, after: window.route.base.at, isResumed: isResumed,
            writeConcern: options.writeConcernDocument, workers: workers, record: record, progress: progress,
            cancellation: cancellation)
        defer { replay.abandon() }
        try window.forEachOperation({ try replay.take($0, position: $1) }, entryEnd: { try replay.endEntry($0) })
        try replay.finish(window.route.time)
        for index in outcomes.indices { outcomes[index].documents += replay.deltas[index] }
        if let digest { try sum(digest, into: &outcomes, threads: workers) }
    }

    private func sum(_ digest: DocumentDigest, into outcomes: inout [InsertOutcome], threads: Int) throws {
        let state = try ArchivedState(window.route, repository: window.repository, chunks: window.chunks)
        progress.begin(phase: "digest", totalCollections: state.collections.count)
        let sums = try StateDigest(
            digest: digest, progress: progress, cancellation: cancellation, ordersCapped: false
        )
        .sums(of: state, threads: threads)
        let byName = Dictionary(
            zip(state.collections.map { Namespace(of: $0.entry) }, sums).map { ($0, $1) },
            uniquingKeysWith: { first, _ in first })
        for (index, item) in items.enumerated() {
            outcomes[index].digest = byName[Namespace(of: item.entry)] ?? DocumentDigest.Sum()
        }
    }

    /// The restore is complete.
    func end() throws { try record.remove() }

    /// The items with documents that only reading tells the number of.
    var replayedItems: [RestoreItem] {
        items.map { item in
            var collection = item.collection
            collection.isFolded = true
            return RestoreItem(collection: collection, info: item.info, isUsersOrRoles: item.isUsersOrRoles)
        }
    }
}
