import Bytes
import ObjectStore

/// Frees what no snapshot and no segment needs, beside backups that go on. format-spec.md §11.1 [D-2].
///
/// In two phases, for a writer that is under way may be about to refer to a chunk that nothing refers to yet:
///
///     condemn   what nothing needs is written down, packs that are mostly of no use are rewritten; who holds a
///               writer's lease right afterwards is a suspect: it may not have seen that
///     sweep     once no suspect holds its lease any more, and the grace period is over: who let its lease expire is
///               fenced off, what is needed after all is spared, the rest goes: index objects first, then packs, then
///               the list itself
///
/// A writer that starts later reads what is condemned and stores such chunks anew. A pack that was condemned never
/// comes back into use: so it does not matter when the removal of one lands. Killed anywhere, the next prune goes on.
/// Packs are not read but for those that are rewritten.
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
        try repository.requireNothingUnknown()
        try lease.overseeing {
            try sweep(&report, lease)
            if try condemn(&report) { try sweep(&report, lease) }
        }
        return report
    }

    // MARK: Condemn

    /// Writes down what is of no use.
    ///
    /// - Returns: whether it did anything that a sweep may make use of.
    private func condemn(_ report: inout PruneReport) throws -> Bool {
        let plan = try PrunePlan(repository, maxUnused: options.maxUnused)
        try checkpoint()
        plan.describe(in: &report)
        guard !options.dryRun, !plan.condemned.isEmpty || !plan.moves.isEmpty else { return false }
        let rewriter = PackRewriter(repository)
        for (id, location) in plan.moves {
            try checkpoint()
            try rewriter.copy(id, at: location, level: plan.levels[location.pack.id])
        }
        try rewriter.finish()
        report.writtenBytes = rewriter.byteCount
        try repository.condemn(plan.condemned)
        return true
    }

    // MARK: Sweep

    private func sweep(_ report: inout PruneReport, _ lease: Lease) throws {
        report.waitingPacks = 0
        let records = try repository.condemned()
        let outlawed = Set(records.flatMap(\.packs))
        for record in records {
            guard try isDue(record, try suspects(of: record)) else {
                report.waitingPacks += record.packs.count
                continue
            }
            try remove(SweepPlan(repository, record, outlawed: outlawed), record, &report, lease)
        }
        try removeRests(of: records, lease, &report)
    }

    /// The leases are looked at only once the list is there for every later writer to see. Of two pruners that both
    /// look, either is right.
    private func suspects(of record: CondemnedRecord) throws -> [RandomID] {
        if let suspects = record.suspects { return suspects }
        do {
            return try SuspectsRecord(id: record.id, try repository.readSealed(kind: .suspects, id: record.id)).leases
        } catch let error as CairnError where error.code == .notFound {}
        let suspects = SuspectsRecord(id: record.id, leases: try repository.leases().filter(\.mayCommit).map(\.id))
        do {
            try repository.writeSealed(suspects.encode(), kind: .suspects, id: record.id)
        } catch let error as CairnError where error.code == .alreadyExists {}
        return suspects.leases
    }

    /// Whether nobody can be about to need what is condemned. Who did not give its lease back is kept from committing
    /// anything from now on.
    private func isDue(_ record: CondemnedRecord, _ suspects: [RandomID]) throws -> Bool {
        let now = repository.now()
        guard now >= record.created + options.grace else { return false }
        let left = try repository.leases().filter { Set(suspects).contains($0.id) }
        guard left.allSatisfy({ $0.isExpired(at: now) }) else { return false }
        for lease in left { try repository.fence(lease.id) }
        return true
    }

    /// Every step leaves what the next prune can go on from. format-spec.md §11 [W-5].
    private func remove(
        _ plan: SweepPlan, _ record: CondemnedRecord, _ report: inout PruneReport, _ lease: Lease
    ) throws {
        try checkpoint()
        try repository.replaceIndexes(plan.staleIndexes, by: plan.kept, under: lease)
        var kept = 0
        for (id, size) in plan.doomed.sorted(by: { $0.key < $1.key }) {
            try lease.requireHeld()
            guard try delete(Names.pack(id), &report) else {
                kept += 1
                report.keptPacks += 1
                report.keptBytes += size
                continue
            }
            report.freedBytes += size
            report.removedPacks += 1
        }
        report.rescuedPacks += plan.spared
        // Spared packs stay condemned: writers go on passing them over, until nothing needs them any more. So a removal
        // that a pruner slept in does no harm, whenever it lands. So do those that the store keeps: no index names them
        // any more, and whoever adopts packs that none names must pass them over. format-spec.md §11.1 [D-7].
        if plan.spared + kept == 0 { try repository.store.delete(Names.object(.condemned, record.id)) }
    }

    /// - Returns: false when a policy of the store keeps the object.
    private func delete(_ name: ObjectName, _ report: inout PruneReport) throws -> Bool {
        do {
            try repository.store.delete(name)
            return true
        } catch let error as CairnError where error.code == .immutable {
            if let until = try? repository.store.retention(of: name) {
                report.keptUntil = max(report.keptUntil ?? until, until)
            }
            return false
        }
    }

    /// Removes what says nothing any more: suspects of lists that are gone, commits that do not count.
    private func removeRests(of records: [CondemnedRecord], _ lease: Lease, _ report: inout PruneReport) throws {
        let lists = Set(try repository.list(.condemned)).union(records.map(\.id))
        let left = Set(try repository.list(.condemned))
        var names = records.filter { !left.contains($0.id) }.map { Names.object(.suspects, $0.id) }
        names += try repository.list(.suspects).filter { !lists.contains($0) }.map { Names.object(.suspects, $0) }
        let snapshots = try repository.everySnapshot()
        let valid = Set(try repository.valid(snapshots).map(\.id))
        names += snapshots.filter { !valid.contains($0.id) }.map { Names.object(.snapshot, $0.id) }
        let segments = try repository.everySegment()
        let validSegments = Set(try repository.valid(segments).map(\.id))
        names += segments.filter { !validSegments.contains($0.id) }.map { Names.object(.segment, $0.id) }
        for name in names {
            try lease.requireHeld()
            _ = try delete(name, &report)
        }
    }
}
