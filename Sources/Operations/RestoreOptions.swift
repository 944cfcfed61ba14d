public import ObjectStore

extension Restore {
    /// What a restore is asked to do. Values are checked by the command line; the operation may rely on them.
    public struct Options: Sendable {
        /// Where the repository is and what opens it.
        public var repository: RepositoryAccess
        /// Where the data goes.
        public var target: DeploymentAccess
        /// As of when.
        public var moment: Moment
        /// How the operations behind the snapshot are applied, when the moment is a time.
        public var replay: Replay
        /// Drop each target namespace before it is restored.
        public var drop: Bool
        /// Patterns of namespaces to restore (names as in the snapshot); empty restores all.
        public var include: [String]
        /// Patterns of namespaces to leave out; these win over `include`.
        public var exclude: [String]
        /// Renames, applied in order, the first that matches wins.
        public var renames: [Rename]
        /// Restore users and roles as well.
        public var usersAndRoles: Bool
        /// Build no index but that on `_id`.
        public var noIndexes: Bool
        /// Say what would be done, and write nothing.
        public var dryRun: Bool
        /// Give collections the UUID they had, where the server allows it.
        public var preserveUUID: Bool
        /// Read every document back and compare digests.
        public var verify: Bool
        /// `majority`, a number of nodes, or a tag set's name.
        public var writeConcern: String
        /// Threads that insert; 0 lets the operation choose.
        public var workers: Int
        /// Restore everything but the damaged chunks instead of stopping at the first.
        public var salvage: Bool
        /// Bring back what is needed of the store's archive tier; nil leaves it there.
        public var rehydrate: Rehydrate?

        /// Options with the defaults of the command line.
        public init(repository: RepositoryAccess, target: DeploymentAccess) {
            self.repository = repository
            self.target = target
            moment = .snapshot("latest")
            replay = .fold
            drop = false
            include = []
            exclude = []
            renames = []
            usersAndRoles = false
            noIndexes = false
            dryRun = false
            preserveUUID = false
            verify = false
            writeConcern = "majority"
            workers = 0
            salvage = false
        }
    }

    /// How what lies in an archive tier is brought back.
    public struct Rehydrate: Sendable {
        /// How urgently.
        public var priority: RehydrationPriority
        /// Wait until it is there, and restore then.
        public var waits: Bool

        /// Both given.
        public init(priority: RehydrationPriority, waits: Bool) {
            self.priority = priority
            self.waits = waits
        }
    }

    /// One `--ns-from` with its `--ns-to`: a pattern, and what the matching namespace is called in the target.
    /// Both sides hold the same number of `*` (none or one).
    public struct Rename: Sendable, Equatable {
        /// The pattern on names as in the snapshot.
        public var from: String
        /// The name in the target.
        public var to: String

        /// A rename of `from` to `to`.
        public init(from: String, to: String) {
            self.from = from
            self.to = to
        }
    }
}
