public import Archive
public import Bytes

/// Lists the snapshots of a repository.
public struct ListSnapshots: Sendable {
    /// What was found.
    public struct Report: Sendable {
        /// The snapshots, oldest first.
        public var snapshots: [Snapshot]
        /// What is wrong with those that cannot be read.
        public var damaged: [CairnError]
    }

    private let access: RepositoryAccess
    private let tags: [String]
    private let newest: Int?

    /// Prepares a listing of the snapshots that carry all of `tags`, the newest ones only when a number is given.
    public init(access: RepositoryAccess, tags: [String], newest: Int?) {
        self.access = access
        self.tags = tags
        self.newest = newest
    }

    /// Reads every snapshot object and nothing else. A damaged one does not hide the others.
    public func run() throws -> Report {
        let repository = try access.open(caching: true)
        var report = Report(snapshots: [], damaged: [])
        report.snapshots = try repository.snapshots { _, error in report.damaged.append(error) }
        report.snapshots.removeAll { snapshot in !tags.allSatisfy(snapshot.tags.contains) }
        if let newest { report.snapshots.removeFirst(max(0, report.snapshots.count - newest)) }
        return report
    }
}
