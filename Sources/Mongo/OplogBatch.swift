internal import BSON
internal import Bytes

/// Where in a reply the oplog entries are, and which they are.
struct OplogBatch {
    /// 0 when the cursor is exhausted.
    let cursorID: Int64
    /// The array of entries, as offsets in the reply.
    let entries: Range<Int>
    let count: Int
    /// The first entry, and where it ends in the array; nil in an empty batch.
    let first: (time: OpTime, end: Int)?
    let last: OpTime?

    /// - Parameter isFirst: the reply is that of `find`, not of `getMore`.
    init(_ reply: DocumentView, isFirst: Bool) throws {
        guard let answer = try reply.first(named: "cursor")?.document,
            let batch = try answer.first(named: isFirst ? "firstBatch" : "nextBatch"),
            let entries = reply.bytes.byteOffsets(of: batch.value)
        else { throw CairnError(.server, "the server's reply has no cursor.", object: OplogReader.namespace) }
        cursorID = Int64(try answer.integer("id") ?? 0)
        self.entries = entries
        var walk = try DocumentBatch.Array(batch.value)
        var first: (OpTime, Int)?
        var last = 0..<0
        var count = 0
        while let entry = try walk.next() {
            last = batch.value.byteOffsets(of: entry) ?? last
            if count == 0 { first = (try OplogBatch.time(of: entry), last.upperBound) }
            count += 1
        }
        self.count = count
        self.first = first
        self.last = count == 0 ? nil : try OplogBatch.time(of: batch.value.extracting(last))
    }

    /// The op time of one entry. Entries without a term are from before elections had one; they count as -1.
    static func time(of entry: RawSpan) throws -> OpTime {
        let view = try DocumentView(entry)
        guard let time = try view.timestamp("ts") else {
            throw CairnError(.server, "an oplog entry has no ts.", object: OplogReader.namespace)
        }
        return OpTime(timestamp: time, term: Int64(try view.integer("t") ?? -1))
    }
}
