public import BSON
internal import Bytes

/// The order in which a collection is read.
public enum ScanOrder: String, Sendable, Hashable {
    /// By record id (`hint {$natural: 1}`): the cheapest for the server. Record ids, hence ranges, belong to one node.
    case natural
    /// By `_id` (`hint {_id: 1}`): the same on every node.
    case id
}

/// A stretch of one collection that one reader takes at a time.
///
/// - natural order: documents whose record id is in `(start, end]`;
/// - `_id` order: documents whose `_id` is in `[start, end)` in the order of the `_id` index, across BSON types.
///
/// Nil bounds are open: all ranges of a plan together are the whole collection, without overlap.
public struct ScanRange: Sendable, Hashable {
    /// A cut between two ranges: a sampled document's `_id` and record id.
    public struct Bound: Sendable, Hashable {
        /// The document's `_id`.
        public let id: BSONValue
        /// The record id on the node where the plan was made: int64, or binary in a clustered collection.
        public let recordID: BSONValue
    }

    /// The collection that holds the documents (`system.buckets.X` for a time series).
    public let namespace: Namespace
    /// The collection's UUID, by which it is read: a name that was dropped or renamed since the plan was made would
    /// read as an empty collection, silently, while a UUID that is gone is an error. Nil only where the server gave
    /// none.
    public let uuid: [UInt8]?
    /// How it is read.
    public let order: ScanOrder
    /// Whether snapshot reads work on it; a capped collection before MongoDB 8.0 is read at majority instead.
    public let readsAtClusterTime: Bool
    /// Whether it is capped: then it is one range, read by one reader in insertion order.
    public let isCapped: Bool
    /// The range's place in the plan, from 0.
    public let index: Int
    /// The lower cut, nil in the first range.
    public let start: Bound?
    /// The upper cut, nil in the last range.
    public let end: Bound?
    /// The average document's bytes, for the size of the first batch.
    let averageBytes: Int
    /// The life of the node that record ids belong to; nil in `_id` order, which needs none.
    let node: NodeIdentity?

    /// What `find` is told to read.
    var collection: BSONValue { uuid.map { .binary(subtype: 4, $0) } ?? .string(namespace.collection) }
}

/// The ranges of one collection and what a later scan needs to cut the same ones.
public struct ScanPlan: Sendable {
    /// In scan order.
    public let ranges: [ScanRange]
    /// Opaque, to be kept in the snapshot and handed to the next plan of the same collection: `{order, bytes, cuts:
    /// [{_id, r}]}`.
    public let memory: BSONDocument
    /// How many cuts of the parent's plan were used again, and how many it had.
    public let reusedCuts: (kept: Int, of: Int)
}
