public import Bytes

/// What is needed to derive a pack's key, beside the key ring. Index objects carry it, so that one chunk costs one
/// ranged read and no read of the pack's header.
public struct PackIdentity: Hashable, Sendable {
    /// The pack's id, which is also its name.
    public var id: RandomID
    /// The key epoch that it is sealed under.
    public var epoch: UInt32
    /// The 32 bytes of salt of its key.
    public var salt: Digest256

    /// An identity of its parts.
    public init(id: RandomID, epoch: UInt32, salt: Digest256) {
        self.id = id
        self.epoch = epoch
        self.salt = salt
    }
}

/// Where a chunk is, with everything that reading it needs.
public struct ChunkLocation: Hashable, Sendable {
    /// The pack that holds it.
    public var pack: PackIdentity
    /// Its number in the pack: nonce and part of the associated data.
    public var slot: Int
    /// Offset of its ciphertext in the pack, in bytes.
    public var offset: Int
    /// Bytes in the pack, the tag of 16 bytes included.
    public var storedCount: Int
    /// Bytes of plaintext.
    public var rawCount: Int
    /// What the plaintext is.
    public var type: ChunkType
    /// How the plaintext is encoded.
    public var encoding: ChunkEncoding

    /// The bytes of the pack object that hold it.
    public var range: Range<Int> { offset..<(offset + storedCount) }

    /// A location of its parts.
    public init(
        pack: PackIdentity, slot: Int, offset: Int, storedCount: Int, rawCount: Int, type: ChunkType,
        encoding: ChunkEncoding
    ) {
        self.pack = pack
        self.slot = slot
        self.offset = offset
        self.storedCount = storedCount
        self.rawCount = rawCount
        self.type = type
        self.encoding = encoding
    }
}

/// One pack with its chunks in slot order: what a pack's directory holds and what index objects repeat.
public struct PackContents: Hashable, Sendable {
    /// Which pack, and what its key is made from.
    public var identity: PackIdentity
    /// Its chunks, in slot order.
    public var entries: [PackEntry]
    /// The zstd level up to which compressing its chunks anew wins nothing, since that was done or tried; nil when that
    /// is not known. Only index objects say it. format-spec.md §8 [I-3].
    public var level: Int?
    /// What is added to the level when columns were tried as well.
    static let columnsEffort = 32

    /// The contents of a pack.
    public init(identity: PackIdentity, entries: [PackEntry], level: Int? = nil) {
        self.identity = identity
        self.entries = entries
        self.level = level
    }

    /// Size of the whole pack object, in bytes: it follows from the entries, so that a truncated or padded pack
    /// is recognised by a look at its size. format-spec.md §7.5 [P-8].
    public var objectSize: Int {
        PackHeader.size + entries.reduce(0) { $0 + $1.storedCount }
            + entries.count * PackEntry.size + AESGCM.tagByteCount + PackTrailer.size
    }

    /// Calls `body` with each chunk and its location.
    public func forEachLocation(_ body: (ChunkID, ChunkLocation) throws -> Void) rethrows {
        var offset = PackHeader.size
        for (slot, entry) in entries.enumerated() {
            let location = ChunkLocation(
                pack: identity, slot: slot, offset: offset, storedCount: entry.storedCount, rawCount: entry.rawCount,
                type: entry.type, encoding: entry.encoding)
            try body(entry.id, location)
            offset += entry.storedCount
        }
    }
}
