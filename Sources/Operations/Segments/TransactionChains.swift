internal import BSON
internal import Bytes
internal import Mongo

/// Follows transactions of several oplog entries through one segment, to know which of those that it commits began
/// before it.
///
/// Each entry of such a transaction points back to the one before it (`prevOpTime`), the first to none. Memory: one
/// op time for each transaction that is open.
struct TransactionChains {
    /// By the time of an open transaction's newest entry: the newest entry that it has before the segment; nil when
    /// it has none.
    private var open: [Timestamp: OpTime?] = [:]
    /// The newest entries before the segment of the transactions that it commits.
    private var committed: [OpTime] = []

    /// Follows one entry of the segment, the one that it begins with included.
    mutating func note(_ entry: RecordedEntry) {
        switch entry.part {
        case .none: break
        case .open(let before): open[entry.time.timestamp] = .some(outside(before))
        case .commit(let before): if let outside = outside(before) { committed.append(outside) }
        case .abort(let before): _ = outside(before)
        }
    }

    /// The newest entry before the segment of the transaction whose newest entry so far is `before`.
    private mutating func outside(_ before: OpTime?) -> OpTime? {
        guard let before else { return nil }
        if let known = open.removeValue(forKey: before.timestamp) { return known }
        return before
    }

    /// All entries before the segment of the transactions that it commits, in order.
    ///
    /// - Throws: `.oplogGap` when one is not in the oplog any more; what the server throws.
    func heads(_ reader: OplogReader) throws -> [OpTime] {
        var found: Set<OpTime> = []
        for last in committed {
            var next: OpTime? = last
            while let place = next {
                guard let entry = try reader.entry(at: place.timestamp, fields: ["ts", "t", "prevOpTime"]),
                    try entry.require("t", as: Int64.self, in: "entry") == place.term
                else { throw TransactionChains.gone(place) }
                found.insert(place)
                next = try entry.optional("prevOpTime", as: BSONDocument.self, in: "entry").flatMap {
                    try RecordedEntry.opTime(DocumentView($0.bytes.rawSpan))
                }
                // Pointers lead to the past; one that does not would be followed for ever.
                if let next, next.timestamp >= place.timestamp { throw TransactionChains.gone(next) }
            }
        }
        return found.sorted()
    }

    static func gone(_ place: OpTime) -> CairnError {
        CairnError(
            .oplogGap,
            "an entry at \(place.timestamp) that a committed transaction needs is not in the oplog any more.",
            object: "local.oplog.rs")
    }
}
