public import BSON
internal import Bytes

/// One collection, view or time series of the source, as the server describes it: everything but its documents.
public struct CollectionInfo: Sendable, Hashable {
    /// What kind of namespace this is; decides how it is restored.
    public enum Kind: String, Sendable, Hashable {
        /// Documents of its own.
        case collection
        /// A stored pipeline; no documents.
        case view
        /// A time series: its documents are the buckets in `system.buckets.<name>` (`dataCollection`).
        case timeseries
    }

    /// The name that users see.
    public var namespace: Namespace
    /// What kind of namespace this is.
    public var kind: Kind
    /// The UUID of the collection that holds the documents (16 bytes); nil for a view.
    public var uuid: [UInt8]?
    /// `listCollections` `options`, verbatim, unknown ones included.
    public var options: BSONDocument
    /// `listIndexes`, verbatim, in the server's order; empty for a view.
    public var indexes: [BSONDocument]
    /// Estimated document count and raw bytes from `dataSize`; nil when they were not asked (small databases). Never
    /// decides what is read.
    public var estimate: Estimate?

    /// A server's estimate of a collection's size.
    public struct Estimate: Sendable, Hashable {
        /// Documents.
        public var documents: Int
        /// Raw BSON bytes.
        public var bytes: Int

        /// An estimate.
        public init(documents: Int, bytes: Int) {
            self.documents = documents
            self.bytes = bytes
        }
    }

    /// A description from its parts.
    public init(
        namespace: Namespace, kind: Kind, uuid: [UInt8]?, options: BSONDocument, indexes: [BSONDocument],
        estimate: Estimate? = nil
    ) {
        self.namespace = namespace
        self.kind = kind
        self.uuid = uuid
        self.options = options
        self.indexes = indexes
        self.estimate = estimate
    }

    /// The database.
    public var db: String { namespace.db }
    /// The name that users see.
    public var name: String { namespace.collection }
    /// Where the documents are: the name itself, or the buckets of a time series.
    public var dataCollection: String { kind == .timeseries ? "system.buckets.\(name)" : name }
    /// Where the documents are.
    public var dataNamespace: Namespace { Namespace(db, dataCollection) }
    /// Whether it has documents to read.
    public var hasDocuments: Bool { kind != .view }
    /// Capped: insertion order is part of the data, and snapshot reads are refused before MongoDB 8.0.
    public var isCapped: Bool { options["capped"] == .bool(true) }
    /// Clustered by `_id` (time-series buckets always are): record ids are the `_id` in key-string form.
    public var isClustered: Bool { kind == .timeseries || options.contains("clusteredIndex") }
    /// Has a default collation, which also orders its `_id` index.
    public var hasCollation: Bool { options.contains("collation") }
    /// Whether there is an index on `_id` (or the collection is clustered by it).
    public var hasIDIndex: Bool {
        isClustered || indexes.contains { $0["name"] == .string("_id_") }
    }
}
