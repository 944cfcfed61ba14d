public import BSON
public import Bytes

/// What a restore did, or with `--dry-run` would do: the result that `cairn restore` prints.
public struct RestoreReport: Sendable {
    /// One namespace of the restore.
    public struct Namespace: Sendable {
        /// Its name in the snapshot.
        public var source: String
        /// Its name in the target.
        public var target: String
        /// `collection`, `view` or `timeseries`.
        public var type: String
        /// Documents restored (planned, for a dry run).
        public var documents: Int
        /// Their raw BSON bytes.
        public var rawBytes: Int
        /// Indexes built besides that on `_id` (planned, for a dry run).
        public var indexes: Int

        /// A line of the report.
        public init(source: String, target: String, type: String, documents: Int, rawBytes: Int, indexes: Int) {
            self.source = source
            self.target = target
            self.type = type
            self.documents = documents
            self.rawBytes = rawBytes
            self.indexes = indexes
        }
    }

    /// Something that is in the snapshot and not in the target.
    public struct Failure: Sendable {
        /// The namespace in the target.
        public var namespace: String
        /// What is missing: a document's `_id` as extended JSON, an index's name, or a range of `_id`.
        public var subject: String
        /// Why, with the server's code name or the damaged object and offset.
        public var reason: String

        /// A failure of one document, index or range.
        public init(namespace: String, subject: String, reason: String) {
            self.namespace = namespace
            self.subject = subject
            self.reason = reason
        }
    }

    /// How the comparison after the restore came out.
    public enum Verification: String, Sendable {
        /// Nothing was compared: a dry run, or the user may not read the target, which a warning says.
        case none
        /// Counts and catalogue agree.
        case counts
        /// Counts, catalogue and the digest of every document agree.
        case documents
        /// Something differs; the failures say what.
        case failed
    }

    /// The snapshot that was restored.
    public var snapshot: RandomID
    /// The cluster time of the data.
    public var at: Timestamp
    /// Whether this only says what would be done.
    public var dryRun: Bool
    /// Per namespace, sorted by the name in the target.
    public var namespaces: [Namespace]
    /// Documents written.
    public var documents: Int
    /// Their raw BSON bytes.
    public var rawBytes: Int
    /// Indexes built besides those on `_id`.
    public var indexes: Int
    /// Wall time.
    public var seconds: Double
    /// Documents and indexes that could not be restored; any makes the exit code 1.
    public var failures: [Failure]
    /// Documents lost to damage in the repository and passed over by `--salvage`; any makes the exit code 13.
    public var lost: [Failure]
    /// The comparison after the restore.
    public var verification: Verification
    /// What a person should read, in plain sentences.
    public var warnings: [String]

    /// A report with nothing done yet.
    public init(snapshot: RandomID, at: Timestamp, dryRun: Bool) {
        self.snapshot = snapshot
        self.at = at
        self.dryRun = dryRun
        namespaces = []
        documents = 0
        rawBytes = 0
        indexes = 0
        seconds = 0
        failures = []
        lost = []
        verification = .none
        warnings = []
    }
}
