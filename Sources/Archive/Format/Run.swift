import BSON
public import Bytes

/// What changed in one collection since the leaves, and the runs before, were read. format-spec.md §9.2 [F-8].
///
/// ```
/// documents int64               documents that were inserted or changed: sum over the leaves
/// rawBytes  int64               sum over the leaves
/// leafCount int64
/// leaves    array of documents  leaves in order, when there are at most 4
/// lists     binary              otherwise: ids of the leaf-list chunks in order, 32 bytes each
/// removed   int64               documents that were removed
/// removals  binary              ids of the chunks of type `run` that hold their `_id`s, 32 bytes each
/// delta     int64               what the run adds to the number of documents, may be negative
/// ```
/// A run stands for a set: no `_id` is in it twice, neither put twice nor put and removed. It may put documents that
/// did not change, and remove `_id`s that were not there. [F-9]
public struct Run: Hashable, Sendable {
    /// Documents that were put: inserted, changed, or read again.
    public var documents: Int
    /// Their bytes.
    public var rawBytes: Int
    /// The number of leaves.
    public var leafCount: Int
    /// Where their leaves are.
    public var leaves: CatalogueEntry.Leaves
    /// The number of `_id`s that were removed.
    public var removed: Int
    /// The chunks that list them.
    public var removals: [ChunkID]
    /// What the run adds to the number of documents.
    public var delta: Int

    /// A run of its parts.
    public init(
        documents: Int, rawBytes: Int, leafCount: Int, leaves: CatalogueEntry.Leaves, removed: Int,
        removals: [ChunkID], delta: Int
    ) {
        self.documents = documents
        self.rawBytes = rawBytes
        self.leafCount = leafCount
        self.leaves = leaves
        self.removed = removed
        self.removals = removals
        self.delta = delta
    }

    /// Whether nothing changed: such a run is left out of its entry.
    public var isEmpty: Bool { documents == 0 && removed == 0 && delta == 0 }

    /// The `_id`s in the plaintext of a chunk of type `run`.
    ///
    /// - Throws: `.corrupt` unless each document of it is one `_id` and nothing else.
    static func countRemovals(inChunk plaintext: RawSpan, object: String) throws -> Int {
        var documents = DocumentBatch.Chunk(plaintext)
        var count = 0
        while let document = try documents.next() {
            try BSONValidator.validate(document, strictness: .server)
            let identity = try DocumentIdentity.idBytes(of: document)
            guard !identity.isEmpty, identity.byteCount + 5 == document.byteCount else {
                throw CairnError(.corrupt, "removal \(count) is something else than one `_id`", object: object)
            }
            count += 1
        }
        return count
    }

    /// The document that is stored.
    func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("documents", .count(documents))
            builder.append("rawBytes", .count(rawBytes))
            builder.append("leafCount", .count(leafCount))
            leaves.encode(into: &builder, count: leafCount)
            builder.append("removed", .count(removed))
            builder.append("removals", .digests(removals))
            builder.append("delta", .int64(Int64(delta)))
        }
    }

    /// Reads a run.
    ///
    /// - Throws: `.corrupt` naming `object` and the field.
    init(_ document: BSONDocument, object: String) throws {
        documents = try document.requireCount("documents", in: object)
        rawBytes = try document.requireCount("rawBytes", in: object)
        leafCount = try document.requireCount("leafCount", in: object)
        leaves = try CatalogueEntry.Leaves(
            document, count: leafCount, documents: documents, rawBytes: rawBytes, object: object)
        removed = try document.requireCount("removed", in: object)
        removals = try document.requireDigests("removals", in: object)
        delta = try document.require("delta", in: object)
        guard delta <= documents, delta >= -FormatLimits.countMax, removals.count <= removed
        else {
            throw CairnError(
                .corrupt, "a run of \(documents) documents and \(removed) removals changes their number by \(delta)",
                object: object)
        }
    }
}
