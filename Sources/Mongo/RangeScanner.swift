public import BSON
internal import Bytes
internal import Glibc

/// Reads ranges of collections, one at a time, in whole reply batches of about `replyBytes`.
///
/// One scanner belongs to one reader thread and its client. The batch handed out is the reply itself: the caller walks
/// it with `DocumentBatch.Array` and copies each document once, into its chunk.
///
///     try scanner.scan(range, at: time) { batch in
///         var documents = try DocumentBatch.Array(batch)
///         while let document = try documents.next() { … DocumentIdentity.idBytes(of: document) … }
///     }
///
/// A transient failure (network, election, killed cursor) resumes the range behind the last batch handed out,
/// `MongoClient.triesMax` tries in a row, always on the same node, so every document is handed out exactly once.
public final class RangeScanner {
    /// Bytes of documents in a reply, about.
    ///
    /// Measured against a server on the same machine, 1.5 million documents: 1 MiB 0.25 s of client CPU a GB, 2 MiB
    /// 0.3, 3 MiB 0.36, 10 MiB 0.5, as replies fall out of the processor's caches; equal wall times up to 2 MiB, slower
    /// above. Across a network a larger reply hides more of the round trip.
    public static let replyBytes = 2 << 20
    let replyBytes: Int

    let client: MongoClient
    let reply = Reply()
    /// Failures that were survived by resuming, since the scanner was made.
    public private(set) var resumptions = 0
    /// The average document's bytes in the range being read; sets the next batch's size.
    var averageBytes = 1_024.0

    /// A scanner on a client of its own, with replies of about `replyBytes`.
    public init(client: MongoClient, replyBytes: Int = RangeScanner.replyBytes) {
        self.client = client
        self.replyBytes = replyBytes
    }

    /// Reads one range completely.
    ///
    /// - Parameters:
    ///   - time: the cluster time to read at; ignored where `range.readsAtClusterTime` is false.
    ///   - body: gets each batch, a BSON array value of whole documents, valid inside the call only. What it throws
    ///     ends the scan.
    /// - Throws: `.snapshotTooOld`; `.snapshotUnavailable`, also when the node was restarted (plan again at a new
    ///   time); `.cursorLost` when all tries failed: documents were handed out, so the caller starts the range again
    ///   from nothing; `.notFound` when the document at the range's start is gone at that time (plan again) or the
    ///   collection is.
    public func scan(_ range: ScanRange, at time: Timestamp?, _ body: (RawSpan) throws -> Void) throws {
        if range.averageBytes > 0 { averageBytes = Double(range.averageBytes) }
        var cursor = ScanCursor(range: range, time: range.readsAtClusterTime ? time : nil)
        if range.start != nil || range.end != nil { try MongoClient.retrying { try client.requireSameNode(as: range) } }
        while !cursor.isDone {
            try fetch(&cursor)
            let batch = try reply.withView { view in try ScanBatch(view, of: cursor) }
            cursor.id = batch.cursorID
            try deliver(batch, &cursor, body)
            adapt(to: batch, cursor)
        }
        cursor.close(client)
    }

    /// Opens the cursor or gets its next batch, resuming after transient failures.
    private func fetch(_ cursor: inout ScanCursor) throws {
        var tries = 0
        while true {
            do {
                if tries > 0 { try client.requireSameNode(as: cursor.range) }
                let command = cursor.nextCommand(batchBytes: replyBytes, averageBytes: averageBytes)
                try client.run(
                    command.bytes.rawSpan, db: cursor.range.namespace.db, namespace: cursor.range.namespace.description,
                    into: reply)
                return
            } catch let error as CairnError {
                guard let cause = error.underlying as? ServerError, cause.isTransient || cause.isCursorLost else {
                    throw cursor.explain(error)
                }
                guard tries < MongoClient.retryDelays.count else {
                    throw CairnError(
                        .cursorLost, "the range could not be resumed in \(tries + 1) tries; run the backup again.",
                        object: cursor.range.namespace.description, underlying: error)
                }
                usleep(UInt32(MongoClient.retryDelays[tries]) * 1_000)
                tries += 1
                resumptions += 1
                cursor.id = 0
            }
        }
    }

    /// Hands out the part of the batch that lies in the range and advances the cursor.
    private func deliver(_ batch: ScanBatch, _ cursor: inout ScanCursor, _ body: (RawSpan) throws -> Void) throws {
        var documents = batch.documents
        do {
            if let cut = try cursor.bounds(of: batch, in: reply, client) {
                documents = try reply.handle.trimArray(documents, to: cut)
            }
            if documents.count > 5 {
                try reply.withBytes { bytes in try body(bytes.extracting(documents)) }
            }
            try cursor.advance(behind: batch, documents, in: reply)
        } catch {
            cursor.close(client)
            throw (error as? CairnError).map(cursor.explain) ?? error
        }
    }

    private func adapt(to batch: ScanBatch, _ cursor: ScanCursor) {
        guard cursor.asked > 0 else { return }
        // A batch cut short by the server's own limit says little by its size, so its documents are counted: there are
        // few.
        let count = batch.documents.count > 2 * replyBytes ? batch.countDocuments(in: reply) : cursor.asked
        guard count > 0, !cursor.isDone || count < cursor.asked else { return }
        averageBytes = max(16, (averageBytes + Double(batch.documents.count) / Double(count)) / 2)
    }
}

/// Where in a reply the batch is, and what the server says about the cursor.
struct ScanBatch {
    /// 0 when the cursor is exhausted.
    let cursorID: Int64
    /// The array of documents, as offsets in the reply.
    let documents: Range<Int>
    /// The record id of the last document looked at; nil when the server sent none.
    let token: BSONValue?

    init(_ reply: DocumentView, of cursor: ScanCursor) throws {
        guard let answer = try reply.first(named: "cursor")?.document,
            let batch = try answer.first(named: cursor.id == 0 ? "firstBatch" : "nextBatch"),
            let documents = reply.bytes.byteOffsets(of: batch.value)
        else {
            throw CairnError(.server, "the server's reply has no cursor.", object: cursor.range.namespace.description)
        }
        cursorID = Int64(try answer.integer("id") ?? 0)
        self.documents = documents
        let token = try answer.first(named: "postBatchResumeToken")?.document?.first(named: "$recordId")
        self.token = if let token, token.type != .null { try BSONValue(token) } else { nil }
    }

    func countDocuments(in reply: Reply) -> Int {
        let count = try? reply.withBytes { bytes in
            var count = 0
            var walk = try DocumentBatch.Array(bytes.extracting(documents))
            while try walk.next() != nil { count += 1 }
            return count
        }
        return count ?? 0
    }
}
