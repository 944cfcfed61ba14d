public import BSON
internal import Bytes

/// Single entries.
extension OplogReader {
    /// The majority-committed entry at `time`, nil when the oplog has none.
    public func entry(at time: Timestamp) throws -> BSONDocument? {
        try one(filter: ["ts": .timestamp(time)], order: nil)
    }

    /// The op time of the entry at `time`, nil when the oplog has none: for snapshots that recorded no term.
    public func opTime(at time: Timestamp) throws -> OpTime? {
        try entry(at: time).map { try OplogBatch.time(of: $0.bytes.rawSpan) }
    }

    /// The oldest entry and the newest that the majority has.
    ///
    /// - Throws: `.server` for an empty oplog, and as every read.
    public func bounds() throws -> (oldest: OpTime, newest: OpTime) {
        guard let oldest = try one(filter: [:], order: 1), let newest = try one(filter: [:], order: -1) else {
            throw CairnError(.server, "the oplog of \(client.host) is empty.", object: OplogReader.namespace)
        }
        return (try OplogBatch.time(of: oldest.bytes.rawSpan), try OplogBatch.time(of: newest.bytes.rawSpan))
    }

    private func one(filter: BSONDocument, order: Int?) throws -> BSONDocument? {
        let find = BSONDocument { find in
            find.append("find", "oplog.rs")
            find.append("filter", .document(filter))
            if let order {
                find.append("sort", ["$natural": BSONValue(order)])
                find.append("projection", ["ts": 1, "t": 1])
            }
            find.append("limit", 1)
            find.append("singleBatch", true)
            find.append("readConcern", ReadConcern.majority)
        }
        return try MongoClient.retrying {
            var found: BSONDocument?
            try client.forEachDocument(of: find, db: "local", namespace: OplogReader.namespace) {
                found = try BSONDocument(copying: $0.bytes)
            }
            return found
        }
    }
}
