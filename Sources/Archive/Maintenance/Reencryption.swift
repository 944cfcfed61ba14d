import BSON
public import Bytes
import ObjectStore

/// What encrypting anew did. Objects, unless stated otherwise.
public struct ReencryptionReport: Sendable {
    /// The epoch under which everything shall be.
    public var epoch: UInt32 = 0
    /// Snapshots, segments, lists of condemned packs and of suspects, fences: replaced under their names.
    public var replaced = 0
    /// Audit records that were copied under new names.
    public var auditRecords = 0
    /// Index objects that were replaced.
    public var indexes = 0
    /// Packs that were copied, and condemned.
    public var packs = 0
    /// Bytes of the new packs.
    public var writtenBytes = 0
    /// Packs that nothing needs, condemned now.
    public var uselessPacks = 0
    /// Packs of old epochs that are there still, all of them condemned: prune removes them.
    public var waitingPacks = 0
    /// Bytes of these.
    public var waitingBytes = 0
    /// What could not be encrypted anew, since it does not open: damaged audit records.
    public var unreadable: [CairnError] = []
}

/// Encrypts everything under the newest master key that is under an older one, beside running backups. format-spec.md
/// §11.2.
///
/// Snapshots, segments, lists of condemned packs with their suspects, and fences keep their names, and are replaced in
/// one step by themselves. Audit
/// records are named by the hash of their bytes, so each gets a copy that says so, and goes. Packs are copied into new
/// ones and condemned; their chunks keep their ids. Index objects are merged into new ones.
///
/// At every moment all of it is there under one key or the other, and both are at hand. Killed anywhere, the next run
/// goes on; what is under the newest key is not touched again.
public struct Reencryption {
    private let repository: Repository
    private let checkpoint: () throws -> Void
    private let codec: SealedObjects

    /// - Parameter checkpoint: is called now and then, and may throw to stop.
    public init(_ repository: Repository, checkpoint: @escaping () throws -> Void = {}) {
        self.repository = repository
        self.checkpoint = checkpoint
        codec = repository.makeSealedObjects()
    }

    private var newest: UInt32 { repository.keys.currentEpoch }

    /// Does it.
    ///
    /// - Throws: whatever keeps it from seeing or copying everything: `.corrupt`, `.unsupportedFormat`, `.io`. Nothing
    ///   was lost then. `.held` while maintenance or prune runs.
    public func run() throws -> ReencryptionReport {
        try repository.requireWritable()
        var report = ReencryptionReport()
        report.epoch = newest
        let lease = try Lease.acquire(.pruner, in: repository, note: "re-encryption")
        defer { lease.release() }
        try repository.requireNothingUnknown()
        // What cannot be read stops it here, before anything is changed.
        let plan = try RewritePlan(repository, choosing: { $0.identity.epoch < newest }, unnamed: isOld)
        for kind in [ObjectKind.snapshot, .segment, .condemned, .suspects, .fence] {
            for id in try repository.list(kind) { report.replaced += try replace(kind, id, lease) ? 1 : 0 }
        }
        try copyAudit(&report, lease)
        try copyPacks(plan, &report, lease)
        try replaceIndexes(&report, lease)
        try repository.unlock(force: false)
        let old = try oldPacks()
        report.waitingPacks = old.count
        report.waitingBytes = old.reduce(0) { $0 + $1 }
        return report
    }

    // MARK: Small objects

    /// Puts an object under its own name, its content the same.
    ///
    /// - Returns: whether it was under an older epoch.
    private func replace(_ kind: ObjectKind, _ id: RandomID, _ lease: Lease) throws -> Bool {
        try checkpoint()
        let bytes: Buffer
        do {
            bytes = try repository.fetchSealed(kind: kind, id: id)
        } catch let error as CairnError where error.code == .notFound {
            return false
        }
        let name = Names.object(kind, id)
        guard try EnvelopeHeader(bytes.bytes, kind: kind, object: name.path).epoch < newest else { return false }
        let document = try codec.open(bytes, kind: kind, id: id)
        let sealed = try codec.seal(document, kind: kind, id: id)
        // There is no other copy once it is put: so it is opened first, as chunks are decoded before they count.
        let probe = Buffer(capacity: sealed.count)
        probe.append(sealed.bytes)
        guard try codec.open(probe, kind: kind, id: id) == document else {
            throw CairnError(
                .corrupt,
                "the \(kind.noun) did not open as it was encrypted, so it was not replaced: this machine's "
                    + "memory is faulty", object: name.path)
        }
        try lease.requireHeld()
        try repository.store.put(name, sealed.bytes, mode: .replace)
        return true
    }

    private func copyAudit(_ report: inout ReencryptionReport, _ lease: Lease) throws {
        var old: [(record: AuditRecord, hash: Digest256)] = []
        var copied: Set<RandomID> = []
        for id in try repository.list(.audit) {
            try checkpoint()
            do {
                let bytes = try repository.fetchSealed(kind: .audit, id: id)
                let epoch = try EnvelopeHeader(bytes.bytes, kind: .audit, object: Names.text(.audit, id)).epoch
                let hash = SHA256.hash(bytes.bytes)
                let record = try AuditRecord(id: id, try codec.open(bytes, kind: .audit, id: id))
                if epoch < newest { old.append((record, hash)) }
                copied.formUnion(record.replaces.map(\.id))
            } catch let error as CairnError where error.isDamage {
                report.unreadable.append(error)
            }
        }
        for (record, hash) in old {
            try checkpoint()
            if !copied.contains(record.id) {
                var copy = record
                copy.id = repository.newAuditID(like: record.id)
                copy.replaces.append(AuditRecord.Link(id: record.id, hash: hash))
                try lease.requireHeld()
                try repository.writeSealed(copy.encode(), kind: .audit, id: copy.id, codec: codec)
            }
            try lease.requireHeld()
            try repository.store.delete(Names.object(.audit, record.id))
            report.auditRecords += 1
        }
    }

    private func replaceIndexes(_ report: inout ReencryptionReport, _ lease: Lease) throws {
        var old: [RandomID] = []
        var packs: [RandomID: PackContents] = [:]
        try repository.forEachIndex { id, object in
            guard try isOld(.index, id) else { return }
            old.append(id)
            for pack in object.packs { packs[pack.identity.id, default: pack].merge(pack) }
        }
        guard !old.isEmpty else { return }
        try checkpoint()
        try repository.replaceIndexes(
            old.sorted(), by: packs.values.sorted { $0.identity.id < $1.identity.id }, under: lease)
        report.indexes = old.count
    }

    private func isOld(_ kind: ObjectKind, _ id: RandomID) throws -> Bool {
        let header = Buffer(capacity: SealedObjects.headerSize)
        try repository.store.get(Names.object(kind, id), range: 0..<SealedObjects.headerSize, into: header)
        return try SealedObjects.epoch(ofHeader: header.bytes, object: Names.text(kind, id)) < newest
    }

    // MARK: Packs

    private func copyPacks(_ plan: RewritePlan, _ report: inout ReencryptionReport, _ lease: Lease) throws {
        let rewriter = PackRewriter(repository)
        do {
            for pack in plan.packs + plan.spared {
                for (id, location) in plan.chunks(of: pack) {
                    try checkpoint()
                    try rewriter.copy(id, at: location, level: pack.level)
                }
            }
        } catch {
            // What is named by an index object is not copied again by the next run.
            try? rewriter.finish()
            throw error
        }
        try rewriter.finish()
        report.packs = plan.packs.count + plan.spared.count
        report.uselessPacks = plan.useless.count
        report.writtenBytes = rewriter.byteCount
        let condemned = (plan.packs.map(\.identity.id) + plan.useless).sorted()
        try lease.requireHeld()
        if !condemned.isEmpty { try repository.condemn(condemned) }
    }

    private func isOld(_ pack: RandomID) throws -> Bool {
        let header = Buffer(capacity: PackHeader.size)
        do {
            try repository.store.get(Names.pack(pack), range: 0..<PackHeader.size, into: header)
            var reader = ByteReader(header.bytes, object: Names.packText(pack))
            return try PackHeader(&reader).epoch < newest
        } catch let error as CairnError where error.isDamage || error.code == .notFound {
            // Not a pack: prune condemns it, and check names it.
            return false
        }
    }

    /// Sizes of the packs of old epochs.
    private func oldPacks() throws -> [Int] {
        var epochs: [RandomID: UInt32] = [:]
        try repository.forEachIndex { _, object in
            for pack in object.packs { epochs[pack.identity.id] = pack.identity.epoch }
        }
        return try repository.packSizes().filter { id, _ in
            if let epoch = epochs[id] { return epoch < newest }
            return try isOld(id)
        }.map(\.value)
    }
}
