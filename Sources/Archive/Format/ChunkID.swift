public import Bytes

/// The name of a chunk: HMAC-SHA-256(id key, type byte ‖ plaintext). format-spec.md §6.3 [C-1].
///
/// It is keyed, so that a name says nothing about the plaintext to somebody without the key, and it covers the
/// type, so that documents can never be served where a leaf list is asked for.
public typealias ChunkID = Digest256

/// What the plaintext of a chunk is. format-spec.md §6.1 [C-2].
public enum ChunkType: UInt8, Sendable, Hashable, CaseIterable {
    /// Whole BSON documents of one collection, concatenated.
    case documents = 1
    /// `Leaf` documents, concatenated.
    case leafList = 2
    /// `CatalogueEntry` documents, concatenated.
    case catalogue = 3
    /// Oplog entries as the server gave them, concatenated.
    case oplog = 4
    /// `{_id: …}` of documents that a run removed, concatenated.
    case run = 5

    /// Whether listings, comparisons and prune read it. Such chunks lie in packs of their own, which stay where they
    /// can be read at once.
    public var isMetadata: Bool { self == .leafList || self == .catalogue || self == .run }
}

/// How the plaintext of a chunk is encoded before it is sealed. format-spec.md §6.2 [C-3].
public enum ChunkEncoding: UInt8, Sendable, Hashable, CaseIterable {
    /// The plaintext as it is.
    case raw = 0
    /// One zstd frame (RFC 8878) with its content size, without dictionary.
    case zstd = 1
    /// Documents taken apart into columns, §6.6; only in repositories with that feature.
    case columns = 2
}

/// Computes chunk ids. Confined to one thread, for it holds a digest context; one per worker.
public final class ChunkHasher {
    private var authenticator: HMACSHA256

    /// A hasher under the id key of `keys`.
    public init(keys: KeyRing) {
        authenticator = HMACSHA256(key: keys.idKey)
    }

    /// The id of a chunk of `type` whose plaintext is `plaintext`.
    public func id(of plaintext: RawSpan, type: ChunkType) -> ChunkID {
        authenticator.authenticate(prefix: type.rawValue, plaintext)
    }
}
