public import BSON
internal import Bytes
internal import Glibc

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
    private let header: [UInt8]
    private let command: Buffer
    /// Where each document of the batch begins in `command`.
    private var starts: [Int] = []
    private var batchBytes = 0
    /// Which documents of the batch the server will change, in ascending order.
    private var replaced: [Int] = []
    private var flushedDocuments = 0
    private let reply = Reply()
    /// The insert command puts the time of day in the place of a top-level `Timestamp(0, 0)`.
    private let replacesEmptyTimestamps: Bool

    /// An inserter for one collection (`system.buckets.X` for a time series).
    ///
    /// - Throws: what the first question to the server throws.
    public init(client: MongoClient, namespace: Namespace, options: Options = Options()) throws {
        self.client = client
        self.namespace = namespace
        self.options = options
        let keepsEmptyTimestamps = try client.knowsBypassEmptyTsReplacement()
        replacesEmptyTimestamps = !keepsEmptyTimestamps
        let head = BSONDocument { head in
            head.append("insert", .string(namespace.collection))
            head.append("ordered", .bool(options.isOrdered))
            head.append("bypassDocumentValidation", true)
            if keepsEmptyTimestamps { head.append("bypassEmptyTsReplacement", true) }
            if let concern = options.writeConcern { head.append("writeConcern", .document(concern)) }
        }
        header = head.bytes.dropLast() + [BSONType.array.rawValue] + Array("documents".utf8) + [0, 0, 0, 0, 0]
        command = Buffer(capacity: options.batchBytes + (256 << 10))
        startBatch()
    }

    /// Takes a run of whole documents; sends full batches.
    ///
    /// - Throws: what commands throw after `MongoClient.triesMax` tries. Documents that the server refuses are in
    ///   `failures`.
    public func insert(documents: RawSpan) throws {
        var walk = DocumentBatch.Chunk(documents)
        while let document = try walk.next() { try insert(document) }
    }

    /// Takes one document; sends full batches.
    public func insert(_ document: RawSpan) throws {
        let count = document.byteCount
        if !starts.isEmpty, batchBytes + count > options.batchBytes || starts.count == options.batchDocuments {
            try flush()
        }
        command.append(littleEndian: BSONType.document.rawValue)
        appendKey(starts.count)
        if replacesEmptyTimestamps, try BulkInserter.hasEmptyTimestamp(document) { replaced.append(starts.count) }
        starts.append(command.count)
        command.append(document)
        batchBytes += count
    }

    /// Sends what is still in memory.
    public func flush() throws {
        guard !starts.isEmpty else { return }
        let documents = starts.count
        command.append(littleEndian: UInt8(0))
        setLength(at: header.count - 4, until: command.count)
        command.append(littleEndian: UInt8(0))
        setLength(at: 0, until: command.count)
        try send()
        flushedDocuments += documents
        startBatch()
    }

    private func startBatch() {
        command.removeAll()
        command.append(header)
        starts.removeAll(keepingCapacity: true)
        replaced.removeAll(keepingCapacity: true)
        batchBytes = 0
    }

    private func setLength(at offset: Int, until end: Int) {
        let length = UInt32(end - offset)
        let bytes: [UInt8] = (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(8 * $0)) }
        command.overwrite(at: offset, with: bytes.rawSpan)
    }

    /// Array keys are decimal numbers; the digits and the zero go out as one integer.
    private func appendKey(_ index: Int) {
        var digits: UInt64 = 0
        var rest = index
        var count = 1
        repeat {
            digits = digits << 8 | UInt64(48 + rest % 10)
            rest /= 10
            count += 1
        } while rest > 0
        switch count {
        case 2: command.append(littleEndian: UInt16(digits))
        case 3, 4:
            command.append(littleEndian: UInt32(digits))
            command.truncate(to: command.count - (4 - count))
        default:
            command.append(littleEndian: digits)
            command.truncate(to: command.count - (8 - count))
        }
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
        let message = command
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
            failedBytes += documentCount(at: error.index)
            try record(error)
        }
        insertedDocuments += starts.count - failed
        insertedBytes += batchBytes - failedBytes
        let refusedIndexes = Set(refused.map(\.index))
        for index in replaced where !refusedIndexes.contains(index) { try restoreTimestamps(index) }
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
            guard let index = try view.integer("index"), starts.indices.contains(index) else {
                throw CairnError(
                    .server, "the server's reply names a document that was not sent.", object: namespace.description)
            }
            let error = WriteError(
                index: index, code: try view.integer("code") ?? 0, message: try view.string("errmsg") ?? "")
            errors.append(error)
        }
        if options.isOrdered, let first = errors.first {
            // Nothing behind the failed document was tried.
            errors += ((first.index + 1)..<starts.count).map {
                WriteError(index: $0, code: first.code, message: "not tried, because an earlier document failed")
            }
        }
        return errors
    }

    private func record(_ error: WriteError) throws {
        failureCount += 1
        guard failures.count < BulkInserter.failuresMax else { return }
        // Not from `DocumentIdentity`: a span of a temporary in a throwing expression crashes the 6.3 compiler.
        let id = try document(at: error.index)["_id"]
        failures.append(
            Failure(
                index: flushedDocuments + error.index, id: id.map { ["_id": $0] } ?? [:], code: error.code,
                message: error.message))
    }

    private func documentCount(at index: Int) -> Int {
        let message = command
        return Int(message.bytes.integer(at: starts[index], as: Int32.self))
    }

    private func document(at index: Int) throws -> BSONDocument {
        let start = starts[index]
        let message = command
        return try BSONDocument(copying: message.bytes.extracting(start..<(start + documentCount(at: index))))
    }

    /// Whether the target holds exactly this document.
    private func isPresent(_ index: Int) throws -> Bool {
        let document = try document(at: index)
        guard let id = document["_id"] else { return false }
        return try client.document(id: id, in: namespace) == document
    }
}

/// Documents that the insert command of servers without `bypassEmptyTsReplacement` changes.
extension BulkInserter {
    /// Whether a top-level field is `Timestamp(0, 0)`. (One inside `_id` or deeper is kept by the server.)
    static func hasEmptyTimestamp(_ document: RawSpan) throws -> Bool {
        var elements = try DocumentView(document).makeElements()
        while let element = try elements.next() {
            if element.type == .timestamp, element.timestamp?.rawValue == 0 { return true }
        }
        return false
    }

    /// Puts the document in place as it is: an update by pipeline does not touch timestamps. (`applyOps` does, and a
    /// replacement too.)
    ///
    /// The update needs a privilege that the built-in role `restore` lacks; without it the document is reported as
    /// failed.
    private func restoreTimestamps(_ index: Int) throws {
        let document = try document(at: index)
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
    /// Whether `insert` takes `bypassEmptyTsReplacement`. Asked with an insert of nothing: a server that knows the
    /// field complains about the empty batch (or allows it), one that does not about the field.
    func knowsBypassEmptyTsReplacement() throws -> Bool {
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
