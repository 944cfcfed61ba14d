/// A place in a replica set's history: when, and in which election term (mongod's `repl/optime.h`).
///
/// Two nodes that have different entries at one timestamp have them in different terms, so equal op times mean equal
/// histories up to there.
public struct OpTime: Hashable, Comparable, Sendable {
    /// When.
    public var timestamp: Timestamp
    /// The term of the primary that wrote the entry; -1 where there are no elections.
    public var term: Int64

    /// An op time of its parts.
    public init(timestamp: Timestamp, term: Int64) {
        self.timestamp = timestamp
        self.term = term
    }

    /// By term first, as the server orders them.
    public static func < (left: OpTime, right: OpTime) -> Bool {
        (left.term, left.timestamp) < (right.term, right.timestamp)
    }
}
