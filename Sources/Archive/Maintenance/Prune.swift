import Bytes
import ObjectStore

/// Frees what no snapshot and no segment needs, beside backups that go on. format-spec.md §11.1 [D-2].
///
/// In two phases, for a writer that is under way may be about to refer to a chunk that nothing refers to yet:
///
///     condemn   what nothing needs is written down, packs that are mostly of no use are rewritten; who holds a lease
///               right afterwards is a suspect: it may not have seen that
///     sweep     once no suspect holds its lease any more, and the grace period is over: what is needed after all is
///               spared, the rest goes: index objects first, then packs, then the list itself
///
/// A writer that starts later reads what is condemned and stores such chunks anew. Killed anywhere, the next prune goes
/// on. Packs are not read but for those that are rewritten.
public struct Prune {
    private let repository: Repository
    private let options: PruneOptions
    private let checkpoint: () throws -> Void

    /// - Parameter checkpoint: is called now and then, and may throw to stop.
    public init(_ repository: Repository, options: PruneOptions, checkpoint: @escaping () throws -> Void = {}) {
        self.repository = repository
        self.options = options
        self.checkpoint = checkpoint
    }

    /// Sweeps what was condemned earlier, then condemns. With a grace period of 0 and nobody in the way, what it
    /// condemns is swept at once.
    ///
    /// - Throws: whatever keeps it from seeing everything: `.corrupt`, `.unsupportedFormat`, `.io`. Nothing that it has
    ///   not condemned safely before was removed then. `.held` while maintenance or another prune runs.
    public func run() throws -> PruneReport {
        var report = PruneReport()
        report.dryRun = options.dryRun
        guard !options.dryRun else {
            _ = try condemn(&report)
            report.waitingPacks = try repository.condemned().reduce(0) { $0 + $1.packs.count }
            return report
        }
        try repository.requireWritable()
        let lease = try Lease.acquire(.pruner, in: repository, note: "prune")
        defer { lease.release() }
        try requireNothingUnknown()
        try sweep(&report, lease)
        if try condemn(&report) { try sweep(&report, lease) }
        return report
    }

    /// A folder that this program does not know may hold what needs packs. format-spec.md §10.1 [V-7].
    private func requireNothingUnknown() throws {
        var unknown: ObjectName?
        let known = Set(ObjectKind.allCases.map(\.folder) + [Names.keys])
        try repository.store.list(prefix: "") { info in
            let folder = info.name.path.prefix { $0 != "/" }
            if info.name != Names.config, !known.contains(folder + "/") { unknown = info.name }
        }
        guard let unknown else { return }
        throw CairnError(
            .unsupportedFormat,
            "an object of a kind that this program does not know: it might need what would be "
                + "removed. Use the program that made it, or move the object away", object: unknown.path)
    }

    // MARK: Condemn

    /// Writes down what is of no use.
    ///
    /// - Returns: whether it found anything.
    private func condemn(_ report: inout PruneReport) throws -> Bool {
        let plan = try PrunePlan(repository, maxUnused: options.maxUnused)
        try checkpoint()
        plan.describe(in: &report)
        guard !plan.condemned.isEmpty, !options.dryRun else { return !plan.condemned.isEmpty }
        let rewriter = PackRewriter(repository)
        for (id, location) in plan.moves {
            try checkpoint()
            try rewriter.copy(id, at: location)
        }
        try rewriter.finish()
        report.writtenBytes = rewriter.byteCount
        var rest = plan.condemned[...]
        while !rest.isEmpty {
            let packs = Array(rest.prefix(CondemnedRecord.packsMax))
            rest = rest.dropFirst(packs.count)
            let record = CondemnedRecord(
                id: repository.newID(), created: repository.now(), packs: packs, suspects: nil)
            try repository.writeSealed(record.encode(), kind: .condemned, id: record.id)
        }
        return true
    }

    // MARK: Sweep

    private func sweep(_ report: inout PruneReport, _ lease: Lease) throws {
        report.waitingPacks = 0
        for record in try repository.condemned() {
            guard try isDue(try withSuspects(record)) else {
                report.waitingPacks += record.packs.count
                continue
            }
            try remove(record, &report, lease)
        }
    }

    /// The leases are looked at only once the list is there for every later writer to see.
    private func withSuspects(_ record: CondemnedRecord) throws -> CondemnedRecord {
        guard record.suspects == nil else { return record }
        var record = record
        record.suspects = try repository.leases().filter { $0.isWriter }.map(\.id)
        try repository.writeSealed(record.encode(), kind: .condemned, id: record.id, mode: .replace)
        return record
    }

    private func isDue(_ record: CondemnedRecord) throws -> Bool {
        let now = repository.now()
        guard now >= record.created + options.grace else { return false }
        let suspects = Set(record.suspects ?? [])
        return try repository.leases().allSatisfy { !suspects.contains($0.id) || $0.isExpired(at: now) }
    }

    /// Every step leaves what the next prune can go on from. format-spec.md §11 [W-5].
    private func remove(_ record: CondemnedRecord, _ report: inout PruneReport, _ lease: Lease) throws {
        let roots = try Roots(repository)
        let condemned = Set(record.packs)
        let sizes = try repository.packSizes()
        let index = ChunkIndex()
        let spare = ChunkIndex()
        let everything = ChunkIndex()
        var naming: [RandomID: [PackContents]] = [:]
        try repository.forEachIndex { id, object in
            for pack in object.packs {
                if condemned.contains(pack.identity.id) { naming[id] = object.packs }
                // As in the plan: what is gone or cut off is no place of its chunks.
                guard sizes[pack.identity.id] == pack.objectSize else { continue }
                everything.insert(pack)
                (condemned.contains(pack.identity.id) ? spare : index).insert(pack)
            }
        }
        let needed = try Reachability(roots, repository, everything)
        var rescued: Set<RandomID> = []
        for chunk in needed.chunks where index.lookup(chunk) == nil {
            guard let location = spare.lookup(chunk) else {
                throw CairnError(
                    .corrupt, "a chunk that a snapshot or segment needs is in no pack that is there: run `cairn check`",
                    object: "chunk \(chunk.hex)")
            }
            rescued.insert(location.pack.id)
        }
        try checkpoint()
        try lease.requireHeld()
        let doomed = condemned.subtracting(rescued)
        var kept: [RandomID: PackContents] = [:]
        let stale = naming.filter { _, packs in packs.contains { doomed.contains($0.identity.id) } }
        for pack in stale.values.joined() where !doomed.contains(pack.identity.id) { kept[pack.identity.id] = pack }
        try repository.writeIndexes(of: kept.values.sorted { $0.identity.id < $1.identity.id })
        for id in stale.keys.sorted() {
            try lease.requireHeld()
            try repository.store.delete(Names.object(.index, id))
        }
        for id in doomed.sorted() {
            try lease.requireHeld()
            let name = Names.pack(id)
            let size = try repository.store.stat(name)?.size
            try repository.store.delete(name)
            report.freedBytes += size ?? 0
            report.removedPacks += size == nil ? 0 : 1
        }
        report.rescuedPacks += rescued.count
        try repository.store.delete(Names.object(.condemned, record.id))
    }
}

extension FoundLease {
    /// Whether its holder may refer to chunks: one that cannot be read may.
    fileprivate var isWriter: Bool {
        guard case .success(let record) = content else { return true }
        return record.kind != .pruner
    }
}
