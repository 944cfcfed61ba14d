public import BSON
import Bytes

extension WireClient {
    /// Runs a command that answers with a cursor, and returns all documents.
    ///
    /// - Throws: `.server` when it fails, `.unreachable` when the connection ends.
    public func documents(of command: BSONDocument, db: String) throws -> [BSONDocument] {
        var found: [BSONDocument] = []
        try scan(command, db: db) { bytes in
            try DocumentBatch.forEachDocument(inChunk: bytes) { found.append(try BSONDocument(copying: $0)) }
        }
        return found
    }

    /// Runs a command that answers with a cursor, and hands each batch over as whole documents, one behind the other.
    ///
    /// - Parameter batchSize: documents a batch after the first; nil for what fits 16 MB.
    /// - Throws: `.server` when it fails, `.unreachable` when the connection ends, what `body` throws.
    public func scan(
        _ command: BSONDocument, db: String, batchSize: Int? = nil, _ body: (RawSpan) throws -> Void
    ) throws {
        let batch = Buffer(capacity: 1 << 20)
        var reply = try exchangeBytes(command, db: db)
        while true {
            let cursor = try Self.takeBatch(from: reply, command, db: db, into: batch)
            try body(batch.bytes)
            guard cursor.id != 0 else { return }
            let dot = cursor.namespace.firstIndex(of: ".").map { cursor.namespace.index(after: $0) }
            let collection = dot.map { String(cursor.namespace[$0...]) } ?? cursor.namespace
            var next: BSONDocument = ["getMore": .int64(cursor.id), "collection": .string(collection)]
            if let batchSize { next = BSONDocument(next.pairs + [("batchSize", BSONValue(batchSize))]) }
            reply = try exchangeBytes(next, db: db)
        }
    }

    private struct Cursor {
        var id: Int64 = 0
        var namespace = ""
    }

    private static func takeBatch(
        from reply: [UInt8], _ command: BSONDocument, db: String, into batch: Buffer
    ) throws -> Cursor {
        batch.removeAll()
        let view = try DocumentView(reply.rawSpan)
        guard let found = try view.first(named: "cursor"), let cursor = found.document else {
            let failure = try BSONDocument(copying: reply.rawSpan)
            throw CairnError(.server, "\(command) failed on \(db): \(failure)")
        }
        var result = Cursor()
        var elements = cursor.makeElements()
        while let element = try elements.next() {
            if element.isNamed("id") { result.id = element.integer ?? 0 }
            if element.isNamed("ns") { result.namespace = element.string ?? "" }
            if element.isNamed("firstBatch") || element.isNamed("nextBatch") {
                var documents = try DocumentBatch.Array(element.value)
                while let document = try documents.next() { batch.append(document) }
            }
        }
        return result
    }
}
