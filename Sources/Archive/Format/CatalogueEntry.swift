public import BSON
public import Bytes

/// One collection or view in a snapshot. format-spec.md §9.2 [F-2].
///
/// ```
/// db        string              database
/// coll      string              collection
/// type      string              "collection", "view" or "timeseries"
/// uuid      binary subtype 4    16 bytes, absent for views
/// options   document            as listCollections gave them, verbatim
/// indexes   array of documents  as listIndexes gave them, verbatim
/// documents int64
/// rawBytes  int64
/// plan      document            how the scan cut the collection into ranges, absent for views; opaque to readers
/// leafCount int64
/// leaves    array of documents  leaves in order, when there are at most 4
/// lists     binary              otherwise: ids of the leaf-list chunks in order, 32 bytes each
/// runs      array of documents  what changed since the leaves were read, oldest first (`Run`); absent when nothing
/// ```
/// `documents`, `rawBytes` and `leafCount` describe the leaves alone, so an incremental copies an entry byte for byte
/// and appends a run, or leaves it as it is when nothing changed: its catalogue chunk is then shared. [F-10]
public struct CatalogueEntry: Hashable, Sendable {
    /// What the namespace is. A reader that met another would not know how to make it again, and refuses it.
    public enum Kind: String, Sendable, Hashable {
        /// A collection, capped and clustered ones and `system.buckets.*` included.
        case collection
        /// A view.
        case view
        /// The view-like half of a time series; its data is in `system.buckets.*`.
        case timeseries
    }

    /// Where the leaves are.
    public enum Leaves: Hashable, Sendable {
        /// In the entry itself: at most `FormatLimits.inlineLeavesMax`.
        case inline([Leaf])
        /// In leaf-list chunks, in this order.
        case lists([ChunkID])
    }

    /// The database.
    public var database: String
    /// The collection.
    public var collection: String
    /// What it is.
    public var kind: Kind
    /// The server's UUID of the collection (16 bytes); nil for views.
    public var uuid: [UInt8]?
    /// The collection's options, verbatim.
    public var options: BSONDocument
    /// The index specifications, verbatim.
    public var indexes: [BSONDocument]
    /// Documents in all leaves.
    public var documents: Int
    /// Raw bytes in all leaves.
    public var rawBytes: Int
    /// How the scan cut the collection into ranges, for the next scan to cut the same ones and so make the same
    /// chunks. Its content is the scanner's business (`ScanPlan.memory`); readers pass over it.
    public var plan: BSONDocument?
    /// The number of leaves.
    public var leafCount: Int
    /// The leaves.
    public var leaves: Leaves
    /// What changed since the leaves were read, oldest first.
    public var runs: [Run]

    /// An entry of its parts.
    public init(
        database: String, collection: String, kind: Kind, uuid: [UInt8]?, options: BSONDocument,
        indexes: [BSONDocument], documents: Int, rawBytes: Int, plan: BSONDocument?, leafCount: Int, leaves: Leaves,
        runs: [Run] = []
    ) {
        self.database = database
        self.collection = collection
        self.kind = kind
        self.uuid = uuid
        self.options = options
        self.indexes = indexes
        self.documents = documents
        self.rawBytes = rawBytes
        self.plan = plan
        self.leafCount = leafCount
        self.leaves = leaves
        self.runs = runs
    }

    /// Documents that the collection holds: those of the leaves, and what the runs make of them.
    public var liveDocuments: Int { runs.reduce(documents) { $0 + $1.delta } }

    /// Leaves of the entry and of its runs.
    public var totalLeafCount: Int { runs.reduce(leafCount) { $0 + $1.leafCount } }

    /// Bytes of the documents in all leaves, those that a later run replaced included.
    public var totalRawBytes: Int { runs.reduce(rawBytes) { $0 + $1.rawBytes } }

    /// `db.coll`.
    public var namespace: String { database + "." + collection }

    /// The order of entries in a catalogue: bytes of the database name, then of the collection name.
    public static func precedes(_ left: CatalogueEntry, _ right: CatalogueEntry) -> Bool {
        left.database.hasSameBytes(as: right.database)
            ? left.collection.precedesInBytes(right.collection) : left.database.precedesInBytes(right.database)
    }

    /// The document that is stored.
    public func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("db", .string(database))
            builder.append("coll", .string(collection))
            builder.append("type", .string(kind.rawValue))
            if let uuid { builder.append("uuid", .binary(subtype: 4, uuid)) }
            builder.append("options", document: options.bytes.rawSpan)
            builder.appendDocuments("indexes", indexes)
            builder.append("documents", .count(documents))
            builder.append("rawBytes", .count(rawBytes))
            if let plan { builder.append("plan", document: plan.bytes.rawSpan) }
            builder.append("leafCount", .count(leafCount))
            leaves.encode(into: &builder, count: leafCount)
            precondition(runs.count <= FormatLimits.runsMax)
            if !runs.isEmpty { builder.appendDocuments("runs", runs.map { $0.encode() }) }
        }
    }

    /// Reads an entry.
    ///
    /// - Throws: `.corrupt` naming `object` and the field; `.unsupportedFormat` for a type that is not known.
    public init(_ document: BSONDocument, object: String) throws {
        database = try document.require("db", in: object)
        collection = try document.require("coll", in: object)
        let object = "\(object), entry \(database).\(collection)"
        let type: String = try document.require("type", in: object)
        guard let kind = Kind(rawValue: type) else {
            throw CairnError(.unsupportedFormat, "namespace type \"\(type)\" is not known", object: object)
        }
        self.kind = kind
        uuid = document.contains("uuid") ? try document.requireBytes("uuid", count: 16, in: object) : nil
        options = try document.require("options", in: object)
        indexes = try document.require("indexes", in: object)
        documents = try document.requireCount("documents", in: object)
        rawBytes = try document.requireCount("rawBytes", in: object)
        plan = try document.optional("plan", in: object)
        leafCount = try document.requireCount("leafCount", in: object)
        leaves = try Leaves(
            document, count: leafCount, documents: documents, rawBytes: rawBytes, object: object)
        let stored: [BSONDocument] = try document.optional("runs", in: object) ?? []
        guard stored.count <= FormatLimits.runsMax else {
            throw CairnError(.corrupt, "an entry with \(stored.count) runs", object: object)
        }
        runs = try stored.enumerated().map { try Run($1, object: "\(object), run \($0 + 1)") }
        guard liveDocuments >= 0 else {
            throw CairnError(.corrupt, "the runs leave \(liveDocuments) documents", object: object)
        }
    }

    /// Calls `body` with each entry of the plaintext of a catalogue chunk.
    public static func forEach(
        inCatalogue plaintext: RawSpan, object: String, _ body: (CatalogueEntry) throws -> Void
    ) throws {
        try forEachDocument(plaintext, object: object) { try body(CatalogueEntry($0, object: object)) }
    }
}

extension CatalogueEntry.Leaves {
    /// Appends `leaves` or `lists`.
    func encode(into builder: inout DocumentBuilder, count: Int) {
        switch self {
        case .inline(let leaves):
            precondition(leaves.count <= FormatLimits.inlineLeavesMax && leaves.count == count)
            builder.appendDocuments("leaves", leaves.map { $0.encode() })
        case .lists(let ids): builder.append("lists", .digests(ids))
        }
    }

    /// Reads `leaves` or `lists` of a document that counts them.
    init(_ document: BSONDocument, count: Int, documents: Int, rawBytes: Int, object: String) throws {
        if document.contains("lists") {
            self = .lists(try document.requireDigests("lists", in: object))
            return
        }
        let stored: [BSONDocument] = try document.require("leaves", in: object)
        guard stored.count == count, stored.count <= FormatLimits.inlineLeavesMax else {
            throw CairnError(.corrupt, "\(stored.count) leaves are inline, \(count) are counted", object: object)
        }
        let inline = try stored.map { try Leaf($0, object: object) }
        guard inline.reduce(0, { $0 + $1.documents }) == documents, inline.reduce(0, { $0 + $1.rawBytes }) == rawBytes
        else { throw CairnError(.corrupt, "the leaves do not add up to the totals of the entry", object: object) }
        self = .inline(inline)
    }
}

extension DocumentBuilder {
    /// Appends an array of documents, byte for byte.
    mutating func appendDocuments(_ name: String, _ documents: [BSONDocument]) {
        openArray(name)
        for (index, document) in documents.enumerated() { append(String(index), document: document.bytes.rawSpan) }
        close()
    }
}
