public import Bytes

/// The first bytes of a pack. format-spec.md §7.1 [P-1].
///
/// ```
/// offset size field
///      0    8 magic CA 49 52 4E 70 0D 0A 1A
///      8    1 structure version, 1
///      9    3 reserved, zero
///     12    4 key epoch, u32
///     16   32 salt of the pack's key
/// ```
struct PackHeader {
    static let size = 48

    var epoch: UInt32
    var salt: Digest256

    func append(to buffer: Buffer) {
        buffer.append(Magic.pack)
        buffer.append(littleEndian: FormatVersion.structures)
        buffer.append([0, 0, 0])
        buffer.append(littleEndian: epoch)
        salt.append(to: buffer)
    }

    init(epoch: UInt32, salt: Digest256) {
        self.epoch = epoch
        self.salt = salt
    }

    init(_ reader: inout ByteReader) throws {
        try reader.expect(Magic.pack, "a pack: its magic is wrong")
        try reader.expectStructureVersion()
        try reader.expectZero(3, "reserved bytes of the pack header")
        epoch = try reader.integer(as: UInt32.self)
        salt = try reader.readDigest()
    }
}

/// The last bytes of a pack. format-spec.md §7.4 [P-4].
///
/// ```
/// offset size field
///      0    4 length of the sealed directory, u32, tag included
///      4    4 number of chunks, u32
///      8    8 magic CA 49 52 4E 65 0D 0A 1A
/// ```
struct PackTrailer {
    static let size = 16

    var directoryCount: Int
    var entries: Int

    func append(to buffer: Buffer) {
        buffer.append(littleEndian: UInt32(directoryCount))
        buffer.append(littleEndian: UInt32(entries))
        buffer.append(Magic.packEnd)
    }

    init(entries: Int) {
        self.entries = entries
        directoryCount = entries * PackEntry.size + AESGCM.tagByteCount
    }

    init(_ reader: inout ByteReader) throws {
        let length = Int(try reader.integer(as: UInt32.self))
        let entries = Int(try reader.integer(as: UInt32.self))
        try reader.expect(Magic.packEnd, "the end of a pack: it is truncated or damaged")
        guard entries > 0, entries <= FormatLimits.packEntriesMax else {
            throw CairnError(.corrupt, "the pack trailer counts \(entries) chunks", object: reader.object)
        }
        self.init(entries: entries)
        guard length == directoryCount else {
            throw CairnError(
                .corrupt, "the pack trailer gives a directory of \(length) bytes for \(entries) chunks",
                object: reader.object)
        }
    }
}

/// One chunk in the directory of a pack and in an index object. format-spec.md §7.3 [P-3].
///
/// ```
/// offset size field
///      0   32 chunk id
///     32    1 chunk type
///     33    1 chunk encoding
///     34    2 reserved, zero
///     36    4 raw size, u32
///     40    4 stored size, u32, tag included
/// ```
/// Slot and offset are not stored: entries stand in slot order, and chunks without gaps after the header.
public struct PackEntry: Hashable, Sendable {
    /// Size of one entry, in bytes.
    public static let size = 44

    /// The chunk's id.
    public var id: ChunkID
    /// What the plaintext is.
    public var type: ChunkType
    /// How the plaintext is encoded.
    public var encoding: ChunkEncoding
    /// Bytes of plaintext.
    public var rawCount: Int
    /// Bytes in the pack, the tag of 16 bytes included.
    public var storedCount: Int

    /// An entry of a chunk.
    public init(id: ChunkID, type: ChunkType, encoding: ChunkEncoding, rawCount: Int, storedCount: Int) {
        self.id = id
        self.type = type
        self.encoding = encoding
        self.rawCount = rawCount
        self.storedCount = storedCount
    }

    func append(to buffer: Buffer) {
        id.append(to: buffer)
        buffer.append(littleEndian: type.rawValue)
        buffer.append(littleEndian: encoding.rawValue)
        buffer.append([0, 0])
        buffer.append(littleEndian: UInt32(rawCount))
        buffer.append(littleEndian: UInt32(storedCount))
    }

    init(_ reader: inout ByteReader) throws {
        id = try reader.readDigest()
        let rawType = try reader.integer(as: UInt8.self)
        let rawEncoding = try reader.integer(as: UInt8.self)
        guard let type = ChunkType(rawValue: rawType) else {
            throw CairnError(
                .unsupportedFormat, "chunk type \(rawType) is not known to this version", object: reader.object)
        }
        guard let encoding = ChunkEncoding(rawValue: rawEncoding) else {
            throw CairnError(
                .unsupportedFormat, "chunk encoding \(rawEncoding) is not known to this program",
                object: reader.object)
        }
        try reader.expectZero(2, "reserved bytes of a chunk entry")
        self.type = type
        self.encoding = encoding
        rawCount = Int(try reader.integer(as: UInt32.self))
        storedCount = Int(try reader.integer(as: UInt32.self))
        try validate(object: reader.object)
    }

    /// Checked right after reading and right before writing. format-spec.md §7.3 [P-5], §6.6 [J-1].
    func validate(object: String) throws {
        guard rawCount > 0, rawCount <= FormatLimits.chunkSizeMax,
            storedCount > AESGCM.tagByteCount, storedCount <= FormatLimits.chunkSizeMax + AESGCM.tagByteCount,
            encoding != .raw || storedCount == rawCount + AESGCM.tagByteCount,
            encoding != .columns || type == .documents || type == .oplog
        else {
            throw CairnError(
                .corrupt,
                "chunk \(id.hex) of type \(type.rawValue), encoding \(encoding.rawValue), claims \(rawCount) raw and "
                    + "\(storedCount) stored bytes", object: object)
        }
    }
}
