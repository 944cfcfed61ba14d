public import BSON
internal import Bytes
internal import Glibc

/// Puts documents in place and removes them by `_id`, in collections that exist, and reads them before.
///
/// Everything it does may be done twice, so it is repeated after network errors and elections. One writer belongs to
/// one thread and its client.
public final class DocumentWriter {
    /// Bytes of documents in one command, about. A command body may have 16 MiB and a little.
    public static let commandBytesMax = 4 << 20
    /// Documents in one command at most.
    public static let commandDocumentsMax = 1_000

    private let client: MongoClient
    private let writeConcern: BSONDocument?
    private let keepsEmptyTimestamps: Bool
    private let reply = Reply()

    /// - Parameter writeConcern: `{w: …}`, or nil for the server's default.
    public init(client: MongoClient, writeConcern: BSONDocument?) throws {
        self.client = client
        self.writeConcern = writeConcern
        keepsEmptyTimestamps = try client.knowsBypassEmptyTsReplacement()
    }

    /// One document as it shall be.
    public struct Put: Sendable {
        /// The identity bytes of `DocumentIdentity`.
        public let identity: [UInt8]
        /// The document.
        public let document: [UInt8]

        /// A document under its identity.
        public init(identity: [UInt8], document: [UInt8]) {
            self.identity = identity
            self.document = document
        }
    }

    /// Reads the documents of those `_id`s that exist. The server compares numbers by value, so documents of other
    /// identity bytes may be among them.
    public func read(_ identities: [[UInt8]], in namespace: Namespace, _ body: (RawSpan) throws -> Void) throws {
        var rest = identities[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.commandDocumentsMax)
            rest = rest.dropFirst(part.count)
            let find = BSONDocument { find in
                find.append("find", .string(namespace.collection))
                find.openDocument("filter")
                find.openDocument("_id")
                find.openArray("$in")
                for (index, identity) in part.enumerated() { Self.append(String(index), identity, to: &find) }
                for _ in 0..<3 { find.close() }
                find.append("batchSize", BSONValue(part.count))
            }
            var found: [[UInt8]] = []
            try client.repeatingOverElections {
                found = []
                try client.forEachDocument(of: find, db: namespace.db, namespace: namespace.description) {
                    found.append([UInt8]($0.bytes))
                }
            }
            for document in found { try body(document.rawSpan) }
        }
    }

    /// Replaces the documents of those `_id`s, or inserts them.
    ///
    /// - Parameter ordered: one after the other, as the order of a capped collection needs.
    /// - Throws: `.server` naming the first document that the server refuses; what commands throw.
    public func put(_ puts: [Put], in namespace: Namespace, ordered: Bool = false) throws {
        for part in Self.parts(puts, bytes: \.document.count) {
            var plain: [Put] = []
            for put in part {
                guard try isOdd(put.document) else {
                    plain.append(put)
                    continue
                }
                if ordered {
                    try update(plain, namespace, ordered: true)
                    plain = []
                }
                try putOdd(put, namespace)
            }
            try update(plain, namespace, ordered: ordered)
        }
    }

    /// Removes the documents of those `_id`s; one that does not exist is fine.
    public func remove(_ identities: [[UInt8]], in namespace: Namespace) throws {
        for part in Self.parts(identities, bytes: \.count) {
            let command = command("delete", "deletes", namespace, ordered: false) { command in
                for (index, identity) in part.enumerated() {
                    command.openDocument(String(index))
                    Self.appendQuery(identity, to: &command)
                    command.append("limit", 1)
                    command.close()
                }
            }
            if let first = try run(command, namespace).first {
                throw refused(first.message, part[first.index], namespace)
            }
        }
    }

    private func update(_ puts: [Put], _ namespace: Namespace, ordered: Bool) throws {
        guard !puts.isEmpty else { return }
        let command = command("update", "updates", namespace, ordered: ordered) { command in
            for (index, put) in puts.enumerated() {
                command.openDocument(String(index))
                Self.appendQuery(put.identity, to: &command)
                command.append("u", document: put.document.rawSpan)
                command.append("upsert", true)
                command.close()
            }
        }
        let refused = try run(command, namespace)
        for refusal in refused {
            let put = puts[refusal.index]
            guard refusal.code == Self.immutableField else {
                throw self.refused(refusal.message, put.identity, namespace)
            }
            try replace(put, namespace)
        }
        // Behind the first refusal nothing was tried.
        if ordered, let first = refused.first {
            try update(Array(puts[(first.index + 1)...]), namespace, ordered: true)
        }
    }
}

/// Documents that a replacement would change or refuse.
extension DocumentWriter {
    /// Names that begin with `$` at the top look like operators, and a top-level `Timestamp(0, 0)` is replaced by the
    /// time of day where the server cannot be told not to.
    private func isOdd(_ document: [UInt8]) throws -> Bool {
        var elements = try DocumentView(document.rawSpan).makeElements()
        while let element = try elements.next() {
            if element.name.byteCount > 0, element.name.byte(at: 0) == UInt8(ascii: "$") { return true }
            if element.timestamp?.rawValue == 0, !keepsEmptyTimestamps { return true }
        }
        return false
    }

    /// By a pipeline, which takes any names and leaves timestamps alone.
    private func putOdd(_ put: Put, _ namespace: Namespace) throws {
        let command = command("update", "updates", namespace, ordered: true) { command in
            command.openDocument("0")
            Self.appendQuery(put.identity, to: &command)
            command.openArray("u")
            command.openDocument("0")
            command.openDocument("$replaceWith")
            command.append("$literal", document: put.document.rawSpan)
            command.close()
            command.close()
            command.close()
            command.append("upsert", true)
            command.close()
        }
        guard let refusal = try run(command, namespace).first else { return }
        guard refusal.code == Self.immutableField else { throw refused(refusal.message, put.identity, namespace) }
        try replace(put, namespace)
    }

    /// The server holds some `_id`s of old types (DBPointer) for altered when it inserts what an update finds nothing
    /// for.
    private static let immutableField = 66

    /// Removes and inserts: the long way round.
    private func replace(_ put: Put, _ namespace: Namespace) throws {
        try remove([put.identity], in: namespace)
        var options = BulkInserter.Options()
        options.writeConcern = writeConcern
        let inserter = try BulkInserter(client: client, namespace: namespace, options: options)
        try inserter.insert(documents: put.document.rawSpan)
        try inserter.flush()
        if let failure = inserter.failures.first { throw refused(failure.message, put.identity, namespace) }
    }

    private func refused(_ message: String, _ identity: [UInt8], _ namespace: Namespace) -> CairnError {
        let id = (try? DocumentIdentity.document(of: identity.rawSpan)).map { "\($0)" } ?? "?"
        return CairnError(
            .server, "the server refused the document \(id): \(message)", object: namespace.description)
    }
}

/// Commands.
extension DocumentWriter {
    private func command(
        _ name: String, _ list: String, _ namespace: Namespace, ordered: Bool,
        _ body: (inout DocumentBuilder) -> Void
    ) -> BSONDocument {
        BSONDocument { command in
            command.append(name, .string(namespace.collection))
            command.append("ordered", .bool(ordered))
            if name == "update" {
                command.append("bypassDocumentValidation", true)
                if keepsEmptyTimestamps { command.append("bypassEmptyTsReplacement", true) }
            }
            command.append("writeConcern", ifPresent: writeConcern.map(BSONValue.document))
            command.openArray(list)
            body(&command)
            command.close()
        }
    }

    /// `{q: {_id: {$eq: value}}`: `$eq`, for a document as `_id` could look like operators.
    private static func appendQuery(_ identity: [UInt8], to command: inout DocumentBuilder) {
        command.openDocument("q")
        command.openDocument("_id")
        append("$eq", identity, to: &command)
        command.close()
        command.close()
    }

    private static func append(_ name: String, _ identity: [UInt8], to command: inout DocumentBuilder) {
        let bytes = identity.rawSpan
        guard let type = BSONType(rawValue: bytes.byte(at: 0)) else {
            preconditionFailure("identity bytes have a type")
        }
        command.append(name, type: type, rawValue: bytes.extracting(5..<bytes.byteCount))
    }

    private static func parts<Item>(_ items: [Item], bytes: (Item) -> Int) -> [[Item]] {
        var parts: [[Item]] = []
        var start = 0
        var size = 0
        for (index, item) in items.enumerated() {
            let own = bytes(item) + 64
            if index > start, size + own > commandBytesMax || index - start == commandDocumentsMax {
                parts.append(Array(items[start..<index]))
                start = index
                size = 0
            }
            size += own
        }
        if start < items.count { parts.append(Array(items[start...])) }
        return parts
    }

    private struct Refusal {
        let index: Int
        let code: Int
        let message: String
    }

    /// - Returns: what the server refused, in the order of the command.
    private func run(_ command: BSONDocument, _ namespace: Namespace) throws -> [Refusal] {
        try client.repeatingOverElections {
            try client.run(command.bytes.rawSpan, db: namespace.db, namespace: namespace.description, into: reply)
        }
        return try reply.withView { reply in
            if let error = try reply.owned("writeConcernError") {
                throw ServerError(writeConcernError: error).asCairnError(
                    place: client.host, namespace: namespace.description, access: client.pool.access)
            }
            var refused: [Refusal] = []
            guard let errors = try reply.first(named: "writeErrors")?.document else { return [] }
            var walk = try DocumentBatch.Array(errors.bytes)
            while let error = try walk.next() {
                let view = try DocumentView(error)
                refused.append(
                    Refusal(
                        index: try view.integer("index") ?? 0, code: try view.integer("code") ?? 0,
                        message: try view.string("errmsg") ?? "unknown reason"))
            }
            return refused
        }
    }
}
