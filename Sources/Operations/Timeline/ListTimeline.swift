internal import Archive
public import Bytes

/// Lists what can be restored.
public struct ListTimeline: Sendable {
    /// What was found.
    public struct Report: Sendable {
        /// One timeline a replica set, by name.
        public var timelines: [Timeline]
        /// What is wrong with snapshots and segments that cannot be read.
        public var damaged: [CairnError]
    }

    private let access: RepositoryAccess
    private let set: String?

    /// Prepares a listing of all replica sets, or of one.
    public init(access: RepositoryAccess, set: String?) {
        self.access = access
        self.set = set
    }

    /// Reads the snapshot and segment objects and nothing else.
    ///
    /// - Throws: `.notFound` for a set that is not there.
    public func run() throws -> Report {
        let repository = try access.open(caching: true)
        var report = Report(timelines: [], damaged: [])
        report.timelines = try repository.timelines { report.damaged.append($0) }
        if let set {
            report.timelines.removeAll { $0.set != set }
            guard !report.timelines.isEmpty else {
                throw CairnError(.notFound, "the repository holds nothing of the replica set \(set)")
            }
        }
        return report
    }
}
