import Bytes
public import ObjectStore

/// Makes the best of a damaged repository, without destroying anything.
///
/// Whatever it takes out of service is copied first, into `damaged/<id>/` of the same store or into another one;
/// when a copy cannot be made, nothing has been changed. Then, after what replicas have has been put back (`Healing`):
///
/// - index objects that are damaged, wrong, or name packs that are gone are replaced by new ones, made from the
///   packs' own directories;
/// - packs that no index object names get into one;
/// - a damaged pack is replaced by a new one with those of its chunks that are whole, so that the next backup
///   stores the others anew
///   when it meets their documents again, and old snapshots become whole with it;
/// - snapshots and segments whose own object is damaged are taken out of their folders, where they would stop every
///   listing. Those of a newer version stay.
///
/// The caller holds the maintenance lease: nobody may write meanwhile.
public enum Repair {
    /// The folder with the copies.
    public static let folder = "damaged/"

    /// What was done.
    public struct Report: Sendable {
        /// What was wrong.
        public var before: CheckReport
        /// What is wrong still: `incompleteSnapshots` are those whose documents are lost in part.
        public var after: CheckReport
        /// What became of each object that replicas were asked for.
        public var healed: [Healing.Outcome] = []
        /// Names of the copies, in the store for them; those that healing made are in `healed`.
        public var copies: [ObjectName] = []
        /// Objects that were taken out of service; each has a copy.
        public var removed: [ObjectName] = []
        /// Packs that are named by new index objects.
        public var indexedPacks = 0
        /// Chunks that were moved from damaged packs into new ones.
        public var salvagedChunks = 0
        /// Chunks of damaged packs that could not be read.
        public var lostChunks = 0

        /// Whether anything was changed.
        public var changed: Bool {
            !removed.isEmpty || indexedPacks > 0 || salvagedChunks > 0 || healed.contains { $0.failure == nil }
        }
    }

    /// Repairs `repository`.
    ///
    /// - Parameters:
    ///   - options: how thoroughly to look for damage. Only `.all` finds damaged chunks in all packs.
    ///   - copies: where the copies go; the repository's own store when nil.
    ///   - replicas: where good copies may be, in the order in which they are asked.
    /// - Throws: what keeps it from looking or writing. It can be run again then.
    public static func run(
        _ repository: Repository, options: CheckOptions, copies: (any ObjectStore)? = nil,
        replicas: [Healing.Source] = [], monitor: CheckMonitor = CheckMonitor()
    ) throws -> Report {
        try repository.requireWritable()
        try Healing.requireReplicas(replicas, of: repository)
        var found = try Check.examine(repository, options: options, monitor: monitor)
        var report = Report(before: found.report, after: found.report)
        let healer = Healer(
            store: repository.store, repository: repository, sources: replicas, aside: copies ?? repository.store,
            folder: Healing.newFolder())
        if !replicas.isEmpty, try heal(healer.unmissed(), with: healer, &report) {
            found = try Check.examine(repository, options: options, monitor: monitor)
            report.after = found.report
        }
        // What was put back may name further objects that are lost.
        while !replicas.isEmpty, try heal(found, with: healer, &report) {
            found = try Check.examine(repository, options: options, monitor: monitor)
            report.after = found.report
        }
        let hasStrays = !found.inventory.unindexed.isEmpty || !found.report.missingPacks.isEmpty
        guard !found.report.isSound || hasStrays else { return report }
        var work = RepairWork(repository: repository, found: found)
        try work.plan()
        try work.copyAside(to: copies, &report)
        try work.rebuild(&report)
        try work.takeOut(&report)
        let left = try Check.examine(
            repository, options: options, monitor: monitor, putAside: found.unreadable)
        report.after = left.report
        return report
    }

    /// - Returns: whether anything was put.
    private static func heal(
        _ found: Check.Examination, with healer: Healer, _ report: inout Report
    ) throws -> Bool {
        if try heal(healer.named(in: found), with: healer, &report) { return true }
        return try heal(healer.holders(of: found.badChunks), with: healer, &report)
    }

    private static func heal(
        _ names: [ObjectName], with healer: Healer, _ report: inout Report
    ) throws -> Bool {
        var asked = Set(report.healed.map(\.name))
        let outcomes = try names.filter { asked.insert($0).inserted }.compactMap { try healer.heal($0) }
        report.healed += outcomes
        return outcomes.contains { $0.failure == nil }
    }
}

/// One repair under way.
private struct RepairWork {
    private let repository: Repository
    private let inventory: Inventory
    private let unreadable: [ObjectName]
    /// Packs that are there but damaged.
    private var badPacks: Set<RandomID>
    private var badIndexes: Set<RandomID>
    /// What the damaged packs hold, by their directories, or else by the index.
    private var contents: [RandomID: PackContents] = [:]
    /// Sound packs that only bad index objects name, or none.
    private var orphans: [RandomID] = []

    init(repository: Repository, found: Check.Examination) {
        self.repository = repository
        inventory = found.inventory
        unreadable = found.unreadable
        badPacks = found.packsWithBadChunks
        badIndexes = found.inventory.badIndexes
        for id in found.inventory.badPacks.keys where found.inventory.packs[id] != nil { badPacks.insert(id) }
    }

    mutating func plan() throws {
        for id in badPacks {
            if let directory = try? repository.readPackDirectory(id) { contents[id] = directory }
        }
        var named: Set<RandomID> = []
        try inventory.forEachIndexed { index, pack in
            guard badPacks.contains(pack.identity.id) else { return }
            badIndexes.insert(index)
            if contents[pack.identity.id] == nil { contents[pack.identity.id] = pack }
        }
        try inventory.forEachIndexed { index, pack in
            if !badIndexes.contains(index) { named.insert(pack.identity.id) }
        }
        orphans = inventory.packs.keys.filter { !badPacks.contains($0) && !named.contains($0) }.sorted()
    }

    /// The objects that will go, index objects first: as long as one names a pack, the pack stays.
    private var condemned: [ObjectName] {
        badIndexes.sorted().map { Names.object(.index, $0) } + unreadable + badPacks.sorted().map { Names.pack($0) }
    }

    func copyAside(to copies: (any ObjectStore)?, _ report: inout Repair.Report) throws {
        let target = copies ?? repository.store
        let folder = Repair.folder + RandomID.random().hex + "/"
        let buffer = Buffer(capacity: 0)
        for name in condemned {
            buffer.removeAll()
            try repository.store.get(name, into: buffer)
            let copy = ObjectName(trusted: folder + name.path)
            try target.put(copy, buffer.bytes, mode: .ifAbsent)
            report.copies.append(copy)
        }
    }

    /// Writes new packs for what is whole in damaged ones, and new index objects for them and for the orphans.
    func rebuild(_ report: inout Repair.Report) throws {
        let known = ChunkIndex()
        var adopted: [PackContents] = []
        for id in orphans { adopted.append(try repository.readPackDirectory(id)) }
        try inventory.forEachIndexed { index, pack in
            if !badIndexes.contains(index), !badPacks.contains(pack.identity.id) { known.insert(pack) }
        }
        for pack in adopted { known.insert(pack) }
        let writer = ArchiveWriter(
            repository: repository, index: WriterIndex(chunks: known, adopted: adopted, missing: [], condemned: []),
            options: WriterOptions(workers: 1, streams: 1))
        for id in badPacks.sorted() {
            guard let contents = contents[id] else { continue }
            try salvage(contents, with: writer, &report)
        }
        try writer.flush()
        writer.abort()
        report.indexedPacks = adopted.count
    }

    private func salvage(
        _ contents: PackContents, with writer: ArchiveWriter, _ report: inout Repair.Report
    ) throws {
        let pack = Buffer(capacity: 0)
        try repository.store.get(Names.pack(contents.identity.id), into: pack)
        let opener = repository.makeChunkOpener()
        let hasher = ChunkHasher(keys: repository.keys)
        let plaintext = Buffer(capacity: 0)
        try contents.forEachLocation { id, location in
            plaintext.removeAll()
            var isWhole = false
            if location.range.upperBound <= pack.count {
                let stored = pack.bytes.extracting(location.range)
                if (try? opener.open(id, at: location, stored: stored, into: plaintext)) != nil {
                    isWhole = hasher.id(of: plaintext.bytes, type: location.type) == id
                }
            }
            guard isWhole else {
                report.lostChunks += 1
                return
            }
            try writer.store(chunk: plaintext, type: location.type)
            report.salvagedChunks += 1
        }
    }

    func takeOut(_ report: inout Repair.Report) throws {
        for name in condemned {
            try repository.store.delete(name)
            report.removed.append(name)
        }
    }
}
