internal import Archive
internal import Bytes
public import ObjectStore

/// Makes a replica a repository of its own, when the one that it was copied from is lost, and back. No key is needed.
///
/// A replica is a repository at every moment, so promotion changes one thing: who may write there. It removes the mark
/// by which writers keep away from a replica and replication from anything else. Leases of the lost repository were
/// never copied, nor what it had condemned; the fences that declare commits void were, before those commits.
public struct Promotion: Sendable {
    /// What lies there now.
    public struct Report: Sendable {
        /// Whether anything had to be changed.
        public var changed: Bool
        /// The snapshots that are there.
        public var snapshots = 0
        /// When the newest of them was put there; seconds since 1970.
        public var newest: Int64?
        /// When it last was as its source, while it was a replica; seconds since 1970.
        public var lastSuccess: Int64?
    }

    private let store: any ObjectStore

    /// Prepares; nothing is read before.
    public init(of store: any ObjectStore) {
        self.store = store
    }

    /// Lets writers in, and replication no more.
    ///
    /// - Throws: `.noRepository` when there is none.
    public func promote() throws -> Report {
        try requireRepository()
        let record = try ReplicaRecord(from: store)
        if record != nil { try store.delete(ReplicaRecord.name) }
        return try report(changed: record != nil, record)
    }

    /// Lets replication in, and writers no more. Whoever writes at this moment is not stopped.
    ///
    /// - Throws: `.noRepository` when there is none.
    public func demote() throws -> Report {
        try requireRepository()
        let record = try ReplicaRecord(from: store)
        if record == nil { try ReplicaRecord().write(to: store) }
        return try report(changed: record == nil, record)
    }

    private func requireRepository() throws {
        guard try store.stat(Names.config) != nil else {
            throw CairnError(.noRepository, "there is no repository", object: store.location)
        }
    }

    private func report(changed: Bool, _ record: ReplicaRecord?) throws -> Report {
        var report = Report(changed: changed)
        report.lastSuccess = record.flatMap { $0.lastSuccess > 0 ? $0.lastSuccess : nil }
        try store.list(prefix: ObjectKind.snapshot.folder) { info in
            report.snapshots += 1
            report.newest = max(report.newest ?? info.modified, info.modified)
        }
        return report
    }
}
