public import Bytes
import ObjectStore

/// A lease object that was found in the store.
public struct FoundLease: Sendable {
    /// Its id.
    public let id: RandomID
    /// When it was put, by the store's clock, in milliseconds since 1970-01-01 UTC.
    public let modified: Int64
    /// What it says.
    public let content: Result<LeaseRecord, CairnError>

    /// Whether nobody can hold it any more. One that cannot be read counts until the longest possible lease, put when
    /// it was, would have ended. format-spec.md §9.5 [G-5].
    public func isExpired(at now: Int64) -> Bool {
        switch content {
        case .success(let record): record.isExpired(at: now)
        case .failure: now > modified + FormatLimits.leaseDurationMax + Lease.clockSkewMargin
        }
    }

    /// Whether snapshots and segments may be committed under it: one that cannot be read may be a writer's. A follower
    /// has a writer's lease besides for what it adds, a short one.
    var mayCommit: Bool {
        guard case .success(let record) = content else { return true }
        return record.kind == .writer
    }

    /// The error for whoever wants a lease of `kind` and is kept from it by this one; nil when it is not.
    func conflict(with kind: LeaseRecord.Kind, scope: String?, at now: Int64) -> CairnError? {
        if isExpired(at: now) { return nil }
        let name = Names.text(.lease, id)
        switch content {
        case .success(let record):
            guard record.excludes(kind, scope: scope) else { return nil }
            let seconds = (record.expires + Lease.clockSkewMargin - now) / 1000
            return CairnError(
                .held,
                "a lease for \(record.kind.rawValue) is in the way (\(record.note)); it ends in \(seconds) s unless "
                    + "renewed. Wait, or, when that job is surely dead, `cairn unlock --force`", object: name)
        case .failure(let error):
            return CairnError(
                .held, "a lease that cannot be read is in the way; when no other job runs, `cairn unlock --force`",
                object: name, underlying: error)
        }
    }
}

extension Repository {
    /// All leases in the store, expired and unreadable ones included.
    public func leases() throws -> [FoundLease] {
        try leases(in: try Survey([.lease], in: store))
    }

    /// The leases that were listed.
    ///
    /// - Parameter own: one that need not be read.
    func leases(in survey: Survey, except own: RandomID? = nil) throws -> [FoundLease] {
        var found: [FoundLease] = []
        for (id, info) in survey.objects(.lease).sorted(by: { $0.id < $1.id }) where id != own {
            let modified = info.modified * 1000
            do {
                let record = try LeaseRecord(id: id, try readSealed(kind: .lease, id: id))
                found.append(FoundLease(id: id, modified: modified, content: .success(record)))
            } catch let error as CairnError where error.code == .corrupt || error.code == .unsupportedFormat {
                found.append(FoundLease(id: id, modified: modified, content: .failure(error)))
            } catch let error as CairnError where error.code == .notFound {
                continue  // released meanwhile
            }
        }
        return found
    }

    /// Removes leases that have expired, or with `force` all: only sensible when surely no other job runs. What their
    /// holders commit later does not count (`Fence`).
    ///
    /// - Returns: those removed.
    @discardableResult
    public func unlock(force: Bool) throws -> [FoundLease] {
        let now = now()
        let condemned = try leases().filter { force || $0.isExpired(at: now) }
        for lease in condemned {
            let name = Names.object(.lease, lease.id)
            // Of one that is held, what its holder commits until it sees its lease gone counts.
            let first = lease.isExpired(at: now)
            if lease.mayCommit, first { try fence(lease.id) }
            try store.delete(name)
            if lease.mayCommit, !first { try fence(lease.id) }
        }
        return condemned
    }
}
