import Bytes

/// The sealed list of a pack's chunks, at its end. It lets the index be rebuilt from packs alone.
/// format-spec.md §7.3 [P-6].
enum PackDirectory {
    /// The slot of the directory: above every chunk's, so that its nonce is its own.
    static let slot: UInt64 = 0xFFFF_FFFF

    /// Opens the directory of the pack `id`.
    ///
    /// - Parameters:
    ///   - header: the first 48 bytes of the object.
    ///   - tail: the object's end: at least the trailer and the whole sealed directory.
    ///   - objectSize: size of the whole object, in bytes.
    ///   - keys: of the repository.
    /// - Throws: `.corrupt` when anything does not fit, `.unsupportedFormat` for a newer structure.
    static func open(
        id: RandomID, header: RawSpan, tail: RawSpan, objectSize: Int, keys: KeyRing
    ) throws -> PackContents {
        let name = Names.packText(id)
        var headerReader = ByteReader(header, object: name)
        let header = try PackHeader(&headerReader)
        let trailer = try trailer(of: tail, object: name)
        let sealedStart = tail.byteCount - PackTrailer.size - trailer.directoryCount
        guard sealedStart >= 0 else {
            throw CairnError(.corrupt, "the pack is smaller than its directory", object: name)
        }
        let identity = PackIdentity(id: id, epoch: header.epoch, salt: header.salt)
        let sealed = Buffer(capacity: trailer.directoryCount)
        sealed.append(tail.extracting(sealedStart..<(sealedStart + trailer.directoryCount)))
        let associated = Buffer(capacity: AssociatedData.size)
        AssociatedData(directoryOf: identity, count: trailer.entries, repository: keys.repository)
            .write(to: associated)
        let cipher = AESGCM()
        cipher.setKey(try keys.packKey(epoch: header.epoch, salt: header.salt.bytes, object: name))
        guard cipher.open(sealed, from: 0, nonce: slot, aad: associated.bytes) else {
            throw CairnError(
                .corrupt, "the pack's directory does not authenticate: it is damaged or foreign", object: name,
                offset: objectSize - PackTrailer.size - trailer.directoryCount)
        }
        let entries = try readEntries(sealed.bytes, object: name)
        let contents = PackContents(identity: identity, entries: entries)
        guard contents.objectSize == objectSize else {
            throw CairnError(
                .corrupt, "the pack has \(objectSize) bytes, its directory makes \(contents.objectSize)", object: name)
        }
        return contents
    }

    /// The trailer in the last bytes of `tail`.
    static func trailer(of tail: RawSpan, object: String) throws -> PackTrailer {
        guard tail.byteCount >= PackTrailer.size else {
            throw CairnError(.corrupt, "the pack is too short for a trailer", object: object)
        }
        let bytes = tail.extracting((tail.byteCount - PackTrailer.size)..<tail.byteCount)
        var reader = ByteReader(bytes, object: object)
        return try PackTrailer(&reader)
    }

    /// Entries in a row, as in a directory and in an index object.
    static func readEntries(_ bytes: RawSpan, object: String) throws -> [PackEntry] {
        let count = bytes.byteCount / PackEntry.size
        guard bytes.byteCount == count * PackEntry.size, count > 0, count <= FormatLimits.packEntriesMax else {
            throw CairnError(.corrupt, "\(bytes.byteCount) bytes are no list of chunks", object: object)
        }
        var reader = ByteReader(bytes, object: object)
        var entries: [PackEntry] = []
        entries.reserveCapacity(count)
        for _ in 0..<count { entries.append(try PackEntry(&reader)) }
        return entries
    }
}
