public import BSON
internal import Bytes

extension ScanPlan {
    /// `range` as it can be read at a time when the document at its start is gone: it starts at the last document
    /// before, whose record id a scan can go on behind.
    ///
    /// The server is asked for the record ids of the range before, or of those before that when their starts are gone
    /// too.
    ///
    /// - Throws: as every read.
    public func relocated(_ range: ScanRange, at time: Timestamp?, _ client: MongoClient) throws -> ScanRange {
        guard range.order == .natural, let start = range.start else { return range }
        var index = range.index - 1
        while true {
            let anchor = index >= 0 ? ranges[index].start : nil
            do {
                let last = try RecordWalk(range: range, time: time, client: client)
                    .last(behind: anchor, upTo: start.recordID)
                return range.starting(at: last)
            } catch let error as CairnError where error.code == .notFound && anchor != nil {
                index -= 1
            }
        }
    }
}

/// A walk over record ids without documents.
private struct RecordWalk {
    let range: ScanRange
    let time: Timestamp?
    let client: MongoClient

    /// The last document behind `anchor` whose record id is not behind `end`; the anchor when there is none.
    func last(behind anchor: ScanRange.Bound?, upTo end: BSONValue) throws -> ScanRange.Bound? {
        var cursor = ScanCursor(range: range, time: time)
        defer { cursor.close(client) }
        var command = BSONDocument { find in
            find.append("find", range.collection)
            find.append("hint", ["$natural": 1])
            find.append("$_requestResumeToken", true)
            if let anchor { find.append("$_resumeAfter", ["$recordId": anchor.recordID]) }
            find.append("showRecordId", true)
            find.append("projection", ["_id": 1])
            find.append("batchSize", 10_000)
            if let concern = ReadConcern.snapshot(at: time) { find.append("readConcern", concern) }
        }
        var last = anchor
        var isFirst = true
        while true {
            let reply: Reply
            do {
                reply = try client.run(command, db: range.namespace.db, namespace: range.namespace.description)
            } catch let error as CairnError { throw cursor.explain(error) }
            let ended = try reply.withView { view in try take(view, isFirst, end, &cursor, &last) }
            if ended || cursor.id == 0 { return last }
            isFirst = false
            command = ["getMore": .int64(cursor.id), "collection": .string(range.namespace.collection)]
        }
    }

    private func take(
        _ view: DocumentView, _ isFirst: Bool, _ end: BSONValue, _ cursor: inout ScanCursor,
        _ last: inout ScanRange.Bound?
    ) throws -> Bool {
        guard let answer = try view.first(named: "cursor")?.document,
            let batch = try answer.first(named: isFirst ? "firstBatch" : "nextBatch")?.document
        else { throw CairnError(.server, "the server's reply has no cursor.", object: range.namespace.description) }
        cursor.id = Int64(try answer.integer("id") ?? 0)
        var documents = try DocumentBatch.Array(batch.bytes)
        while let bytes = try documents.next() {
            let document = try DocumentView(bytes)
            guard let record = try document.first(named: "$recordId"), let id = try document.first(named: "_id")
            else { continue }
            let recordID = try BSONValue(record)
            if RecordID.precedes(end, recordID) { return true }
            last = ScanRange.Bound(id: try BSONValue(id), recordID: recordID)
        }
        return false
    }
}

extension ScanRange {
    fileprivate func starting(at bound: Bound?) -> ScanRange {
        ScanRange(
            namespace: namespace, uuid: uuid, order: order, readsAtClusterTime: readsAtClusterTime,
            isCapped: isCapped, index: index, start: bound, end: end, averageBytes: averageBytes, node: node)
    }
}
