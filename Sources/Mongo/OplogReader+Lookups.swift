public import BSON
internal import Bytes

/// Single entries.
extension OplogReader {
    /// The majority-committed entry at `time`, nil when the oplog has none.
    ///
    /// - Parameter fields: those that are wanted; all when empty.
    public func entry(at time: Timestamp, fields: [String] = []) throws -> BSONDocument? {
        try one(filter: ["ts": .timestamp(time)], order: nil, fields: fields)
    }

    /// The op time of the first majority-committed entry after `time`, nil when there is none yet.
    public func first(after time: Timestamp) throws -> OpTime? {
        try one(filter: ["ts": ["$gt": .timestamp(time)]], order: nil, fields: ["ts", "t"]).map {
            try OplogBatch.time(of: $0.bytes.rawSpan)
        }
    }

    /// The node that is read from: `host:port`.
    public var host: String { client.host }

    /// The op time of the entry at `time`, nil when the oplog has none: for snapshots that recorded no term.
    public func opTime(at time: Timestamp) throws -> OpTime? {
        try entry(at: time, fields: ["ts", "t"]).map { try OplogBatch.time(of: $0.bytes.rawSpan) }
    }

    /// The oldest entry and the newest that the majority has.
    ///
    /// - Throws: `.server` for an empty oplog, and as every read.
    public func bounds() throws -> (oldest: OpTime, newest: OpTime) {
        guard let oldest = try one(filter: [:], order: 1, fields: ["ts", "t"]),
            let newest = try one(filter: [:], order: -1, fields: ["ts", "t"])
        else {
            throw CairnError(.server, "the oplog of \(client.host) is empty.", object: OplogReader.namespace)
        }
        return (try OplogBatch.time(of: oldest.bytes.rawSpan), try OplogBatch.time(of: newest.bytes.rawSpan))
    }

    private func one(filter: BSONDocument, order: Int?, fields: [String]) throws -> BSONDocument? {
        let find = BSONDocument { find in
            find.append("find", "oplog.rs")
            find.append("filter", .document(filter))
            if let order { find.append("sort", ["$natural": BSONValue(order)]) }
            if !fields.isEmpty { find.append("projection", .document(BSONDocument(fields.map { ($0, 1) }))) }
            find.append("limit", 1)
            find.append("singleBatch", true)
            find.append("readConcern", ReadConcern.majority)
        }
        return try unlessTruncated {
            try MongoClient.retrying {
                var found: BSONDocument?
                try client.forEachDocument(of: find, db: "local", namespace: OplogReader.namespace) {
                    found = try BSONDocument(copying: $0.bytes)
                }
                return found
            }
        }
    }

    /// Asks again when the entry that a query stood at was removed meanwhile: the end of a small oplog never rests.
    private func unlessTruncated<Result>(_ body: () throws -> Result) throws -> Result {
        for _ in 0..<OplogReader.truncationsMax {
            do { return try body() } catch let error as CairnError
                where (error.underlying as? ServerError)?.code == OplogReader.capped
            {}
        }
        return try body()
    }

    private static let truncationsMax = 20
}
