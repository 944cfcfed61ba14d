public import BSON
public import Bytes

extension Follow {
    /// What a follower is asked to do. Values are checked by the command line; the operation may rely on them.
    public struct Options: Sendable {
        /// Where the repository is and what opens it.
        public var repository: RepositoryAccess
        /// Where the oplog comes from.
        public var source: DeploymentAccess
        /// How old an entry gets before it is saved, in seconds.
        public var everySeconds: Int
        /// Raw bytes of entries at which a segment is saved earlier.
        public var bytesMax: Int
        /// zstd level, 1 to 19.
        public var level: Int
        /// Threads that hash, compress and encrypt; 0 lets the operation choose.
        public var workers: Int

        /// Options with the defaults of the command line.
        public init(repository: RepositoryAccess, source: DeploymentAccess) {
            self.repository = repository
            self.source = source
            everySeconds = 60
            bytesMax = SegmentRecorder.bytesMax
            level = 3
            workers = 0
        }
    }

    /// What happens while a follower runs.
    public enum Event: Sendable {
        /// It continues what the repository has, at this time.
        case began(at: Timestamp)
        /// A segment is saved.
        case saved(Saved)
        /// A stretch is lost.
        case lost(Gap)
        /// The server or the repository cannot be used for now; told once until `resumed`.
        case waiting(CairnError)
        /// It can be used again; `host` is the node that is read.
        case resumed(host: String)
    }

    /// A segment that was saved.
    public struct Saved: Sendable {
        /// Its id.
        public var id: RandomID
        /// Everything after this time …
        public var from: Timestamp
        /// … up to and including this one is in it.
        public var to: Timestamp
        /// Entries in it.
        public var entries: Int
        /// Their bytes.
        public var rawBytes: Int
        /// What it added to the store, in bytes.
        public var addedBytes: Int
    }

    /// A stretch of the oplog that nobody can save any more.
    public struct Gap: Sendable {
        /// Everything after this time …
        public var from: Timestamp
        /// … up to and including this one is lost.
        public var to: Timestamp
        /// Why.
        public var reason: String
    }
}

/// What a follower did until it was stopped.
public struct FollowReport: Sendable {
    /// The replica set.
    public var set: String
    /// Where it began; everything after is saved but for the gaps.
    public var from: Timestamp
    /// The time up to which everything is saved.
    public var to: Timestamp
    /// Segments saved.
    public var segments = 0
    /// Entries in them.
    public var entries = 0
    /// Their bytes.
    public var rawBytes = 0
    /// Bytes added to the repository.
    public var addedBytes = 0
    /// What is lost.
    public var gaps: [Follow.Gap] = []
    /// What a person should read, in plain sentences.
    public var warnings: [String] = []

    /// Whether something needs a person, which makes the exit code 3.
    public var needsPerson: Bool { !gaps.isEmpty }
}
