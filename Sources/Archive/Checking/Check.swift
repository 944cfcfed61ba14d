import BSON
import Bytes
import ObjectStore

/// Looks for damage. Changes nothing.
///
/// Structure is always checked: every object is listed; config, keys, index objects, snapshots, leases and audit
/// records are opened and authenticated; every pack's directory is opened and compared with the index; every
/// snapshot is followed down to its leaves, and each chunk that it needs is looked up. That finds everything but
/// damage inside the chunks of documents, for which packs have to be read (`CheckOptions.Data`): each chunk is then
/// decrypted, decoded and hashed, and its documents validated and counted.
public enum Check {
    /// Checks `repository`.
    ///
    /// - Throws: what keeps it from looking (no network, no permission, `.interrupted`). Damage does not throw.
    public static func run(
        _ repository: Repository, options: CheckOptions, monitor: CheckMonitor = CheckMonitor()
    ) throws -> CheckReport {
        try examine(repository, options: options, monitor: monitor).report
    }

    /// A report with what `Repair` needs besides.
    struct Examination {
        var report: CheckReport
        let inventory: Inventory
        /// Chunks that cannot be read.
        let badChunks: Set<ChunkID>
        /// Packs in which a chunk is damaged.
        let packsWithBadChunks: Set<RandomID>
        /// Snapshots and segments whose own object is damaged. One of a newer version is none of them: it is only not
        /// readable to this program.
        let unreadable: [ObjectName]
    }

    /// - Parameter putAside: objects that a repair has just taken out of service, before any audit record says so.
    static func examine(
        _ repository: Repository, options: CheckOptions, monitor: CheckMonitor, putAside: [ObjectName] = []
    ) throws -> Examination {
        let findings = Findings()
        var report = CheckReport()
        let snapshots = try repository.snapshotIDs()
        let segments = try repository.segmentIDs()
        let inventory = Inventory(repository: repository, monitor: monitor)
        try inventory.take(workers: options.workers, findings)
        let walk = ReferenceWalk(
            repository: repository, inventory: inventory, findings: findings, monitor: monitor,
            countsDocuments: options.data != .none)
        try walk.walk(snapshots)
        try walk.walk(segments: segments)
        let damaged = try readPacks(repository, options, inventory, walk, findings, monitor, &report)
        try walk.attribute()
        report.missingPacks = inventory.missingPacks(without: Set(findings.badChunks.values)).sorted()
        let aside = putAside.compactMap { Names.id(of: $0, kind: .snapshot) }
        try checkSmallObjects(repository, snapshots + aside, findings)
        try listUnknown(repository, &report)

        let harmless = Set(report.missingPacks.compactMap { inventory.badPacks[$0] })
        report.damage = findings.damage.enumerated().filter { !harmless.contains($0.offset) }.map(\.element)
        report.packs = inventory.packs.count
        report.archivedPacks = inventory.archived.count
        report.chunks = inventory.chunks.count
        report.leftovers = inventory.packs.keys.filter {
            !walk.usedPacks.contains($0) && inventory.badPacks[$0] == nil
        }.sorted()
        report.unindexed = inventory.unindexed.keys.filter { !walk.usedPacks.contains($0) }.sorted()
        report.incompleteSnapshots = walk.incomplete.sorted()
        report.soundSnapshots = walk.readableSnapshots.filter { !walk.incomplete.contains($0) }.sorted()
        report.incompleteSegments = walk.incompleteSegments.sorted()
        report.soundSegments = walk.segments.map(\.id).filter { !walk.incompleteSegments.contains($0) }.sorted()
        return Examination(
            report: report, inventory: inventory, badChunks: Set(findings.badChunks.keys), packsWithBadChunks: damaged,
            unreadable: walk.damagedObjects.sorted())
    }

    /// - Returns: packs in which a chunk is damaged.
    private static func readPacks(
        _ repository: Repository, _ options: CheckOptions, _ inventory: Inventory, _ walk: ReferenceWalk,
        _ findings: Findings, _ monitor: CheckMonitor, _ report: inout CheckReport
    ) throws -> Set<RandomID> {
        let candidates = inventory.packs.keys.filter {
            inventory.badPacks[$0] == nil && !inventory.archived.contains($0)
        }.sorted()
        let chosen = choose(candidates, options.data)
        guard !chosen.isEmpty else { return [] }
        let verifier = PackVerifier(
            repository: repository, monitor: monitor, documentsOfChunk: walk.documentsOfChunk,
            oplogChunks: walk.oplogChunks)
        let (found, sums) = try verifier.verify(chosen, workers: options.workers)
        var damaged: Set<RandomID> = []
        for finding in found {
            if let id = RandomID(hex: finding.damage.object.suffix(32)) { damaged.insert(id) }
            guard let chunk = finding.chunk else {
                findings.add(finding.damage)
                continue
            }
            // Another pack may hold the same chunk; only the place that is read from counts as lost.
            let location = inventory.chunks.lookup(chunk)
            if let pack = location?.pack.id, finding.damage.object == Names.packText(pack) {
                findings.add(finding.damage, chunk: chunk)
            } else {
                findings.add(finding.damage)
            }
        }
        report.packsRead = sums.packs
        report.chunksRead = sums.chunks
        report.documentsRead = sums.documents
        report.rawBytesRead = sums.rawBytes
        return damaged
    }

    /// The packs to read. A pack is chosen by its own id and the seed, so that runs with different seeds cover a
    /// repository in time, whatever is added to it meanwhile.
    static func choose(_ packs: [RandomID], _ data: CheckOptions.Data) -> [RandomID] {
        switch data {
        case .none: return []
        case .all: return packs
        case .subset(let percent, let seed):
            let hash = SipHash(key0: seed, key1: 0x636F_6972_6E20_6B63)
            let ranked = packs.map { id in
                let bytes = id.bytes
                return (value: hash.hash64(bytes.rawSpan), id: id)
            }
            let limit = percent >= 100 ? UInt64.max : UInt64(max(0, percent) / 100 * 0x1p64)
            let chosen = ranked.filter { $0.value <= limit }
            if chosen.isEmpty, let first = ranked.min(by: { $0.value < $1.value }) { return [first.id] }
            return chosen.map(\.id).sorted()
        }
    }

    private static func checkSmallObjects(
        _ repository: Repository, _ snapshots: [RandomID], _ findings: Findings
    ) throws {
        do {
            let buffer = Buffer(capacity: 0)
            try repository.store.get(Names.config, into: buffer)
            guard try RepositoryConfig(buffer.bytes) == repository.config else {
                throw CairnError(.corrupt, "it changed since the repository was opened", object: Names.configText)
            }
            try RepositoryConfig.authenticate(buffer.bytes, verificationKey: repository.keys.verificationKey)
        } catch let error as CairnError where error.isDamage {
            findings.add(Damage(error, object: Names.configText))
        }
        _ = try repository.listKeys { findings.add(Damage($0, object: Names.keys)) }
        for lease in try repository.leases() {
            guard case .failure(let error) = lease.content else { continue }
            findings.add(Damage(error, object: Names.text(.lease, lease.id)))
        }
        let audit = try repository.verifyAudit()
        for problem in audit.problems { findings.add(Damage(problem, object: ObjectKind.audit.folder)) }
        try findMissingSnapshots(audit.records, repository, snapshots, findings)
    }

    /// A snapshot is an object that nothing refers to, so only the audit records can tell that one is gone: those
    /// of backups name what they committed, those of operations that take objects out of service name these under
    /// `removed`. format-spec.md §9.6 [H-4].
    private static func findMissingSnapshots(
        _ records: [AuditRecord], _ repository: Repository, _ snapshots: [RandomID], _ findings: Findings
    ) throws {
        let removed = removedNames(records)
        let present = Set(snapshots)
        for record in records where record.operation.hasPrefix("backup") {
            guard let text = try? record.details.optional("snapshot", as: String.self, in: ""),
                let id = RandomID(hex: text), !present.contains(id)
            else { continue }
            let name = Names.object(.snapshot, id)
            // A backup that ended after the listing is no loss.
            guard !removed.contains(name.path), try repository.store.stat(name) == nil else { continue }
            let message = "the snapshot is missing that a backup committed, says \(Names.text(.audit, record.id))"
            let number = findings.add(Damage(object: name.path, message: message))
            findings.attribute(Affected(snapshot: id, namespace: nil, documents: nil), to: number)
        }
    }

    /// What the records say was taken out of service. format-spec.md §9.6 [H-4].
    static func removedNames(_ records: [AuditRecord]) -> Set<String> {
        var removed: Set<String> = []
        for record in records {
            let names = try? record.details.optional("removed", as: [String].self, in: "")
            removed.formUnion(names ?? [])
        }
        return removed
    }

    private static func listUnknown(_ repository: Repository, _ report: inout CheckReport) throws {
        var unknown: [String] = []
        try repository.store.list(prefix: "") { info in
            if !isKnown(info.name) { unknown.append(info.name.path) }
        }
        report.unknownObjects = unknown.sorted()
    }

    private static func isKnown(_ name: ObjectName) -> Bool {
        if name == Names.config || name == Names.replicaMark || Names.keyID(of: name) != nil { return true }
        // Copies that a repair has put aside.
        if name.path.hasPrefix(Repair.folder) { return true }
        return ObjectKind.allCases.contains { Names.id(of: name, kind: $0) != nil }
    }
}
