internal import Archive
internal import BSON
internal import Bytes
internal import ObjectStore
internal import Oplog

/// Makes a snapshot that needs no runs out of one that does, or of any time that can be restored, without a server.
///
/// It is what a full backup at that time would have stored, and takes its place: a *synthetic full*. Chunks that no
/// change touched are taken over, the others are written anew.
public struct Compact: Sendable {
    /// What was asked for.
    public struct Options: Sendable {
        /// The repository.
        public var repository: RepositoryAccess
        /// Which state to keep.
        public var moment: Moment
        /// What to mark the new snapshot with.
        public var tags: [String] = []
        /// zstd level, 1 to 19, of what is written anew.
        public var level = 3
        /// Threads that compress; 0 lets the operation choose.
        public var workers = 0

        /// The newest snapshot, unless told otherwise.
        public init(repository: RepositoryAccess, moment: Moment = .snapshot("latest")) {
            self.repository = repository
            self.moment = moment
        }
    }

    private let options: Options
    private let progress: JobProgress
    private let cancellation: Cancellation
    /// Memory for the operations of a window; tests make it small.
    var foldBudget = ArchivedState.foldBudget

    /// Prepares the job; nothing is touched before `run`.
    public init(options: Options, progress: JobProgress, cancellation: Cancellation) {
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Runs the job on the calling thread and threads of its own.
    ///
    /// - Throws: as a restore for what it reads; `.usage` for a snapshot that has no runs, which would only be copied;
    ///   `.held`, `.noSpace`, `.io`; `.interrupted`. No snapshot was committed then.
    public func run() throws -> BackupReport {
        if let report = try run(in: try options.repository.open(caching: true)) { return report }
        throw CairnError(
            .usage, "there are no runs to fold and no operations to apply: it is as compact as a full backup already")
    }

    /// `run`, or nothing for a snapshot without runs, unless `always`: then a copy of it that counts as a full one.
    func run(in repository: Repository, always: Bool = false) throws -> BackupReport? {
        let started = ContinuousClock.now
        progress.begin(phase: "plan")
        let entry = try WriterEntry.acquire(in: repository, note: "compaction")
        defer { entry.lease.release() }
        let begun = repository.now()
        let index = try entry.loadIndex()
        let state = try repository.state(
            at: options.moment, chunks: try index.forReading(repository), foldBudget: foldBudget)
        try index.takeOver(state.snapshot, repository)
        if !always, state.collections.allSatisfy(\.isPlain), state.time == state.snapshot.at { return nil }
        let workers = options.workers > 0 ? options.workers : Machine.processors
        let writer = ArchiveWriter(
            repository: repository, index: index,
            options: WriterOptions(
                workers: workers, level: options.level, streams: Machine.processors + 1,
                puts: repository.store.parallelism))
        do {
            let entries = try compact(state, writer)
            progress.begin(phase: "commit")
            let snapshot = try describe(state, entries, writer, repository, begun: begun)
            try cancellation.check()
            let committed = try writer.commit(snapshot, under: entry.lease)
            var report = BackupReport(committed)
            report.seconds = (ContinuousClock.now - started) / .seconds(1)
            record(committed, in: repository, &report)
            return report
        } catch {
            writer.abort(error as? CairnError ?? CairnError(.cancelled, "the compaction failed", underlying: error))
            throw error
        }
    }

    private func compact(_ state: ArchivedState, _ writer: ArchiveWriter) throws -> [CatalogueEntry] {
        let concerned = state.collections.filter { !$0.isPlain }
        progress.begin(
            phase: "compact", totalCollections: concerned.count,
            totalDocuments: concerned.reduce(0) { $0 + $1.entry.documents },
            totalBytes: concerned.reduce(0) { $0 + $1.entry.rawBytes })
        var entries = state.collections.map(\.entry)
        let done = try Parallel.map(
            state.whole.compactMap(\.self).filter { !$0.isPlain }, threads: Machine.processors, name: "cairn-compact"
        ) {
            CollectionCompactor(state, writer, progress, cancellation)
        } each: { [progress] compactor, collection in
            progress.enter(collection: collection.entry.namespace)
            let leaves = LeafRewriter(writer)
            try compactor.compact(collection, isPart: false, into: leaves)
            progress.finishCollection()
            return (collection.number, try Compact.checked(try leaves.finish(collection.entry), collection))
        }
        for (number, entry) in done { entries[number] = entry }
        var open: [Int: LeafRewriter] = [:]
        try state.forEachPart { part in
            for collection in part.compactMap(\.self) {
                let leaves = open[collection.number] ?? LeafRewriter(writer)
                open[collection.number] = leaves
                try CollectionCompactor(state, writer, progress, cancellation)
                    .compact(collection, isPart: true, into: leaves)
                try leaves.pause()
            }
        }
        for (number, leaves) in open { entries[number] = try leaves.finish(entries[number]) }
        return entries
    }

    /// As many documents as the catalogue counts must have come out.
    private static func checked(_ entry: CatalogueEntry, _ collection: ArchivedCollection) throws -> CatalogueEntry {
        guard let documents = collection.documents, documents != entry.documents else { return entry }
        throw CairnError(
            .corrupt, "its leaves and runs hold \(entry.documents) documents, its catalogue entry says \(documents)",
            object: entry.namespace)
    }

    private func describe(
        _ state: ArchivedState, _ entries: [CatalogueEntry], _ writer: ArchiveWriter, _ repository: Repository,
        begun: Int64
    ) throws -> Snapshot {
        var snapshot = state.snapshot
        // A time between operations is that of the one before it: what follows must be able to continue an entry of the
        // oplog.
        if let last = try state.lastOperation() {
            snapshot.at = last.timestamp
            snapshot.term = last.term
        }
        snapshot.id = repository.newID()
        snapshot.kind = .synthetic
        snapshot.parent = state.snapshot.id
        snapshot.started = begun
        snapshot.finished = repository.now()
        snapshot.tags = options.tags
        snapshot.catalogue = try writer.store(documents: entries.map { $0.encode() }, type: .catalogue)
        snapshot.totals = Snapshot.Totals(of: entries)
        snapshot.warnings = []
        snapshot.layered = entries.contains { !$0.runs.isEmpty }
        return snapshot
    }

    private func record(_ snapshot: Snapshot, in repository: Repository, _ report: inout BackupReport) {
        do {
            try repository.appendAudit(
                operation: "compact", program: Program.name,
                details: [
                    "snapshot": .string(snapshot.id.hex), "from": .string(snapshot.parent?.hex ?? ""),
                ])
        } catch {
            report.warnings.append("the snapshot is saved, but its audit record could not be written: \(error)")
            report.needsPerson = true
        }
    }
}
