public import BSON
public import Bytes

/// One chunk's place in a collection. format-spec.md §9.1 [F-1].
///
/// ```
/// c  binary     chunk id, 32 bytes
/// n  int64      documents in the chunk
/// r  int64      bytes of plaintext
/// f  document   {_id: …} of the first document, absent when it has none or its `_id` is long
/// l  document   {_id: …} of the last document, likewise
/// ```
/// No time is in it: a leaf of unchanged documents must be byte for byte the same in every snapshot, or leaf lists
/// would not deduplicate. Field names are short, for there is a leaf a MiB of data.
public struct Leaf: Hashable, Sendable {
    /// The chunk with the documents.
    public var chunk: ChunkID
    /// Documents in it; at least one.
    public var documents: Int
    /// Bytes of plaintext.
    public var rawBytes: Int
    /// The `_id` element of the first document as `DocumentIdentity` gives it, empty when not kept.
    public var firstID: [UInt8]
    /// The `_id` element of the last document, empty when not kept.
    public var lastID: [UInt8]

    /// A leaf. An `_id` element of more than `FormatLimits.leafIDMax` bytes is left out.
    public init(chunk: ChunkID, documents: Int, rawBytes: Int, firstID: [UInt8], lastID: [UInt8]) {
        precondition(documents > 0 && rawBytes > 0)
        self.chunk = chunk
        self.documents = documents
        self.rawBytes = rawBytes
        self.firstID = firstID.count <= FormatLimits.leafIDMax ? firstID : []
        self.lastID = lastID.count <= FormatLimits.leafIDMax ? lastID : []
    }

    /// The document that is stored; equal leaves give equal bytes.
    public func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("c", .digest(chunk))
            builder.append("n", .count(documents))
            builder.append("r", .count(rawBytes))
            if !firstID.isEmpty { builder.appendDocument("f") { $0.append(elementBytes: firstID.rawSpan) } }
            if !lastID.isEmpty { builder.appendDocument("l") { $0.append(elementBytes: lastID.rawSpan) } }
        }
    }

    /// Reads a leaf.
    ///
    /// - Throws: `.corrupt` naming `object` and the field.
    public init(_ document: BSONDocument, object: String) throws {
        chunk = try document.requireDigest("c", in: object)
        documents = try document.requireCount("n", in: object)
        rawBytes = try document.requireCount("r", in: object)
        firstID = try Leaf.identity("f", document, object)
        lastID = try Leaf.identity("l", document, object)
        guard documents > 0, documents <= rawBytes, rawBytes <= FormatLimits.chunkSizeMax else {
            throw CairnError(.corrupt, "a leaf counts \(documents) documents, \(rawBytes) bytes", object: object)
        }
    }

    private static func identity(_ name: String, _ document: BSONDocument, _ object: String) throws -> [UInt8] {
        guard let nested = try document.optional(name, as: BSONDocument.self, in: object) else { return [] }
        let bytes = nested.bytes.rawSpan
        let identity = [UInt8](try DocumentIdentity.idBytes(of: bytes))
        guard !identity.isEmpty, identity.count + 5 == nested.bytes.count else {
            throw CairnError(.corrupt, "field \"\(name)\" holds something else than one `_id`", object: object)
        }
        return identity
    }

    /// Calls `body` with each leaf of the plaintext of a leaf-list chunk.
    public static func forEach(inList plaintext: RawSpan, object: String, _ body: (Leaf) throws -> Void) throws {
        try forEachDocument(plaintext, object: object) { try body(Leaf($0, object: object)) }
    }
}

/// Calls `body` with each of the documents that `plaintext` is made of.
func forEachDocument(_ plaintext: RawSpan, object: String, _ body: (BSONDocument) throws -> Void) throws {
    var documents = DocumentBatch.Chunk(plaintext)
    while true {
        let document: BSONDocument
        do {
            guard let bytes = try documents.next() else { return }
            document = try BSONDocument(copying: bytes)
        } catch {
            throw CairnError(
                .corrupt, "not a row of valid BSON documents", object: object, offset: error.offset, underlying: error)
        }
        try body(document)
    }
}
