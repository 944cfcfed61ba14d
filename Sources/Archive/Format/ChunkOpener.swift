public import Bytes

/// Decrypts and decodes single chunks. Confined to one thread: it owns a cipher, a decompressor and a scratch buffer.
/// format-spec.md §7.2 [P-7].
public final class ChunkOpener {
    private let keys: KeyRing
    private let cipher = AESGCM()
    private let decompressor = ChunkDecompressor()
    private let associated = Buffer(capacity: AssociatedData.size)
    private let scratch = Buffer(capacity: 2 << 20)
    /// Chunks are mostly read in pack order: deriving the key only when the pack changes.
    private var keyed: PackIdentity?

    init(keys: KeyRing) { self.keys = keys }

    /// Opens the stored bytes of a chunk and appends its plaintext to `output`.
    ///
    /// The tag proves that these are the bytes that a holder of the keys sealed as this very chunk at this very place.
    /// It does not prove that the id is the HMAC of the plaintext: `check --read-data` computes that.
    ///
    /// - Parameters:
    ///   - stored: the bytes of `location.range` of the pack: ciphertext and tag.
    /// - Throws: `.corrupt` naming the pack and the offset; `output` is then as it was.
    public func open(
        _ id: ChunkID, at location: ChunkLocation, stored: RawSpan, into output: Buffer
    ) throws {
        scratch.removeAll()
        scratch.append(stored)
        try openScratch(id, at: location, into: output)
    }

    /// Like the other one, with the stored bytes put into the scratch buffer by `fill`: the way for ranged reads.
    func open(
        _ id: ChunkID, at location: ChunkLocation, into output: Buffer, fill: (Buffer) throws -> Void
    ) throws {
        scratch.removeAll()
        try fill(scratch)
        try openScratch(id, at: location, into: output)
    }

    /// Appends the encoded bytes of a chunk to `output` instead of its plaintext: for who stores it elsewhere as it is.
    func openEncoded(_ id: ChunkID, at location: ChunkLocation, into output: Buffer, fill: (Buffer) throws -> Void)
        throws
    {
        scratch.removeAll()
        try fill(scratch)
        try decryptScratch(id, at: location)
        let scratch = scratch
        output.append(scratch.bytes)
    }

    private func openScratch(_ id: ChunkID, at location: ChunkLocation, into output: Buffer) throws {
        try decryptScratch(id, at: location)
        let (scratch, name) = (scratch, Names.packText(location.pack.id))
        guard
            decompressor.decode(
                scratch.bytes, location.encoding, rawCount: location.rawCount, appendingTo: output)
        else {
            throw CairnError(
                .corrupt, "chunk \(id.hex) does not decode to \(location.rawCount) bytes", object: name,
                offset: location.offset)
        }
    }

    private func decryptScratch(_ id: ChunkID, at location: ChunkLocation) throws {
        let name = Names.packText(location.pack.id)
        let (scratch, associated) = (scratch, associated)
        guard scratch.count == location.storedCount else {
            throw CairnError(
                .corrupt, "\(scratch.count) bytes of a chunk of \(location.storedCount) are there", object: name,
                offset: location.offset)
        }
        if keyed != location.pack {
            keyed = nil
            cipher.setKey(
                try keys.packKey(epoch: location.pack.epoch, salt: location.pack.salt.bytes, object: name))
            keyed = location.pack
        }
        let entry = PackEntry(
            id: id, type: location.type, encoding: location.encoding, rawCount: location.rawCount,
            storedCount: location.storedCount)
        try entry.validate(object: name)
        AssociatedData(chunk: entry, of: location.pack, slot: location.slot, repository: keys.repository)
            .write(to: associated)
        guard cipher.open(scratch, from: 0, nonce: UInt64(location.slot), aad: associated.bytes) else {
            throw CairnError(
                .corrupt, "chunk \(id.hex) does not authenticate: it is damaged, or not the one that belongs here",
                object: name, offset: location.offset)
        }
    }
}
