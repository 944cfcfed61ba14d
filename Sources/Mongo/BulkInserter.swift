public import BSON
internal import Bytes
internal import Glibc
internal import Synchronization

/// Inserts raw documents into one collection, as whole `insert` commands built in memory.
///
///     inserter.insert(documents: chunk)   // any number of times
///     inserter.flush()
///
/// The command is built by hand: one copy of each document from the chunk into the message, no parsing, no
/// allocation. libmongoc's bulk API would parse each document and is several times as expensive. Unordered and
/// without validators, so that one refused document does not keep others back. One inserter belongs to one writer
/// thread and its client.
public final class BulkInserter {
    /// How to insert.
    public struct Options: Sendable {
        /// The write concern document (`{w: "majority"}`), or nil for the server's default.
        public var writeConcern: BSONDocument?
        /// Bytes of documents in a message, about; at most 16 MiB, the largest command body. A larger document goes
        /// alone.
        public var batchBytes = 1 << 20
        /// Documents in a message at most.
        public var batchDocuments = 10_000
        /// Insert in order and stop a batch at its first failure: for capped collections, whose order is data.
        public var isOrdered = false

        /// The defaults.
        public init() {}
    }

    /// A document that the server did not take.
    public struct Failure: Sendable {
        /// The document's number among those given to this inserter, from 0.
        public let index: Int
        /// The document `{_id: …}`.
        public let id: BSONDocument
        /// The server's code; 11000 is a duplicate key.
        public let code: Int
        /// The server's text.
        public let message: String
    }

    /// The target.
    public let namespace: Namespace
    /// Documents that the server has, of those given so far and flushed.
    public private(set) var insertedDocuments = 0
    /// Their raw bytes.
    public private(set) var insertedBytes = 0
    /// Documents that it refused; at most `failuresMax` are kept.
    public private(set) var failures: [Failure] = []
    /// How many it refused in all.
    public private(set) var failureCount = 0
    /// Failures kept with their reason.
    public static let failuresMax = 1_000

    private let client: MongoClient
    private let options: Options
    private var batch: InsertBatch
    private var flushedDocuments = 0
    private let reply = Reply()

    /// An inserter for one collection (`system.buckets.X` for a time series).
    ///
    /// - Throws: what the first question to the server throws.
    public init(client: MongoClient, namespace: Namespace, options: Options = Options()) throws {
        self.client = client
        self.namespace = namespace
        self.options = options
        // The insert command puts the time of day in the place of a top-level `Timestamp(0, 0)`, unless the server can
        // be told not to.
        let keepsEmptyTimestamps = try client.knowsBypassEmptyTsReplacement()
        let command = BSONDocument { command in
            command.append("insert", .string(namespace.collection))
            command.append("ordered", .bool(options.isOrdered))
            command.append("bypassDocumentValidation", true)
            if keepsEmptyTimestamps { command.append("bypassEmptyTsReplacement", true) }
            if let concern = options.writeConcern { command.append("writeConcern", .document(concern)) }
        }
        batch = InsertBatch(
            command: command, bytesMax: options.batchBytes, documentsMax: options.batchDocuments,
            marksEmptyTimestamps: !keepsEmptyTimestamps)
    }

    /// Takes a run of whole documents, one or many; sends full batches.
    ///
    /// - Throws: what commands throw after `MongoClient.triesMax` tries. Documents that the server refuses are in
    ///   `failures`.
    public func insert(documents: RawSpan) throws {
        var offset = 0
        while try batch.fill(from: documents, &offset) { try flush() }
    }

    /// Sends what is still in memory.
    public func flush() throws {
        guard !batch.isEmpty else { return }
        batch.close()
        try send()
        flushedDocuments += batch.starts.count
        batch.clear()
    }
}

/// Sending and what comes back.
extension BulkInserter {
    /// Sends the batch, again after transient failures. A batch sent twice may meet its own documents: those are
    /// compared, and a document that is there byte for byte counts as inserted.
    private func send() throws {
        for delay in MongoClient.retryDelays {
            do {
                try sendOnce(isRepeated: delay != MongoClient.retryDelays[0])
                return
            } catch {
                guard ServerError.isTransient(error) else { throw error }
            }
            usleep(UInt32(delay) * 1_000)
            // After an election the primary is another node; while there is none the next try fails and waits longer.
            _ = try? client.pool.pin(preferredHost: nil)
        }
        try sendOnce(isRepeated: true)
    }

    private func sendOnce(isRepeated: Bool) throws {
        let message = batch.message
        try client.run(message.bytes, db: namespace.db, namespace: namespace.description, into: reply)
        try settle(isRepeated: isRepeated)
    }

    private func settle(isRepeated: Bool) throws {
        let refused = try reply.withView { reply in try readErrors(reply) }
        if let unmet = try reply.withView({ try $0.owned("writeConcernError") }) {
            let cause = ServerError(writeConcernError: unmet)
            throw CairnError(
                .server, "the write concern was not met: \(cause.message).", object: namespace.description,
                underlying: cause)
        }
        var failed = 0
        var failedBytes = 0
        for error in refused {
            if isRepeated, ServerError.duplicateKey.contains(error.code), try isPresent(error.index) { continue }
            failed += 1
            failedBytes += batch.byteCount(of: error.index)
            try record(error)
        }
        insertedDocuments += batch.starts.count - failed
        insertedBytes += batch.bytes - failedBytes
        let refusedIndexes = Set(refused.map(\.index))
        for index in batch.emptyTimestamps where !refusedIndexes.contains(index) { try restoreTimestamps(index) }
    }

    private struct WriteError {
        let index: Int
        let code: Int
        let message: String
    }

    private func readErrors(_ reply: DocumentView) throws -> [WriteError] {
        guard let list = try reply.first(named: "writeErrors")?.document else { return [] }
        var errors: [WriteError] = []
        var walk = try DocumentBatch.Array(list.bytes)
        while let document = try walk.next() {
            let view = try DocumentView(document)
            guard let index = try view.integer("index"), batch.starts.indices.contains(index) else {
                throw CairnError(
                    .server, "the server's reply names a document that was not sent.", object: namespace.description)
            }
            let error = WriteError(
                index: index, code: try view.integer("code") ?? 0, message: try view.string("errmsg") ?? "")
            errors.append(error)
        }
        if options.isOrdered, let first = errors.first {
            // Nothing behind the failed document was tried.
            errors += ((first.index + 1)..<batch.starts.count).map {
                WriteError(index: $0, code: first.code, message: "not tried, because an earlier document failed")
            }
        }
        return errors
    }

    private func record(_ error: WriteError) throws {
        failureCount += 1
        guard failures.count < BulkInserter.failuresMax else { return }
        // Not from `DocumentIdentity`: a span of a temporary in a throwing expression crashes the 6.3 compiler.
        let id = try batch.document(error.index)["_id"]
        failures.append(
            Failure(
                index: flushedDocuments + error.index, id: id.map { ["_id": $0] } ?? [:], code: error.code,
                message: error.message))
    }

    /// Whether the target holds exactly this document.
    private func isPresent(_ index: Int) throws -> Bool {
        let document = try batch.document(index)
        guard let id = document["_id"] else { return false }
        return try client.document(id: id, in: namespace) == document
    }
}

/// Documents that the insert command of servers without `bypassEmptyTsReplacement` changes.
extension BulkInserter {
    /// Puts the document in place as it is: an update by pipeline does not touch timestamps. (`applyOps` does, and a
    /// replacement too.)
    ///
    /// The update needs a privilege that the built-in role `restore` lacks; without it the document is reported as
    /// failed.
    private func restoreTimestamps(_ index: Int) throws {
        let document = try batch.document(index)
        guard let id = document["_id"] else { return }
        let stage: BSONValue = ["$replaceWith": ["$literal": .document(document)]]
        let update: BSONValue = ["q": ["_id": ["$eq": id]], "u": [stage]]
        let command: BSONDocument = [
            "update": .string(namespace.collection), "updates": [update], "bypassDocumentValidation": true,
        ]
        do {
            _ = try client.read(command, db: namespace.db, namespace: namespace.description)
        } catch let error as CairnError where error.code == .privilege {
            insertedDocuments -= 1
            insertedBytes -= document.bytes.count
            let reason = "its Timestamp(0, 0) was replaced by the server; keeping it needs the role readWrite"
            try record(WriteError(index: index, code: ServerError.unauthorized, message: reason))
        }
    }
}

extension MongoClient {
    /// Whether `insert` takes `bypassEmptyTsReplacement`; asked once a deployment.
    func knowsBypassEmptyTsReplacement() throws -> Bool {
        if let known = pool.knowsEmptyTimestampBypass.withLock({ $0 }) { return known }
        let knows = try askForBypassEmptyTsReplacement()
        pool.knowsEmptyTimestampBypass.withLock { $0 = knows }
        return knows
    }

    /// By an insert of nothing: a server that knows the field complains about the empty batch, one that does not about
    /// the field.
    private func askForBypassEmptyTsReplacement() throws -> Bool {
        let probe: BSONDocument = ["insert": "cairn", "documents": [], "bypassEmptyTsReplacement": true]
        do {
            _ = try read(probe, db: "admin")
            return true
        } catch {
            let cause = ServerError(causing: error)
            guard cause?.origin == .server, !ServerError.isTransient(error) else { throw error }
            // IDLUnknownField 40415, FailedToParse 9.
            return cause?.code != 40415 && cause?.code != 9
        }
    }
}
