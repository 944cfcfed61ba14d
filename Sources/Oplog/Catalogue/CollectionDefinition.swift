public import BSON
import Bytes

/// One collection, view or time series as a catalogue describes it: everything but its documents.
///
/// The form is that of a snapshot's catalogue (format-spec.md §9.2): options as `listCollections` shows them, indexes
/// as `listIndexes` does, a time series under its own name with the UUID of its buckets.
public struct CollectionDefinition: Sendable {
    /// What the namespace is.
    public enum Kind: String, Sendable, Hashable {
        /// Documents of its own.
        case collection
        /// A stored pipeline.
        case view
        /// A time series; its documents are the buckets in `system.buckets.<name>`.
        case timeseries
    }

    /// The database.
    public var database: String
    /// The name in it that users see.
    public var name: String
    /// What it is.
    public var kind: Kind
    /// The collection that holds the documents; nil for views.
    public var uuid: UUIDKey?
    /// The options, as `listCollections` shows them.
    public var options: BSONDocument
    /// The indexes, as `listIndexes` shows them; empty for views.
    public var indexes: [BSONDocument]

    /// A definition of its parts.
    public init(
        database: String, name: String, kind: Kind, uuid: UUIDKey?, options: BSONDocument, indexes: [BSONDocument]
    ) {
        self.database = database
        self.name = name
        self.kind = kind
        self.uuid = uuid
        self.options = options
        self.indexes = indexes
    }

    /// `db.name`.
    public var namespace: String { database + "." + name }
}
