public import BSON
public import Bytes

/// One snapshot: the state of a deployment at one cluster time. Its presence in the store is the commit.
/// format-spec.md §9.3 [F-3].
///
/// ```
/// version    int32      1, or 2 when a catalogue entry has runs
/// kind       string     "full", "incremental" or "synthetic"
/// parent     binary     id of the snapshot that this one builds on, absent when none
/// at         timestamp  the cluster time at which it is exact
/// term       int64      the election term at `at`; absent when not known
/// started    date
/// finished   date
/// source     document   {set, host, serverVersion, featureCompatibilityVersion}: strings; set may be absent
/// scanOrder  string     "natural" or "id"
/// tags       array of strings
/// include    array of strings   patterns of the namespaces that were taken; absent for all
/// exclude    array of strings   patterns of those left out; absent for none
/// catalogue  binary     ids of the catalogue chunks in order, 32 bytes each
/// totals     document   {namespaces, documents, rawBytes, chunks, addedBytes}: int64
/// warnings   array of strings
/// exact      bool       false when the source has no cluster time (a standalone server)
/// lease      binary     id of the lease that it was committed under; absent in what older programs wrote
/// ```
public struct Snapshot: Hashable, Sendable {
    /// How it was made.
    public enum Kind: String, Sendable, Hashable {
        /// Everything was read from the server.
        case full
        /// What changed since the parent was read from the server.
        case incremental
        /// Made of another snapshot and its runs, without a server.
        case synthetic
    }

    /// The order in which collections were read.
    public enum ScanOrder: String, Sendable, Hashable {
        /// By record id.
        case natural
        /// By `_id`.
        case id
    }

    /// Where the data came from. For people and for choosing a node; nothing is decided by it.
    public struct Source: Hashable, Sendable {
        /// Name of the replica set, nil for a standalone server.
        public var set: String?
        /// `host:port` of the node that was read.
        public var host: String
        /// The server's version.
        public var serverVersion: String
        /// The feature compatibility version.
        public var featureCompatibilityVersion: String

        /// A source of its parts.
        public init(set: String?, host: String, serverVersion: String, featureCompatibilityVersion: String) {
            self.set = set
            self.host = host
            self.serverVersion = serverVersion
            self.featureCompatibilityVersion = featureCompatibilityVersion
        }
    }

    /// Sums over the snapshot.
    public struct Totals: Hashable, Sendable {
        /// Catalogue entries.
        public var namespaces: Int
        /// Documents that a restore yields.
        public var documents: Int
        /// Bytes of the documents in all leaves, those that a later run replaced included.
        public var rawBytes: Int
        /// Chunks of documents, each counted as often as it is referred to.
        public var chunks: Int
        /// Bytes that the backup added to the store.
        public var addedBytes: Int

        /// Totals of their parts.
        public init(namespaces: Int, documents: Int, rawBytes: Int, chunks: Int, addedBytes: Int) {
            self.namespaces = namespaces
            self.documents = documents
            self.rawBytes = rawBytes
            self.chunks = chunks
            self.addedBytes = addedBytes
        }

        /// The sums over a catalogue; what was added is not known from it.
        public init(of entries: [CatalogueEntry]) {
            self.init(
                namespaces: entries.count, documents: entries.reduce(0) { $0 + $1.liveDocuments },
                rawBytes: entries.reduce(0) { $0 + $1.totalRawBytes },
                chunks: entries.reduce(0) { $0 + $1.totalLeafCount }, addedBytes: 0)
        }
    }

    /// The newest version of snapshot documents that this engine reads.
    static let version = 2

    /// The snapshot's id: the name of its object, not a field in it.
    public var id: RandomID
    /// How it was made.
    public var kind: Kind
    /// The snapshot that it builds on.
    public var parent: RandomID?
    /// The cluster time at which it is exact: operations up to and including it are in. format-spec.md §9.3 [F-7].
    public var at: Timestamp
    /// When the backup began, in milliseconds since 1970-01-01 UTC.
    public var started: Int64
    /// When it was committed, likewise.
    public var finished: Int64
    /// Where the data came from.
    public var source: Source
    /// The order in which collections were read.
    public var scanOrder: ScanOrder
    /// What the user marked it with.
    public var tags: [String]
    /// The chunks of the catalogue, in order.
    public var catalogue: [ChunkID]
    /// Sums.
    public var totals: Totals
    /// What a person should know about it.
    public var warnings: [String]
    /// Whether it is exact at `at`.
    public var exact: Bool
    /// The election term of the operation at `at`, nil when not known.
    public var term: Int64?
    /// Patterns of the namespaces that were taken, all when empty. An incremental continues a snapshot of the same
    /// selection only.
    public var include: [String]
    /// Patterns of the namespaces that were left out.
    public var exclude: [String]
    /// Whether any of its catalogue entries has runs. Its document is then of version 2, for a reader of version 1
    /// would pass over them and yield documents as they were before. format-spec.md §10.1 [V-6].
    public var layered: Bool
    /// The lease that it was committed under, which tells whether it counts. format-spec.md §9.10 [Y-2].
    public var lease: RandomID?

    /// Where it stands in the history of its replica set, nil when not known.
    public var optime: OpTime? { term.map { OpTime(timestamp: at, term: $0) } }

    /// A snapshot of its parts.
    public init(
        id: RandomID, kind: Kind, parent: RandomID?, at: Timestamp, started: Int64, finished: Int64, source: Source,
        scanOrder: ScanOrder, tags: [String], catalogue: [ChunkID], totals: Totals, warnings: [String], exact: Bool,
        term: Int64? = nil, include: [String] = [], exclude: [String] = [], layered: Bool = false,
        lease: RandomID? = nil
    ) {
        self.id = id
        self.kind = kind
        self.parent = parent
        self.at = at
        self.started = started
        self.finished = finished
        self.source = source
        self.scanOrder = scanOrder
        self.tags = tags
        self.catalogue = catalogue
        self.totals = totals
        self.warnings = warnings
        self.exact = exact
        self.term = term
        self.include = include
        self.exclude = exclude
        self.layered = layered
        self.lease = lease
    }

    /// The document that is sealed.
    func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("version", .int32(layered ? 2 : 1))
            builder.append("kind", .string(kind.rawValue))
            builder.append("parent", ifPresent: parent.map { .id($0) })
            builder.append("at", .timestamp(at))
            builder.append("term", ifPresent: term.map { .int64($0) })
            builder.append("started", .date(started))
            builder.append("finished", .date(finished))
            builder.append("source", .document(source.encode()))
            builder.append("scanOrder", .string(scanOrder.rawValue))
            builder.append("tags", .strings(tags))
            if !include.isEmpty { builder.append("include", .strings(include)) }
            if !exclude.isEmpty { builder.append("exclude", .strings(exclude)) }
            builder.append("catalogue", .digests(catalogue))
            builder.append("totals", .document(totals.encode()))
            builder.append("warnings", .strings(warnings))
            builder.append("exact", .bool(exact))
            builder.append("lease", ifPresent: lease.map { .id($0) })
        }
    }

    /// Reads the document of the snapshot `id`.
    init(id: RandomID, _ document: BSONDocument) throws {
        let object = Names.text(.snapshot, id)
        let version = try document.requireVersion(Snapshot.version, in: object)
        let kindText: String = try document.require("kind", in: object)
        let orderText: String = try document.require("scanOrder", in: object)
        guard let kind = Kind(rawValue: kindText), let order = ScanOrder(rawValue: orderText) else {
            throw CairnError(
                .unsupportedFormat, "a snapshot of kind \"\(kindText)\" in \(orderText) order is not known",
                object: object)
        }
        self.id = id
        self.kind = kind
        layered = version > 1
        scanOrder = order
        parent = document.contains("parent") ? try document.requireID("parent", in: object) : nil
        at = try document.require("at", in: object)
        term = try document.optional("term", in: object)
        started = try document.requireDate("started", in: object)
        finished = try document.requireDate("finished", in: object)
        source = try Source(try document.require("source", in: object), object: object)
        tags = try document.require("tags", in: object)
        include = try document.optional("include", in: object) ?? []
        exclude = try document.optional("exclude", in: object) ?? []
        catalogue = try document.requireDigests("catalogue", in: object)
        totals = try Totals(try document.require("totals", in: object), object: object)
        warnings = try document.require("warnings", in: object)
        exact = try document.require("exact", in: object)
        lease = document.contains("lease") ? try document.requireID("lease", in: object) : nil
    }
}

extension Snapshot.Source {
    fileprivate func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("set", ifPresent: set.map { .string($0) })
            builder.append("host", .string(host))
            builder.append("serverVersion", .string(serverVersion))
            builder.append("featureCompatibilityVersion", .string(featureCompatibilityVersion))
        }
    }

    fileprivate init(_ document: BSONDocument, object: String) throws {
        set = try document.optional("set", in: object)
        host = try document.require("host", in: object)
        serverVersion = try document.require("serverVersion", in: object)
        featureCompatibilityVersion = try document.require("featureCompatibilityVersion", in: object)
    }
}

extension Snapshot.Totals {
    fileprivate func encode() -> BSONDocument {
        [
            "namespaces": .count(namespaces), "documents": .count(documents), "rawBytes": .count(rawBytes),
            "chunks": .count(chunks), "addedBytes": .count(addedBytes),
        ]
    }

    fileprivate init(_ document: BSONDocument, object: String) throws {
        namespaces = try document.requireCount("namespaces", in: object)
        documents = try document.requireCount("documents", in: object)
        rawBytes = try document.requireCount("rawBytes", in: object)
        chunks = try document.requireCount("chunks", in: object)
        addedBytes = try document.requireCount("addedBytes", in: object)
    }
}

extension Snapshot {
    /// Whether it was taken with these patterns, byte for byte: only then one can build on the other.
    public func hasSelection(_ include: [String], _ exclude: [String]) -> Bool {
        self.include.haveSameBytes(as: include) && self.exclude.haveSameBytes(as: exclude)
    }
}
