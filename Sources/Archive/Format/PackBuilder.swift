public import Bytes

/// A pack that is complete and sealed, ready to be put. format-spec.md §7 [P-2].
public struct FinishedPack: Sendable {
    /// The whole object.
    public let buffer: Buffer
    /// What its directory says: goes to the index.
    public let contents: PackContents

    /// The pack's id.
    public var id: RandomID { contents.identity.id }
}

/// Builds packs, one after the other, without copying a chunk. Confined to one worker.
///
/// ```
/// builder.begin(in: buffer)
/// let start = builder.buffer.count
/// compressor.compress(plaintext, appendingTo: builder.buffer)     // straight into place; verify it here
/// try builder.seal(from: start, id:, type:, encoding:, rawCount:) // encrypts in place and appends the tag
/// let pack = try builder.finish()                                 // the caller owns pack.buffer from here on
/// ```
/// A seal that throws leaves the pack unusable (`cancel`); no later call makes a valid object of it.
public final class PackBuilder {
    private let keys: KeyRing
    private let surroundings: Surroundings
    private let cipher = AESGCM()
    private let associated = Buffer(capacity: AssociatedData.size)
    /// What the contents of the packs say of their level.
    private let level: Int?
    private var current: Buffer?
    private var identity: PackIdentity
    private var entries: [PackEntry] = []
    /// Everything in the buffer before this offset is sealed.
    private var sealedEnd = 0

    init(keys: KeyRing, surroundings: Surroundings, level: Int? = nil) {
        self.level = level
        self.keys = keys
        self.surroundings = surroundings
        identity = PackIdentity(id: surroundings.randomID(), epoch: 0, salt: surroundings.randomDigest())
    }

    /// Whether a pack has been begun and not finished.
    public var isOpen: Bool { current != nil }

    /// The chunks sealed into the current pack.
    public var count: Int { entries.count }

    /// The id of the current pack.
    public var id: RandomID { identity.id }

    /// The current pack. Encoded chunks are appended to it, and nothing else is changed.
    public var buffer: Buffer {
        guard let current else { preconditionFailure("no pack is open") }
        return current
    }

    /// Size that the pack would have if it were finished now, in bytes.
    public var projectedSize: Int {
        buffer.count + entries.count * PackEntry.size + AESGCM.tagByteCount + PackTrailer.size
    }

    /// Whether one more chunk of at most `encodedMax` bytes is within the limits of a pack.
    public func hasRoom(for encodedMax: Int) -> Bool {
        entries.count < FormatLimits.packEntriesMax
            && projectedSize + encodedMax + AESGCM.tagByteCount + PackEntry.size <= FormatLimits.packSizeMax
    }

    /// Starts a pack in `buffer`, whose content is dropped: draws its id and salt, derives its key.
    public func begin(in buffer: Buffer) throws {
        precondition(current == nil, "finish or cancel the open pack first")
        identity = PackIdentity(
            id: surroundings.randomID(), epoch: keys.currentEpoch, salt: surroundings.randomDigest())
        let name = Names.packText(identity.id)
        cipher.setKey(try keys.packKey(epoch: identity.epoch, salt: identity.salt.bytes, object: name))
        buffer.removeAll()
        PackHeader(epoch: identity.epoch, salt: identity.salt).append(to: buffer)
        entries.removeAll(keepingCapacity: true)
        sealedEnd = buffer.count
        current = buffer
    }

    /// Seals the bytes of `buffer` from `offset` on as the next chunk.
    ///
    /// - Parameters:
    ///   - offset: where the encoded chunk starts; everything before it is sealed already.
    ///   - id: HMAC of the plaintext.
    ///   - rawCount: bytes of plaintext.
    public func seal(
        from offset: Int, id: ChunkID, type: ChunkType, encoding: ChunkEncoding, rawCount: Int
    ) throws {
        let buffer = buffer
        let sealedCount = buffer.count - offset + AESGCM.tagByteCount
        precondition(offset == sealedEnd, "chunks leave no gaps")
        let entry = PackEntry(id: id, type: type, encoding: encoding, rawCount: rawCount, storedCount: sealedCount)
        guard hasRoom(for: 0), projectedSize + AESGCM.tagByteCount + PackEntry.size <= FormatLimits.packSizeMax else {
            throw CairnError(.limit, "a pack holds no more chunks or bytes", object: Names.packText(identity.id))
        }
        try entry.validate(object: Names.packText(identity.id))
        let slot = UInt64(entries.count)
        let associated = associated
        AssociatedData(chunk: entry, of: identity, slot: entries.count, repository: keys.repository)
            .write(to: associated)
        cipher.seal(buffer, from: offset, nonce: slot, aad: associated.bytes)
        entries.append(entry)
        sealedEnd = buffer.count
    }

    /// Appends the sealed directory and the trailer.
    ///
    /// - Returns: the complete object; its buffer belongs to the caller from now on.
    public func finish() -> FinishedPack {
        precondition(!entries.isEmpty, "a pack holds at least one chunk")
        let buffer = buffer
        let associated = associated
        let start = buffer.count
        for entry in entries { entry.append(to: buffer) }
        AssociatedData(directoryOf: identity, count: entries.count, repository: keys.repository).write(to: associated)
        cipher.seal(buffer, from: start, nonce: PackDirectory.slot, aad: associated.bytes)
        PackTrailer(entries: entries.count).append(to: buffer)
        let contents = PackContents(identity: identity, entries: entries, level: level)
        precondition(buffer.count == contents.objectSize)
        current = nil
        return FinishedPack(buffer: buffer, contents: contents)
    }

    /// Drops the open pack.
    ///
    /// - Returns: its buffer, nil when none was open.
    @discardableResult
    public func cancel() -> Buffer? {
        entries.removeAll(keepingCapacity: true)
        return current.take()
    }
}
