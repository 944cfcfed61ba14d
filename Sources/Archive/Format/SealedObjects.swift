import BSON
import Bytes

/// Seals and opens small objects: a BSON document in an envelope. Confined to one thread, for it reuses a cipher and
/// codecs. format-spec.md §6.4 [E-1].
///
/// ```
/// offset size field
///      0    8 magic CA 49 52 4E 73 0D 0A 1A
///      8    1 structure version, 1
///      9    1 object kind
///     10    1 encoding: 0 raw, 1 zstd
///     11    1 reserved, zero
///     12    4 key epoch, u32
///     16    8 raw size, u64: of the BSON document
///     24   32 salt of the object's key
///     56    n AES-256-GCM(object key, nonce 0, encoded document), tag included
/// ```
/// A key of its own for each object, from a random salt: so nonce 0 is used once a key, and no state is needed.
final class SealedObjects {
    static let headerSize = 56

    private let keys: KeyRing
    private let surroundings: Surroundings
    private let cipher = AESGCM()
    private let compressor = ZstdCompressor(level: 3)
    private let decompressor = ZstdDecompressor()
    private let associated = Buffer(capacity: AssociatedData.size)

    init(keys: KeyRing, surroundings: Surroundings) {
        self.keys = keys
        self.surroundings = surroundings
    }

    /// The bytes of the object `id`, a fresh salt drawn.
    func seal(_ document: BSONDocument, kind: ObjectKind, id: RandomID) throws -> Buffer {
        let object = Names.text(kind, id)
        guard document.bytes.count <= FormatLimits.sealedSizeMax else {
            throw CairnError(.limit, "a \(kind.noun) of \(document.bytes.count) bytes is too large", object: object)
        }
        let salt = surroundings.randomDigest()
        let output = Buffer(capacity: document.bytes.count + 256)
        output.append(Magic.sealed)
        output.append(littleEndian: FormatVersion.structures)
        output.append(littleEndian: kind.rawValue)
        output.append(littleEndian: UInt8(0))
        output.append(littleEndian: UInt8(0))
        output.append(littleEndian: keys.currentEpoch)
        output.append(littleEndian: UInt64(document.bytes.count))
        salt.append(to: output)
        precondition(output.count == SealedObjects.headerSize)
        var encoding = ChunkEncoding.zstd
        if compressor.compress(document.bytes.rawSpan, appendingTo: output) == nil {
            encoding = .raw
            output.append(document.bytes)
        }
        output.overwrite(at: 10, with: [encoding.rawValue].rawSpan)
        let associated = associated
        AssociatedData(
            repository: keys.repository, kind: kind, encoding: encoding.rawValue, epoch: keys.currentEpoch, slot: 0,
            object: id, rawCount: document.bytes.count
        ).write(to: associated)
        cipher.setKey(try keys.sealedKey(kind: kind, epoch: keys.currentEpoch, salt: salt.bytes, object: object))
        cipher.seal(output, from: SealedObjects.headerSize, nonce: 0, aad: associated.bytes)
        return output
    }

    /// The epoch that the first `headerSize` bytes of an object name; nothing is authenticated by that.
    static func epoch(ofHeader bytes: RawSpan, object: String) throws -> UInt32 {
        var reader = ByteReader(bytes, object: object)
        try reader.expect(Magic.sealed, "a sealed object: its magic is wrong")
        _ = try reader.bytes(4)
        return try reader.integer(as: UInt32.self)
    }

    /// Opens the bytes of the object `id`; `bytes` is used up: it is decrypted in place.
    ///
    /// - Throws: `.corrupt` when anything does not fit, `.unsupportedFormat` for a newer structure.
    func open(_ bytes: Buffer, kind: ObjectKind, id: RandomID) throws -> BSONDocument {
        let object = Names.text(kind, id)
        let header = try EnvelopeHeader(bytes.bytes, kind: kind, object: object)
        let associated = associated
        AssociatedData(
            repository: keys.repository, kind: kind, encoding: header.encoding.rawValue, epoch: header.epoch, slot: 0,
            object: id, rawCount: header.rawCount
        ).write(to: associated)
        cipher.setKey(
            try keys.sealedKey(kind: kind, epoch: header.epoch, salt: header.salt.bytes, object: object))
        guard cipher.open(bytes, from: SealedObjects.headerSize, nonce: 0, aad: associated.bytes) else {
            throw CairnError(
                .corrupt, "the \(kind.noun) does not authenticate: it is damaged, or not the one that belongs here",
                object: object)
        }
        let payload = bytes.bytes.extracting(droppingFirst: SealedObjects.headerSize)
        switch header.encoding {
        case .raw:
            return try BSONDocument.parse(payload, object: object)
        case .zstd:
            let plain = Buffer(capacity: header.rawCount)
            guard decompressor.decompress(payload, rawCount: header.rawCount, appendingTo: plain) else {
                throw CairnError(
                    .corrupt, "the \(kind.noun) does not decompress to \(header.rawCount) bytes", object: object)
            }
            return try BSONDocument.parse(plain.bytes, object: object)
        case .columns: preconditionFailure("the header was checked")
        }
    }
}

/// The fixed part of an envelope; nothing in it is trusted before the tag is checked. format-spec.md §6.4 [E-2].
struct EnvelopeHeader {
    let encoding: ChunkEncoding
    let epoch: UInt32
    let rawCount: Int
    let salt: Digest256

    init(_ bytes: RawSpan, kind: ObjectKind, object: String) throws {
        var reader = ByteReader(bytes, object: object)
        try reader.expect(Magic.sealed, "a sealed object: its magic is wrong")
        try reader.expectStructureVersion()
        let kindByte = try reader.integer(as: UInt8.self)
        guard kindByte == kind.rawValue else {
            throw CairnError(
                .corrupt, "an object of kind \(kindByte) stands where a \(kind.noun) belongs", object: object, offset: 9
            )
        }
        let encodingByte = try reader.integer(as: UInt8.self)
        guard let encoding = ChunkEncoding(rawValue: encodingByte), encoding != .columns else {
            throw CairnError(.unsupportedFormat, "encoding \(encodingByte) is not known", object: object, offset: 10)
        }
        try reader.expectZero(1, "reserved byte of the envelope")
        epoch = try reader.integer(as: UInt32.self)
        let size = try reader.integer(as: UInt64.self)
        salt = try reader.readDigest()
        guard size <= UInt64(FormatLimits.sealedSizeMax), reader.remaining > AESGCM.tagByteCount else {
            throw CairnError(
                .corrupt, "an envelope of \(bytes.byteCount) bytes claims \(size)", object: object, offset: 16)
        }
        self.encoding = encoding
        rawCount = Int(size)
        if encoding == .raw, rawCount != reader.remaining - AESGCM.tagByteCount {
            throw CairnError(
                .corrupt, "an envelope of \(bytes.byteCount) bytes claims \(size)", object: object, offset: 16)
        }
    }
}
