public import Archive
internal import BSON
public import Bytes
public import ObjectStore

/// Removes snapshots by a policy or by name, and the oplog segments that no promised time needs. What they stored stays
/// until `prune`, which finds what nothing needs any more.
public struct Forget: Sendable {
    /// What to forget.
    public enum Selection: Sendable {
        /// What no rule keeps.
        case policy(RetentionPolicy)
        /// These snapshots: ids, or the starts of them.
        case snapshots([String])
    }

    /// What was, or would be, done.
    public struct Report: Sendable {
        /// Every snapshot, oldest first, with what keeps it.
        public var verdicts: [RetentionPlan.Verdict] = []
        /// The segments that go.
        public var segments: [Segment] = []
        /// What cannot be read, which no policy removes.
        public var damaged: [CairnError] = []
        /// Those of them that a retention policy or legal hold of the store keeps.
        public var held: [ObjectName] = []
        /// Whether nothing was touched.
        public var dryRun = false

        /// The snapshots that go.
        public var forgotten: [Snapshot] { verdicts.filter { !$0.isKept }.map(\.snapshot) }
    }

    private let access: RepositoryAccess
    private let selection: Selection
    private let dryRun: Bool

    /// Prepares to forget; with `dryRun` only to say what would be forgotten.
    public init(access: RepositoryAccess, selection: Selection, dryRun: Bool) {
        self.access = access
        self.selection = selection
        self.dryRun = dryRun
    }

    /// Forgets.
    ///
    /// - Throws: `.usage` for a policy without rules, and for snapshots that would leave a source without a good one;
    ///   `.notFound`; `.held` while maintenance runs. Nothing was removed then.
    public func run() throws -> Report { try run(in: try access.open()) }

    func run(in repository: Repository) throws -> Report {
        if case .policy(let policy) = selection, policy.isEmpty {
            throw CairnError(
                .usage,
                "a policy without rules would forget everything: give --keep-full, --keep-incremental, "
                    + "--keep-tag, --keep-last, --keep-daily or another rule")
        }
        if dryRun { return try plan(repository) }
        try repository.requireWritable()
        let lease = try Lease.acquire(.pruner, in: repository, note: "forget")
        defer { lease.release() }
        var report = try plan(repository)
        try remove(&report, from: repository, lease)
        return report
    }

    private func plan(_ repository: Repository) throws -> Report {
        var report = Report()
        report.dryRun = dryRun
        let snapshots = try repository.snapshots { _, error in report.damaged.append(error) }
        switch selection {
        case .policy(let policy):
            let segments = try repository.segments { _, error in report.damaged.append(error) }
            let plan = RetentionPlan(
                policy, snapshots: snapshots, segments: segments, now: Int(repository.now() / 1_000))
            report.verdicts = plan.verdicts
            report.segments = plan.segments
        case .snapshots(let texts):
            let ids = Set(try texts.map { try repository.resolveSnapshot(prefix: $0) })
            let plan = RetentionPlan(forgetting: ids, of: snapshots)
            report.verdicts = plan.verdicts
            try requireGoodOnes(snapshots, without: ids)
        }
        return report
    }

    /// A source whose every good snapshot goes would be without a backup.
    private func requireGoodOnes(_ snapshots: [Snapshot], without ids: Set<RandomID>) throws {
        for (_, own) in Dictionary(grouping: snapshots, by: { $0.source.set ?? $0.source.host }) {
            let good = own.filter(\.exact)
            guard let newest = good.last, good.allSatisfy({ ids.contains($0.id) }) else { continue }
            throw CairnError(
                .usage,
                "\(newest.id.hex.prefix(8)) is the last good snapshot of \(newest.source.set ?? newest.source.host) "
                    + "and is not forgotten: take another backup first", object: "snapshots/\(newest.id.hex)")
        }
    }

    /// The record comes first: what an audit names as removed and is still there is harmless, the reverse is not.
    private func remove(_ report: inout Report, from repository: Repository, _ lease: Lease) throws {
        let names =
            report.forgotten.map { Names.object(.snapshot, $0.id) }
            + report.segments.map { Names.object(.segment, $0.id) }
        guard !names.isEmpty else { return }
        try repository.appendAudit(
            operation: "forget", program: Program.name,
            details: ["removed": .array(names.map { .string($0.path) })])
        for name in names {
            try lease.requireHeld()
            do {
                try repository.store.delete(name)
            } catch let error as CairnError where error.code == .immutable {
                report.held.append(name)
            }
        }
    }
}
