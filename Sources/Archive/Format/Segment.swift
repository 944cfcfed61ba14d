public import BSON
public import Bytes

/// A stretch of a replica set's oplog, or the statement that it is lost. format-spec.md §9.7 [S-1].
///
/// ```
/// version    int32      1
/// set        string     name of the replica set
/// host       string     host:port of the node that was read
/// from       document   {ts: timestamp, t: int64}: op time of the entry that the segment continues
/// to         document   {ts: timestamp, t: int64}: everything up to and including it is in
/// created    date
/// firstWall  date       wall clock time of the first entry; absent when there are no entries
/// lastWall   date       of the last
/// entries    int64      sum over the chunks
/// rawBytes   int64      sum over the chunks
/// addedBytes int64      what writing it added to the store
/// chunks     array of   {c: binary, n: int64, r: int64, f: timestamp, l: timestamp}
/// prelude    array of   the same: entries before `from` that transactions committed in (from, to] need
/// gap        string     why there is nothing between `from` and `to`; absent otherwise
/// lease      binary     id of the lease that it was committed under; absent in what older programs wrote
/// ```
public struct Segment: Hashable, Sendable {
    /// The version of segment documents that this engine writes and reads.
    static let version = 1

    /// The segment's id: the name of its object, not a field in it.
    public var id: RandomID
    /// The replica set.
    public var set: String
    /// `host:port` of the node that was read.
    public var host: String
    /// The op time that it continues. The entry there stands first in the chunks, unless it is of a kind that is not
    /// kept ([S-3]).
    public var from: OpTime
    /// Every entry up to and including this op time is in.
    public var to: OpTime
    /// When it was written, in milliseconds since 1970-01-01 UTC.
    public var created: Int64
    /// The server's wall clock at the first entry, likewise; nil when there is none.
    public var firstWall: Int64?
    /// The server's wall clock at the last entry, likewise; nil when there is none.
    public var lastWall: Int64?
    /// Entries in the chunks.
    public var entries: Int
    /// Their bytes.
    public var rawBytes: Int
    /// Bytes that writing the segment added to the store.
    public var addedBytes: Int
    /// The entries, in order.
    public var chunks: [OplogChunk]
    /// Entries before `from` that belong to transactions committed in it, in order: nobody has to look for them in
    /// other segments. [S-4]
    public var prelude: [OplogChunk]
    /// Why the stretch is lost; nil when it is not. Nobody may go on across it. [S-6]
    public var gap: String?
    /// The lease that it was committed under, which tells whether it counts. format-spec.md §9.10 [Y-2].
    public var lease: RandomID?

    /// A segment of its parts.
    public init(
        id: RandomID, set: String, host: String, from: OpTime, to: OpTime, created: Int64, firstWall: Int64?,
        lastWall: Int64?, entries: Int, rawBytes: Int, addedBytes: Int, chunks: [OplogChunk],
        prelude: [OplogChunk] = [], gap: String? = nil, lease: RandomID? = nil
    ) {
        self.id = id
        self.set = set
        self.host = host
        self.from = from
        self.to = to
        self.created = created
        self.firstWall = firstWall
        self.lastWall = lastWall
        self.entries = entries
        self.rawBytes = rawBytes
        self.addedBytes = addedBytes
        self.chunks = chunks
        self.prelude = prelude
        self.gap = gap
        self.lease = lease
    }

    /// The document that is sealed.
    func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("version", .int32(Int32(Segment.version)))
            builder.append("set", .string(set))
            builder.append("host", .string(host))
            builder.append("from", .document(from.encode()))
            builder.append("to", .document(to.encode()))
            builder.append("created", .date(created))
            builder.append("firstWall", ifPresent: firstWall.map { .date($0) })
            builder.append("lastWall", ifPresent: lastWall.map { .date($0) })
            builder.append("entries", .count(entries))
            builder.append("rawBytes", .count(rawBytes))
            builder.append("addedBytes", .count(addedBytes))
            builder.appendDocuments("chunks", chunks.map { $0.encode() })
            builder.appendDocuments("prelude", prelude.map { $0.encode() })
            builder.append("gap", ifPresent: gap.map { .string($0) })
            builder.append("lease", ifPresent: lease.map { .id($0) })
        }
    }

    /// Reads the document of the segment `id`.
    init(id: RandomID, _ document: BSONDocument) throws {
        let object = Names.text(.segment, id)
        try document.requireVersion(Segment.version, in: object)
        self.id = id
        set = try document.require("set", in: object)
        host = try document.require("host", in: object)
        from = try OpTime(try document.require("from", in: object), object: object)
        to = try OpTime(try document.require("to", in: object), object: object)
        created = try document.requireDate("created", in: object)
        firstWall = try document.optional("firstWall", as: BSONDate.self, in: object)?.milliseconds
        lastWall = try document.optional("lastWall", as: BSONDate.self, in: object)?.milliseconds
        entries = try document.requireCount("entries", in: object)
        rawBytes = try document.requireCount("rawBytes", in: object)
        addedBytes = try document.requireCount("addedBytes", in: object)
        chunks = try document.require("chunks", as: [BSONDocument].self, in: object).map {
            try OplogChunk($0, object: object)
        }
        prelude = try document.require("prelude", as: [BSONDocument].self, in: object).map {
            try OplogChunk($0, object: object)
        }
        gap = try document.optional("gap", in: object)
        lease = document.contains("lease") ? try document.requireID("lease", in: object) : nil
        if let problem { throw CairnError(.corrupt, problem, object: object) }
    }

    /// What contradicts itself in it, nil when nothing does. [S-2]
    var problem: String? {
        // Behind a gap may be another history, whose terms start again.
        guard from.timestamp <= to.timestamp, from.term <= to.term || gap != nil else {
            return "a segment ends at \(to.timestamp), before it begins"
        }
        guard gap == nil || (chunks.isEmpty && prelude.isEmpty) else { return "a gap has entries" }
        guard chunks.reduce(0, { $0 + $1.entries }) == entries, chunks.reduce(0, { $0 + $1.rawBytes }) == rawBytes
        else { return "the chunks do not add up to the totals of the segment" }
        guard Segment.ascend(chunks), Segment.ascend(prelude) else { return "the chunks are out of order" }
        if let first = chunks.first, let last = chunks.last {
            guard first.first >= from.timestamp, last.last <= to.timestamp else {
                return "the chunks go beyond the segment"
            }
        }
        if let last = prelude.last, last.last >= from.timestamp { return "the prelude reaches into the segment" }
        return nil
    }

    private static func ascend(_ chunks: [OplogChunk]) -> Bool {
        zip(chunks, chunks.dropFirst()).allSatisfy { $0.last < $1.first }
    }
}

/// One chunk of oplog entries. format-spec.md §9.7 [S-2].
public struct OplogChunk: Hashable, Sendable {
    /// The chunk.
    public var chunk: ChunkID
    /// Entries in it; at least one.
    public var entries: Int
    /// Bytes of plaintext.
    public var rawBytes: Int
    /// `ts` of the first entry.
    public var first: Timestamp
    /// `ts` of the last entry.
    public var last: Timestamp

    /// A chunk of its parts.
    public init(chunk: ChunkID, entries: Int, rawBytes: Int, first: Timestamp, last: Timestamp) {
        self.chunk = chunk
        self.entries = entries
        self.rawBytes = rawBytes
        self.first = first
        self.last = last
    }

    fileprivate func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("c", .digest(chunk))
            builder.append("n", .count(entries))
            builder.append("r", .count(rawBytes))
            builder.append("f", .timestamp(first))
            builder.append("l", .timestamp(last))
        }
    }

    fileprivate init(_ document: BSONDocument, object: String) throws {
        chunk = try document.requireDigest("c", in: object)
        entries = try document.requireCount("n", in: object)
        rawBytes = try document.requireCount("r", in: object)
        first = try document.require("f", in: object)
        last = try document.require("l", in: object)
        guard entries > 0, entries <= rawBytes, rawBytes <= FormatLimits.chunkSizeMax, first <= last else {
            throw CairnError(
                .corrupt, "a chunk of \(entries) oplog entries with \(rawBytes) bytes", object: object)
        }
    }
}

extension OpTime {
    /// As the server writes it.
    fileprivate func encode() -> BSONDocument { ["ts": .timestamp(timestamp), "t": .int64(term)] }

    fileprivate init(_ document: BSONDocument, object: String) throws {
        self.init(timestamp: try document.require("ts", in: object), term: try document.require("t", in: object))
    }
}
