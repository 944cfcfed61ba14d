public import BSON
public import Bytes

/// What the audit records of a repository prove. format-spec.md §9.6 [H-3].
public struct AuditReport: Sendable {
    /// All readable records, oldest first.
    public var records: [AuditRecord] = []
    /// Records that no other names. Only they could be removed without a trace.
    public var heads: [RandomID] = []
    /// Records that are missing, altered or unreadable: the chain is broken.
    public var problems: [CairnError] = []
}

extension Repository {
    /// How many of the newest records are looked at for heads; bounds what a backup reads before it writes its own.
    static let auditWindow = 64

    /// Appends a record. Concurrent writers fork the chain; the next record names all heads and joins them again.
    ///
    /// - Parameters:
    ///   - operation: "init", "backup", ….
    ///   - program: name and version.
    ///   - details: for people and reports; no secret.
    ///   - listed: the records that are there, ascending; nil lists them.
    /// - Returns: the record's id.
    @discardableResult
    public func appendAudit(
        operation: String, program: String, details: BSONDocument, listed: [RandomID]? = nil
    ) throws -> RandomID {
        let at = now()
        var named: Set<RandomID> = []
        var recent: [(link: AuditRecord.Link, replaces: [RandomID])] = []
        let newest = try (listed ?? list(.audit)).suffix(Repository.auditWindow)
        let read = try Parallel.map(
            Array(newest), threads: Repository.listingThreads, name: "cairn-audit", context: makeSealedObjects
        ) { codec, id in
            // One that is damaged or gone must not keep a backup from finishing: `verifyAudit` reports it.
            try? self.readAudit(id, codec: codec)
        }
        for case let (id, stored?) in zip(newest, read) {
            let replaces = stored.record.replaces.map(\.id)
            recent.append((AuditRecord.Link(id: id, hash: stored.hash), replaces))
            for link in stored.record.previous { named.insert(link.id) }
        }
        let unnamed = recent.filter { !named.contains($0.link.id) && named.isDisjoint(with: $0.replaces) }
        let copied = Set(unnamed.flatMap(\.replaces))
        let record = AuditRecord(
            id: newAuditID(at), at: at, operation: operation, program: program, details: details,
            previous: unnamed.map(\.link).filter { !copied.contains($0.id) })
        try writeSealed(record.encode(), kind: .audit, id: record.id)
        return record.id
    }

    /// 48 bits of time and 80 random ones: ids of audit records sort by time, so that the newest are found by a
    /// listing. format-spec.md §9.6 [H-2].
    func newAuditID(_ at: Int64) -> RandomID {
        var bytes: [UInt8] = []
        for shift in stride(from: 40, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: at >> Int64(shift)))
        }
        bytes += surroundings.random(10)
        return RandomID(bytes.rawSpan)
    }

    /// An id that sorts where `id` does: for a copy of that record.
    func newAuditID(like id: RandomID) -> RandomID {
        let bytes = id.bytes.prefix(6) + surroundings.random(10)
        return RandomID(Array(bytes).rawSpan)
    }

    struct StoredAudit: Sendable {
        let record: AuditRecord
        let hash: Digest256
    }

    func readAudit(_ id: RandomID, codec: SealedObjects) throws -> StoredAudit {
        try withSealed(kind: .audit, id: id) { stored in
            let hash = SHA256.hash(stored.bytes)
            return StoredAudit(
                record: try AuditRecord(id: id, try codec.open(stored, kind: .audit, id: id)), hash: hash)
        }
    }

    /// When each operation was last recorded since a time, both in milliseconds since 1970-01-01 UTC. Ids sort by time,
    /// so nothing older is read. [H-2] What cannot be read is passed over: `verifyAudit` reports it.
    public func newestAudits(since: Int64) throws -> [String: Int64] {
        let recent = try list(.audit).filter { id in
            id.bytes.prefix(6).reduce(Int64(0)) { $0 << 8 | Int64($1) } >= since
        }
        let read = try Parallel.map(
            recent, threads: Repository.listingThreads, name: "cairn-audit", context: makeSealedObjects
        ) { codec, id in try? self.readAudit(id, codec: codec) }
        var newest: [String: Int64] = [:]
        for case let stored? in read {
            newest[stored.record.operation] = max(newest[stored.record.operation] ?? .min, stored.record.at)
        }
        return newest
    }

    /// Reads all records and checks every link.
    ///
    /// It finds every record that was altered, and every one that was removed and is named by a later one. It cannot
    /// find the removal of heads, nor a forgery by somebody who has the master key.
    public func verifyAudit() throws -> AuditReport {
        var report = AuditReport()
        var hashes: [RandomID: Digest256] = [:]
        let codec = makeSealedObjects()
        // One that is gone once it was listed was encrypted anew: its copy was put before, and is in the next listing.
        var isComplete = false
        while !isComplete {
            isComplete = true
            for id in try list(.audit) where hashes[id] == nil {
                do {
                    let stored = try readAudit(id, codec: codec)
                    report.records.append(stored.record)
                    hashes[id] = stored.hash
                } catch let error as CairnError where error.code == .corrupt || error.code == .unsupportedFormat {
                    report.problems.append(error)
                    let altered = try fetchSealed(kind: .audit, id: id)
                    hashes[id] = SHA256.hash(altered.bytes)
                } catch let error as CairnError where error.code == .notFound {
                    isComplete = false
                }
            }
        }
        let copied = takeCopies(&hashes, &report)
        let named = checkLinks(hashes, &report)
        report.records.sort { ($0.at, $0.id) < ($1.at, $1.id) }
        report.heads = report.records.filter { record in
            !named.contains(record.id) && !record.replaces.contains { named.contains($0.id) }
        }.map(\.id).filter { !copied.contains($0) }
        return report
    }

    /// Lets copies of records stand for what they replaced. [H-5]
    ///
    /// - Returns: ids of the records that were copied; those that are there still are not shown twice.
    private func takeCopies(
        _ hashes: inout [RandomID: Digest256], _ report: inout AuditReport
    ) -> Set<RandomID> {
        var copied: Set<RandomID> = []
        for link in report.records.flatMap(\.replaces) {
            copied.insert(link.id)
            if hashes[link.id] == nil { hashes[link.id] = link.hash }
        }
        report.records.removeAll { copied.contains($0.id) }
        return copied
    }

    /// - Returns: the ids that some record names.
    private func checkLinks(_ hashes: [RandomID: Digest256], _ report: inout AuditReport) -> Set<RandomID> {
        var named: Set<RandomID> = []
        for record in report.records {
            for link in record.previous {
                named.insert(link.id)
                guard let found = hashes[link.id], found == link.hash else {
                    let what =
                        hashes[link.id] == nil
                        ? "is missing that \(record.id.hex) names: somebody removed it"
                        : "is not the one that \(record.id.hex) names: it was replaced or damaged"
                    report.problems.append(
                        CairnError(.corrupt, "an audit record " + what, object: Names.text(.audit, link.id)))
                    continue
                }
            }
        }
        return named
    }
}
