internal import BSON
internal import Bytes

/// The position of a scan inside its range, from which it can be resumed, and where the range ends.
struct ScanCursor {
    let range: ScanRange
    let time: Timestamp?
    /// The server's cursor, 0 when none is open.
    var id: Int64 = 0
    /// Documents that the command at hand asks for.
    private(set) var asked = 0
    private(set) var isDone = false
    /// Natural order: the record id that everything up to has been handed out.
    private var position: BSONValue?
    /// The position before the batch at hand.
    private var previous: BSONValue?
    /// `_id` order: the identity bytes of the last document handed out.
    private var lastID: [UInt8] = []
    /// `_id` order: the cursor was opened at `lastID`, whose document was handed out before.
    private var skipsFirst = false

    init(range: ScanRange, time: Timestamp?) {
        self.range = range
        self.time = time
        if range.order == .natural { position = range.start?.recordID }
    }

    /// `find` at the position, or `getMore`.
    mutating func nextCommand(batchBytes: Int, averageBytes: Double) -> BSONDocument {
        asked = batchCount(batchBytes, averageBytes)
        skipsFirst = id == 0 && !lastID.isEmpty
        let asked = BSONValue(self.asked)
        if id != 0 {
            return ["getMore": .int64(id), "collection": .string(range.namespace.collection), "batchSize": asked]
        }
        return BSONDocument { command in
            command.append("find", range.collection)
            switch range.order {
            case .natural: appendNatural(to: &command)
            case .id: appendByID(to: &command)
            }
            command.append("batchSize", asked)
            if let concern = readConcern { command.append("readConcern", concern) }
        }
    }

    private var readConcern: BSONValue? {
        ReadConcern.snapshot(at: time) ?? (range.isCapped ? ReadConcern.majority : nil)
    }

    private func appendNatural(to command: inout DocumentBuilder) {
        command.append("hint", ["$natural": 1])
        command.append("$_requestResumeToken", true)
        if let position { command.append("$_resumeAfter", ["$recordId": position]) }
    }

    private func appendByID(to command: inout DocumentBuilder) {
        command.append("hint", ["_id": 1])
        if !lastID.isEmpty {
            command.appendDocument("min") { $0.append(elementBytes: lastID.rawSpan) }
        } else if let start = range.start {
            command.append("min", ["_id": start.id])
        }
        if let end = range.end { command.append("max", ["_id": end.id]) }
    }

    /// As many documents as fill a reply, but not more than can lie before the end: record ids in between bound that
    /// number, so that at most a few documents behind the end are read for nothing.
    private func batchCount(_ batchBytes: Int, _ averageBytes: Double) -> Int {
        let wanted = max(1, min(1_000_000, Int(Double(batchBytes) / averageBytes)))
        guard range.order == .natural, case .int64(let end)? = range.end?.recordID else { return wanted }
        guard case .int64(let here) = position ?? .int64(0), end > here else { return wanted }
        return min(wanted, Int(clamping: end - here))
    }

    /// Gives the server's cursor back.
    mutating func close(_ client: MongoClient) {
        guard id != 0 else { return }
        let command: BSONDocument = ["killCursors": .string(range.namespace.collection), "cursors": [.int64(id)]]
        // Best effort: the server drops idle cursors itself.
        _ = try? client.run(command, db: range.namespace.db)
        id = 0
    }

    /// Adds the remedy to errors that have one in a scan.
    func explain(_ error: CairnError) -> CairnError {
        guard let cause = error.underlying as? ServerError, cause.origin == .server else { return error }
        if error.code == .notFound, range.uuid != nil {
            return CairnError(
                .snapshotUnavailable, "the collection was dropped before it was read; read again at a newer time.",
                object: range.namespace.description, underlying: cause)
        }
        guard
            cause.message.contains("resume") && cause.message.contains("no longer exists")
        else { return error }
        return CairnError(
            .notFound, "the document at the start of a range is gone at the read time; plan the collection again.",
            object: range.namespace.description, underlying: cause)
    }
}

/// Which part of a batch belongs to the range.
extension ScanCursor {
    /// Offsets, inside the array, of the first element to keep and of the end of the last; nil when all of it belongs.
    mutating func bounds(of batch: ScanBatch, in reply: Reply, _ client: MongoClient) throws -> Range<Int>? {
        let whole = batch.documents.count
        if skipsFirst, let keep = try firstDocumentEnd(batch, in: reply) { return keep..<(whole - 1) }
        guard range.order == .natural, let end = range.end else { return nil }
        if let token = batch.token, RecordID.precedes(token, end.recordID) { return nil }
        if batch.token == end.recordID { return nil }
        if let cut = try endOfDocument(end.id, batch, in: reply) { return 4..<cut }
        if batch.token == nil { return nil }
        return 4..<(try endByRecordID(end.recordID, batch, in: reply, client))
    }

    /// After a resume in `_id` order the first document is the last one handed out, if it still exists: then the
    /// offset behind it.
    private func firstDocumentEnd(_ batch: ScanBatch, in reply: Reply) throws -> Int? {
        try walk(batch, in: reply) { identity, _ in spansEqual(identity, lastID.rawSpan) ? .take : .none }
    }

    /// The offset behind the document with that `_id`, nil when it is not in the batch.
    private func endOfDocument(_ id: BSONValue, _ batch: ScanBatch, in reply: Reply) throws -> Int? {
        let document = BSONDocument([("_id", id)])
        let wanted = Array(document.bytes[4..<(document.bytes.count - 1)])
        return try walk(batch, in: reply) { identity, _ in spansEqual(identity, wanted.rawSpan) ? .take : .next }
    }

    private enum Step { case next, take, none }

    /// The end offset, in the array, of the document that `choose` takes.
    private func walk(
        _ batch: ScanBatch, in reply: Reply, _ choose: (RawSpan, Int) -> Step
    ) throws -> Int? {
        try reply.withBytes { bytes in
            let array = bytes.extracting(batch.documents)
            var documents = try DocumentBatch.Array(array)
            var index = 0
            while let document = try documents.next() {
                switch choose(try DocumentIdentity.idBytes(of: document), index) {
                case .next: index += 1
                case .take: return array.byteOffsets(of: document)?.upperBound
                case .none: return nil
                }
            }
            return nil
        }
    }

    /// The end document was deleted before the read time: the batch is read again with record ids, to count the
    /// documents up to the end.
    private func endByRecordID(
        _ end: BSONValue, _ batch: ScanBatch, in reply: Reply, _ client: MongoClient
    ) throws -> Int {
        let total = batch.countDocuments(in: reply)
        let command = BSONDocument { command in
            command.append("find", range.collection)
            appendNatural(to: &command)
            command.append("showRecordId", true)
            command.append("projection", ["_id": 1])
            command.append("batchSize", BSONValue(total))
            command.append("singleBatch", true)
            if let concern = readConcern { command.append("readConcern", concern) }
        }
        var inside = 0
        try client.forEachDocument(of: command, db: range.namespace.db, namespace: range.namespace.description) {
            if let record = try $0.first(named: "$recordId"), !RecordID.precedes(end, try BSONValue(record)) {
                inside += 1
            }
        }
        if inside == 0 { return 4 }
        let cut = try walk(batch, in: reply) { _, index in index == inside - 1 ? .take : .next }
        guard let cut else {
            throw CairnError(
                .cursorLost, "a batch read twice at the same time differs; run the backup again.",
                object: range.namespace.description)
        }
        return cut
    }

    /// Moves the position behind a batch that was handed out.
    ///
    /// - Parameter documents: what of it was handed out, as offsets in the reply.
    mutating func advance(behind batch: ScanBatch, _ documents: Range<Int>, in reply: Reply) throws {
        switch range.order {
        case .natural:
            if let token = batch.token {
                position = token
                if let end = range.end?.recordID, !RecordID.precedes(token, end) { isDone = true }
            }
        case .id:
            try reply.withBytes { bytes in
                var walk = try DocumentBatch.Array(bytes.extracting(documents))
                var last = 0..<0
                while let document = try walk.next() { last = bytes.byteOffsets(of: document) ?? last }
                if !last.isEmpty { lastID = [UInt8](try DocumentIdentity.idBytes(of: bytes.extracting(last))) }
            }
        }
        if id == 0 { isDone = true }
    }
}
