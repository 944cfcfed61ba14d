internal import Archive
internal import Bytes
public import ObjectStore

/// How a replica is brought up to date.
public struct ReplicateOptions: Sendable {
    /// Reads every copy back and compares it.
    public var verify = false
    /// Deletes from the replica what the source has had no more for `grace` seconds.
    public var prune = false
    /// See `prune`. A deletion at the source, by mistake or malice, reaches the replica only after this.
    public var grace: Int64 = 7 * 86_400
    /// Copies at once. Each holds one object in memory, at most a pack, and what its store makes of it: with packs of
    /// 16 MiB, 4 copies stay below 150 MiB.
    public var copies = 4
    /// Says what would be done; changes nothing.
    public var dryRun = false

    /// Without reading back, without deletions.
    public init() {}
}

/// What replication did.
public struct ReplicateReport: Sendable {
    /// Objects and bytes that were copied, or would be.
    public var copiedObjects = 0
    /// See `copiedObjects`.
    public var copiedBytes = 0
    /// Copies that were read back and compared.
    public var verifiedObjects = 0
    /// Objects that were deleted, or would be.
    public var deletedObjects = 0
    /// Objects that the source has no more and that wait out the grace period, or `prune`.
    public var waitingObjects = 0
    /// Objects that the replica's retention policy keeps.
    public var keptObjects = 0
    /// Objects of another size in source and replica: one of them is damaged, and neither was touched.
    public var differing: [String] = []
    /// Objects of the source.
    public var sourceObjects = 0
    /// Bytes of the source.
    public var sourceBytes = 0
    /// Whether nothing was changed.
    public var dryRun = false
}

/// Copies what a replica lacks of its source, without any key that opens data.
///
/// Any number of interruptions only cost time: objects are put if absent, in the order in which a writer makes them,
/// so a replica is a repository with fewer snapshots at every moment. One that is there already is never replaced: a
/// damaged object of the source cannot take the place of a good copy.
public struct Replicate: Sendable {
    private let source: any ObjectStore
    private let replica: any ObjectStore
    private let options: ReplicateOptions
    private let progress: JobProgress
    private let cancellation: Cancellation
    private let now: Int64

    /// Prepares to copy. `now` is in seconds since 1970.
    public init(
        from source: any ObjectStore, to replica: any ObjectStore, options: ReplicateOptions, progress: JobProgress,
        cancellation: Cancellation, now: Int64
    ) {
        self.source = source
        self.replica = replica
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
        self.now = now
    }

    /// Replicates.
    ///
    /// - Throws: `.noRepository` when the source is none; `.usage` when the replica is of another repository;
    ///   `.corrupt` when a copy differs from what was read; `.interrupted`; what the stores throw.
    public func run() throws -> ReplicateReport {
        try claim(hasRepository: requireSameRepository())
        var report = ReplicateReport()
        report.dryRun = options.dryRun
        // What maintenance removes from the source while it is copied was replaced by something newer: look again.
        var plan = try ReplicationPlan(source: source, replica: replica)
        for round in 1... {
            guard !options.dryRun else { break }
            if try copy(plan, &report) { break }
            guard round < 20 else {
                throw CairnError(
                    .incomplete, "objects of the source keep vanishing; replicate when its maintenance has ended",
                    object: source.location)
            }
            plan = try ReplicationPlan(source: source, replica: replica)
        }
        if options.dryRun { (report.copiedObjects, report.copiedBytes) = plan.missing }
        report.sourceObjects = plan.sourceObjects
        report.sourceBytes = plan.sourceBytes
        report.differing = plan.differing.map(\.path)
        try follow(plan.extra, &report)
        return report
    }

    /// Marks the replica before anything is put there. format-spec.md §9.5 [G-7].
    ///
    /// One that was promoted is written to by others: a job that still copies to it as before, from a source that came
    /// back, must not bring it back to an older state.
    private func claim(hasRepository: Bool) throws {
        guard try ReplicaRecord(from: replica) == nil else { return }
        guard !hasRepository else {
            throw CairnError(
                .usage,
                "this is the repository itself and no replica of it: it was promoted, or copied by other means. "
                    + "`cairn replicas demote` makes it a replica",
                object: replica.location)
        }
        if !options.dryRun { try ReplicaRecord().write(to: replica) }
    }

    /// Two repositories must never be mixed: nothing of either would be safe from the other's maintenance.
    ///
    /// - Returns: whether the replica has its `config`.
    private func requireSameRepository() throws -> Bool {
        let ours = Buffer(capacity: 4096), theirs = Buffer(capacity: 4096)
        do {
            try source.get(Names.config, into: ours)
        } catch let error as CairnError where error.code == .notFound {
            throw CairnError(.noRepository, "there is no repository to replicate", object: source.location)
        }
        do {
            try replica.get(Names.config, into: theirs)
        } catch let error as CairnError where error.code == .notFound {
            return false
        }
        guard spansEqual(ours.bytes, theirs.bytes) else {
            throw CairnError(
                .usage, "the replica holds another repository, or a damaged `config`; name another place",
                object: replica.location)
        }
        return true
    }

    /// Copies stage by stage.
    ///
    /// - Returns: false when something vanished from the source, after the stage in which it did.
    private func copy(_ plan: ReplicationPlan, _ report: inout ReplicateReport) throws -> Bool {
        let missing = plan.missing
        progress.begin(phase: "replicate", totalDocuments: missing.objects, totalBytes: missing.bytes)
        for stage in plan.stages {
            let copied = try Parallel.map(
                stage, threads: options.copies, name: "cairn-copy", context: { Buffer(capacity: 1 << 20) }
            ) { [self] buffer, info in
                try cancellation.check()
                return try copy(info, buffer)
            }
            report.copiedObjects += copied.count { $0 != nil }
            report.copiedBytes += copied.reduce(0) { $0 + ($1?.size ?? 0) }
            report.verifiedObjects += copied.count { $0?.isVerified == true }
            if copied.contains(where: { $0 == nil }) { return false }
        }
        return true
    }

    /// Copies one object.
    ///
    /// - Returns: its size, and whether it was read back; nil when the source has it no more.
    private func copy(_ info: ObjectInfo, _ buffer: Buffer) throws -> (size: Int, isVerified: Bool)? {
        buffer.removeAll()
        do {
            try source.get(info.name, into: buffer)
        } catch let error as CairnError where error.code == .notFound {
            return nil
        }
        var isOurs = true
        do {
            try replica.put(info.name, buffer.bytes, mode: .ifAbsent)
        } catch let error as CairnError where error.code == .alreadyExists {
            // Another replication was faster.
            isOurs = false
        }
        let isVerified = try options.verify && verify(info.name, buffer, isOurs: isOurs)
        progress.add(documents: 1, bytesIn: buffer.count)
        return (buffer.count, isVerified)
    }

    /// A bad copy of our own is removed, or no later run would make another one.
    ///
    /// - Returns: false for what lies in an archive tier: nothing more can be said of that than that the store compared
    ///   what came in with its MD5.
    private func verify(_ name: ObjectName, _ original: Buffer, isOurs: Bool) throws -> Bool {
        let copy = Buffer(capacity: original.count)
        do {
            try replica.get(name, into: copy)
        } catch let error as CairnError where error.code == .corrupt {
            copy.removeAll()
        } catch let error as CairnError where error.code == .archived {
            return false
        }
        if spansEqual(original.bytes, copy.bytes) { return true }
        let isRemoved = isOurs && (try? replica.delete(name)) != nil
        throw CairnError(
            .corrupt,
            isRemoved
                ? "the copy was not what was sent, and is removed; replicate again"
                : "the copy is not what was sent; `check` of both tells which one is damaged",
            object: "\(replica.location) \(name)")
    }

    /// Follows the source's deletions, each after its grace period, and writes down what waits.
    private func follow(_ extra: [ObjectInfo], _ report: inout ReplicateReport) throws {
        let found = try ReplicaRecord(from: replica)
        guard let old = found ?? (options.dryRun ? ReplicaRecord() : nil) else {
            throw CairnError(.held, "the replica was promoted while it was written to", object: replica.location)
        }
        var record = ReplicaRecord()
        record.lastSuccess = now
        for info in extra {
            try cancellation.check()
            let since = old.goneSince[info.name.path] ?? now
            // Who removes a key does so for it to open nothing any more.
            let isDue = info.name.path.hasPrefix(Names.keys) || now - since >= options.grace
            guard options.prune, isDue, try options.dryRun || delete(info.name, &report) else {
                record.goneSince[info.name.path] = since
                report.waitingObjects += 1
                continue
            }
            report.deletedObjects += 1
        }
        if !options.dryRun { try record.write(to: replica) }
    }

    /// - Returns: false when a retention policy of the replica keeps the object.
    private func delete(_ name: ObjectName, _ report: inout ReplicateReport) throws -> Bool {
        do {
            try replica.delete(name)
            return true
        } catch let error as CairnError where error.code == .immutable {
            report.keptObjects += 1
            return false
        }
    }
}
