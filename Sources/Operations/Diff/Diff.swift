public import Archive
public import BSON
internal import Bytes

/// Compares two states of one repository, each a snapshot or any time that can be restored. No server is needed.
public struct Diff: Sendable {
    /// What differs in one collection.
    public struct Collection: Hashable, Sendable {
        /// `db.coll`.
        public var namespace: String
        /// Whether only the second state has it.
        public var isNew = false
        /// Whether only the first state has it.
        public var isGone = false
        /// Whether options, indexes, kind or UUID differ.
        public var definitionChanged = false
        /// Documents whose `_id` only the second has.
        public var added = 0
        /// Documents whose `_id` only the first has.
        public var removed = 0
        /// Documents whose bytes differ.
        public var changed = 0

        /// Whether nothing differs.
        public var isEqual: Bool {
            !isNew && !isGone && !definitionChanged && added == 0 && removed == 0 && changed == 0
        }
    }

    /// What became of a document.
    public enum Change: Hashable, Sendable {
        /// Only the second state has it.
        case added
        /// Only the first state has it.
        case removed
        /// Both have it, with other bytes.
        case changed
    }

    /// Called with the `_id` element (`DocumentIdentity`), in no particular order.
    public typealias Visitor = (_ namespace: String, _ change: Change, _ identity: RawSpan) throws -> Void

    /// One of the two states.
    public struct Side: Sendable {
        /// The snapshot that it is, or begins with.
        public var snapshot: Snapshot
        /// The moment.
        public var time: Timestamp
    }

    /// What differs.
    public struct Report: Sendable {
        /// The state that the comparison starts from.
        public var first: Side
        /// The one that it leads to.
        public var second: Side
        /// Every collection of either, equal ones too, in the order of the namespaces.
        public var collections: [Collection]
    }

    private let access: RepositoryAccess
    private let first: Moment
    private let second: Moment

    /// Prepares a comparison.
    public init(access: RepositoryAccess, from first: Moment, to second: Moment) {
        self.access = access
        self.first = first
        self.second = second
    }

    /// Runs the comparison. Chunks that both states show alike are not read.
    ///
    /// - Parameter visitor: is told the `_id` of every document that differs; nil is cheaper.
    public func run(visitor: Visitor? = nil) throws -> Report {
        let repository = try access.open(caching: true)
        let index = try repository.loadIndex()
        let states = try [first, second].map { try repository.state(at: $0, chunks: index) }
        var report = Report(
            first: Side(snapshot: states[0].snapshot, time: states[0].time),
            second: Side(snapshot: states[1].snapshot, time: states[1].time), collections: [])
        let diff = StateDiff(from: states[0], to: states[1], visitor: visitor)
        try diff.forEachCollection { report.collections.append($0) }
        return report
    }
}
