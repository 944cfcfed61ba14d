internal import Archive
public import BSON
public import Bytes
internal import Mongo

/// Compares a state of the archive with the deployment that it was taken from, read at the state's own time: the proof
/// that a snapshot is what the server shows, by a reading that shares nothing with the backup.
///
/// Both sides are digested in parallel; only collections whose digests differ are looked at document by document. A
/// server can be read at a past time as long as it keeps the history (`minSnapshotHistoryWindowInSeconds`), so the
/// state must be about that young when the comparison starts. Catalogues have no history at all: that of now is
/// compared, and what the oplog says was redefined since is left out and named. Neither have capped collections before
/// MongoDB 8.0: they are read as they are now, in order, and left out when they were written to since.
public struct CheckAgainst: Sendable {
    /// What is compared.
    public struct Options: Sendable {
        /// The repository.
        public var repository: RepositoryAccess
        /// The deployment that it was taken from.
        public var server: DeploymentAccess
        /// Which state.
        public var moment: Moment
        /// Patterns of the namespaces that are compared; all of the snapshot when empty.
        public var include: [String] = []
        /// Patterns of namespaces that are not; wins.
        public var exclude: [String] = []
        /// Threads for each side; 0 takes one a processor.
        public var workers = 0

        /// A comparison with the latest snapshot.
        public init(repository: RepositoryAccess, server: DeploymentAccess, moment: Moment = .snapshot("latest")) {
            self.repository = repository
            self.server = server
            self.moment = moment
        }
    }

    /// A namespace, or a part of it, that could not be compared.
    public struct Skipped: Sendable, Hashable {
        /// `db.coll`.
        public var namespace: String
        /// Why, in words.
        public var reason: String
        /// Whether it is in the nature of the collection: capped ones have no history.
        public var isExpected: Bool
    }

    /// What was found.
    public struct Report: Sendable {
        /// The snapshot that was compared, or that the state begins with.
        public var snapshot: RandomID
        /// The time that was compared.
        public var time: Timestamp
        /// `host:port` of the node that was read.
        public var host: String
        /// Namespaces of the archive that were compared.
        public var namespaces = 0
        /// Documents of theirs.
        public var documents = 0
        /// What differs. `added` documents are in the snapshot only, `removed` ones on the server only.
        public var differences: [CheckReplay.Difference] = []
        /// What could not be compared.
        public var skipped: [Skipped] = []

        /// Whether nothing differs.
        public var isSound: Bool { differences.isEmpty }
        /// Whether nothing was left out that might have been compared.
        public var isComplete: Bool { skipped.allSatisfy(\.isExpected) }
    }

    private let options: Options
    private let progress: JobProgress
    private let cancellation: Cancellation

    /// Prepares a comparison; nothing is read before `run`.
    public init(options: Options, progress: JobProgress, cancellation: Cancellation) {
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Compares. What differs is in the report and not thrown.
    ///
    /// - Throws: `.snapshotTooOld` when the server keeps no history of the time any more, with the remedy; `.usage` for
    ///   another replica set, and for a snapshot that is not exact; what connecting and reading throw.
    public func run() throws -> Report {
        let repository = try options.repository.open()
        let state = try repository.state(at: options.moment, chunks: repository.loadIndex())
        let deployment = try connect(state)
        var report = Report(snapshot: state.snapshot.id, time: state.time, host: deployment.host)
        do {
            var comparison = ServerComparison(state, deployment, try selection(state), progress, cancellation)
            comparison.workers = options.workers > 0 ? options.workers : Machine.processors
            try comparison.run(&report)
        } catch let error as CairnError where error.code == .snapshotTooOld {
            let window = deployment.server.snapshotWindowSeconds.map { " (it keeps \($0) s)" } ?? ""
            throw CairnError(
                .snapshotTooOld,
                "\(state.time.asDate) is beyond the history that the server keeps\(window), so nothing was compared. "
                    + "Take an incremental and compare at once (`cairn backup`, then `cairn check --against`), or "
                    + "raise the server parameter minSnapshotHistoryWindowInSeconds above its age and the time that "
                    + "comparing takes", object: state.description, underlying: error)
        }
        report.differences.sort { $0.namespace < $1.namespace }
        report.skipped.sort { $0.namespace < $1.namespace }
        return report
    }

    /// What both the snapshot and the caller take.
    private func selection(_ state: ArchivedState) throws -> @Sendable (Namespace) -> Bool {
        let taken = NamespaceFilter(include: state.snapshot.include, exclude: state.snapshot.exclude)
        let wanted = NamespaceFilter(include: options.include, exclude: options.exclude)
        return { taken.admits($0) && wanted.admits($0) }
    }

    private func connect(_ state: ArchivedState) throws -> MongoDeployment {
        guard let set = state.snapshot.source.set, state.snapshot.exact else {
            throw CairnError(
                .usage,
                "the snapshot has no cluster time that a server could be read at: it was not taken of a "
                    + "replica set, or is not exact", object: state.description)
        }
        var mongo = MongoOptions(access: .read)
        mongo.readPreference = options.server.readPreference
        mongo.serverSelectionTimeoutMilliseconds = options.server.serverSelectionTimeoutSeconds * 1_000
        mongo.preferredHost = state.snapshot.source.host
        let deployment = try MongoDeployment.connect(uri: options.server.uri, options: mongo)
        guard deployment.server.setName == set else {
            throw CairnError(
                .usage,
                "the snapshot is of the replica set \(set), the server belongs to "
                    + "\(deployment.server.setName ?? "none"). What was restored elsewhere is compared by "
                    + "`cairn restore --verify`", object: deployment.host)
        }
        return deployment
    }
}
