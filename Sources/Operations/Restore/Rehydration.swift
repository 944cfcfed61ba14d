internal import Archive
internal import Bytes
internal import ObjectStore

/// Brings back what a restore needs and what lies in its store's archive tier, before anything is done to the target.
///
/// In two steps, for what the first brings back says what the second needs: the metadata of snapshots, and for a time
/// the oplog; then the documents that were asked for. A repository whose own backups chose the tier has its metadata
/// in packs that stay hot, and needs the second alone.
struct Rehydration {
    private let repository: Repository
    private let chunks: ChunkIndex
    private let options: Restore.Options
    private let progress: JobProgress
    private let cancellation: Cancellation
    private let archive: any ArchiveTier
    private let archived: [RandomID: ArchivedObject]

    /// Seconds between two looks at what is coming: short at first, for a copy of the state may be old.
    private static let pauseMax = 300

    /// Looks at what is archived; nil when that is nothing.
    init?(
        _ repository: Repository, _ chunks: ChunkIndex, _ options: Restore.Options, _ progress: JobProgress,
        _ cancellation: Cancellation
    ) throws {
        guard let archive = repository.store.archive else { return nil }
        self.archive = archive
        archived = try Self.archived(in: archive)
        guard !archived.isEmpty else { return nil }
        self.repository = repository
        self.chunks = chunks
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
    }

    private static func archived(in archive: any ArchiveTier) throws -> [RandomID: ArchivedObject] {
        var found: [RandomID: ArchivedObject] = [:]
        for object in try archive.archived(prefix: ObjectKind.chunk.folder) {
            if let id = Names.id(of: object.name, kind: .chunk) { found[id] = object }
        }
        return found
    }

    /// What finding out needs: all metadata, which is little, and the oplog up to the time.
    ///
    /// - Throws: `.archived` unless it is there when this returns.
    func requireMetadata() throws {
        var packs: Set<RandomID> = []
        chunks.forEach { _, location in
            if location.type.isMetadata { packs.insert(location.pack.id) }
        }
        if case .time(let selection, let set) = options.moment {
            let route = try repository.timeline(of: set).route(to: selection, now: Int(repository.now() / 1_000))
            for segment in route.segments + route.following {
                for chunk in segment.chunks + segment.prelude { add(chunk.chunk, to: &packs) }
            }
        }
        try require(packs, "metadata; once it is there, more may be found to be needed")
    }

    /// The documents of what is restored.
    ///
    /// - Throws: `.archived` unless they are there when this returns.
    func requireDocuments(_ plan: RestorePlan, _ state: ArchivedState) throws {
        var packs: Set<RandomID> = []
        for item in plan.items {
            var leaves = state.reader.layers(of: item.entry)
            do {
                while let leaf = try leaves.next()?.leaf { add(leaf.chunk, to: &packs) }
            } catch let error as CairnError where error.code == .corrupt {
                // Whether to go on is the restore's to say.
            }
        }
        try require(packs, "documents")
    }

    private func add(_ chunk: ChunkID, to packs: inout Set<RandomID>) {
        if let location = chunks.lookup(chunk) { packs.insert(location.pack.id) }
    }

    private func require(_ packs: Set<RandomID>, _ what: String) throws {
        let needed = packs.compactMap { archived[$0] }.sorted { $0.name.path < $1.name.path }
        guard !needed.isEmpty else { return }
        let text = "\(needed.count) packs, \(needed.reduce(0) { $0 + $1.size }) bytes of \(what)"
        guard let rehydrate = options.rehydrate else {
            throw error(
                "the archive tier holds \(text); nothing was done to the target. --rehydrate has them brought back, "
                    + "within 15 hours, or about an hour and for more money with --rehydrate-priority high")
        }
        // A dry run costs nothing: bringing back does.
        guard !options.dryRun else { throw error("\(text) would be brought back from the archive tier") }
        for object in needed where !object.isComing || rehydrate.priority == .high {
            try cancellation.check()
            try archive.rehydrate(object.name, priority: rehydrate.priority)
        }
        let hours = rehydrate.priority == .high ? "about an hour" : "15 hours at most"
        guard rehydrate.waits else {
            throw error(
                "\(text) are on their way back from the archive tier, for \(hours); nothing was done to the target. "
                    + "Run the same restore again then, or with --wait now")
        }
        try wait(for: Set(needed.map(\.name)))
    }

    private func error(_ text: String) -> CairnError {
        CairnError(.archived, text, object: repository.store.location)
    }

    private func wait(for names: Set<ObjectName>) throws {
        var seconds = 1
        while true {
            let left = try archive.archived(prefix: ObjectKind.chunk.folder).filter { names.contains($0.name) }
            guard !left.isEmpty else { return }
            progress.begin(phase: "rehydrate", totalCollections: names.count)
            for _ in 0..<(names.count - left.count) { progress.finishCollection() }
            for _ in 0..<seconds {
                try cancellation.check()
                pause(.seconds(1))
            }
            seconds = min(seconds * 2, Self.pauseMax)
        }
    }
}
