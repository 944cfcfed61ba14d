public import BSON
internal import Bytes

/// Reads documents by their `_id`s at one cluster time, many at once.
///
/// What comes back is a superset by the server's notion of equality: `{$in: [1]}` also finds `1.0`, and a collection
/// with its own collation finds other spellings. The caller keeps the documents whose identity bytes it asked for; one
/// that differs has not the `_id` that was asked for, whose document is then gone.
///
/// One reader belongs to one thread and its client.
public final class IdentityReader {
    /// The `_id`s that are asked for together.
    public struct Request: Sendable {
        /// Elements of an array, one behind the other. All are named "0": nobody looks at the names in an array.
        private var elements: [UInt8] = []
        private var starts: [Int] = []

        /// `_id`s in it.
        public var count: Int { starts.count }
        /// Bytes of the elements.
        public var byteCount: Int { elements.count }

        /// An empty request.
        public init() {}

        /// Asks for one document.
        ///
        /// - Parameter identity: as `DocumentIdentity.idBytes` gives it.
        /// - Throws: `.corrupt` when it is no identity.
        public mutating func append(_ identity: RawSpan) throws {
            let element = try DocumentIdentity.element(of: identity)
            starts.append(elements.count)
            elements.append(element.type.rawValue)
            elements += [UInt8(ascii: "0"), 0]
            elements += [UInt8](element.value)
        }

        /// Forgets all.
        public mutating func removeAll() {
            elements.removeAll(keepingCapacity: true)
            starts.removeAll(keepingCapacity: true)
        }

        /// The filter for the elements of some of the `_id`s.
        func filter(_ range: Range<Int>) -> BSONDocument {
            let end = range.upperBound < count ? starts[range.upperBound] : elements.count
            let bytes = Array(elements[starts[range.lowerBound]..<end])
            let length = UInt32(bytes.count + 5)
            let array = (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * UInt32($0))) } + bytes + [0]
            return BSONDocument { filter in
                filter.appendDocument("_id") { $0.append("$in", type: .array, rawValue: array.rawSpan) }
            }
        }
    }

    private let client: MongoClient
    private let reply = Reply()

    /// A reader on a client of the calling thread.
    public init(client: MongoClient) { self.client = client }

    /// Reads the documents of `request`.
    ///
    /// - Parameters:
    ///   - collection: where they are; read by its UUID, for the name may be another's by now.
    ///   - time: the cluster time; nil reads at majority.
    ///   - body: gets each batch, a BSON array value of whole documents, valid inside the call only. After a transient
    ///     failure the request is read again from its start, so a document may come twice.
    /// - Throws: `.snapshotTooOld`; `.snapshotUnavailable`, also when the collection was dropped meanwhile;
    ///   `.cursorLost` when all tries failed; what `body` throws.
    public func read(
        _ request: Request, in collection: CollectionInfo, at time: Timestamp?, _ body: (RawSpan) throws -> Void
    ) throws {
        // A server before 7.0 answers `$in` on a clustered collection by a scan between the least and the greatest.
        let step = collection.isClustered ? 1 : max(1, request.count)
        for start in stride(from: 0, to: request.count, by: step) {
            let part = start..<min(start + step, request.count)
            try read(request.filter(part), count: part.count, collection, time, body)
        }
    }

    private func read(
        _ filter: BSONDocument, count: Int, _ collection: CollectionInfo, _ time: Timestamp?,
        _ body: (RawSpan) throws -> Void
    ) throws {
        let namespace = collection.dataNamespace
        let find = BSONDocument { command in
            command.append("find", collection.uuid.map { .binary(subtype: 4, $0) } ?? .string(namespace.collection))
            command.append("filter", .document(filter))
            command.append("hint", ["_id": 1])
            // One more than can come, so that the first reply is the last.
            command.append("batchSize", BSONValue(count + 1))
            command.append("readConcern", ReadConcern.snapshot(at: time) ?? ReadConcern.majority)
        }
        do {
            try MongoClient.retrying(readsWithCursors: true) { try run(find, namespace, body) }
        } catch let error as CairnError where error.code == .notFound {
            throw CairnError(
                .snapshotUnavailable,
                "the collection was dropped before its changes were read; read again at a newer time.",
                object: namespace.description, underlying: error.underlying)
        }
    }

    private func run(_ find: BSONDocument, _ namespace: Namespace, _ body: (RawSpan) throws -> Void) throws {
        var command = find
        var batchName = "firstBatch"
        while true {
            try client.run(
                command.bytes.rawSpan, db: namespace.db, namespace: namespace.description, into: reply)
            let cursor = try reply.withView { view in try take(view, batchName, namespace, body) }
            guard cursor != 0 else { return }
            command = ["getMore": .int64(cursor), "collection": .string(namespace.collection)]
            batchName = "nextBatch"
        }
    }

    private func take(
        _ view: DocumentView, _ batchName: String, _ namespace: Namespace, _ body: (RawSpan) throws -> Void
    ) throws -> Int64 {
        guard let cursor = try view.first(named: "cursor")?.document,
            let batch = try cursor.first(named: batchName)?.document
        else { throw CairnError(.server, "the server's reply has no cursor.", object: namespace.description) }
        try body(batch.bytes)
        return Int64(try cursor.integer("id") ?? 0)
    }
}
