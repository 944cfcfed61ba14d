extension FullBackup {
    /// What a full backup is asked to do. Values are checked by the command line; the operation may rely on them.
    public struct Options: Sendable {
        /// Where the repository is and what opens it.
        public var repository: RepositoryAccess
        /// Where the data comes from.
        public var source: DeploymentAccess
        /// zstd level, 1 to 19.
        public var level: Int
        /// Patterns of namespaces to take (`db.*`, `db.coll`, `*`); empty takes all.
        public var include: [String]
        /// Patterns of namespaces to leave out; these win over `include`.
        public var exclude: [String]
        /// Words that the snapshot carries.
        public var tags: [String]
        /// In which order collections are read.
        public var scanOrder: ScanOrder
        /// Threads that read from the server; 0 lets the operation choose.
        public var readers: Int
        /// Threads that hash, compress and encrypt; 0 lets the operation choose.
        public var workers: Int
        /// Accept a standalone server: the snapshot is then marked as not exact at one point in time.
        public var allowStandalone: Bool

        /// Options with the defaults of the command line.
        public init(repository: RepositoryAccess, source: DeploymentAccess) {
            self.repository = repository
            self.source = source
            level = 3
            include = []
            exclude = []
            tags = []
            scanOrder = .natural
            readers = 0
            workers = 0
            allowStandalone = false
        }
    }

    /// The order in which a scan reads a collection (design: natural order costs the server far less).
    public enum ScanOrder: String, Sendable, CaseIterable {
        /// By record id: cheapest, repeats on the same node.
        case natural
        /// By `_id`: the same on every node.
        case id
    }
}
