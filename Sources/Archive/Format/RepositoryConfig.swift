import BSON
public import Bytes

/// What a repository is: the object `config`. format-spec.md §5.6 [R-1].
///
/// ```
/// offset size field
///      0    8 magic CA 49 52 4E 63 0D 0A 1A
///      8    2 read version: programs that implement less must not read, u16
///     10    2 write version: programs that implement less must not write, u16
///     12    4 reserved, zero
///     16    8 incompatible features, u64
///     24    8 compatible features, u64
///     32   16 repository id
///     48    4 P: length of the parameters, u32
///     52    4 reserved, zero
///     56    P parameters: BSON
///   56+P   32 HMAC-SHA-256(verification key, all before)
///   88+P   32 SHA-256 of all before
/// ```
/// Versions, features and id can be read before any key is at hand, so that a program says that it is too old before
/// it asks for a passphrase. The hash tells damage from tampering, which the HMAC finds once the keys are unlocked.
public struct RepositoryConfig: Hashable, Sendable {
    static let headerSize = 56
    static let tailSize = 64

    /// The lowest format version that a reader must implement.
    public var readVersion: UInt16
    /// The lowest format version that a writer must implement.
    public var writeVersion: UInt16
    /// Features without which the repository cannot be read right.
    public var incompatibleFeatures: UInt64
    /// Features that a program may ignore.
    public var compatibleFeatures: UInt64
    /// The repository's id: part of everything that is authenticated.
    public var id: RandomID
    /// When it was made, in milliseconds since 1970-01-01 UTC.
    public var created: Int64
    /// How streams of documents are chunked.
    public var documentChunks: ChunkSizes
    /// How leaf lists and catalogues are chunked.
    public var metadataChunks: ChunkSizes

    /// Whether this program may add to the repository; reading is allowed when the config could be read at all.
    public var isWritable: Bool { writeVersion <= FormatVersion.current }

    /// The config of a new repository.
    init(id: RandomID, created: Int64, documentChunks: ChunkSizes, metadataChunks: ChunkSizes, features: UInt64 = 0) {
        readVersion = FormatVersion.current
        writeVersion = FormatVersion.current
        incompatibleFeatures = features
        compatibleFeatures = 0
        self.id = id
        self.created = created
        self.documentChunks = documentChunks
        self.metadataChunks = metadataChunks
    }

    /// The whole object.
    func encode(verificationKey: SecretBytes) -> Buffer {
        let parameters: BSONDocument = [
            "created": .date(created),
            "documentChunks": .document(documentChunks.encode()),
            "metadataChunks": .document(metadataChunks.encode()),
        ]
        let buffer = Buffer(capacity: 512)
        buffer.append(Magic.config)
        buffer.append(littleEndian: readVersion)
        buffer.append(littleEndian: writeVersion)
        buffer.append(littleEndian: UInt32(0))
        buffer.append(littleEndian: incompatibleFeatures)
        buffer.append(littleEndian: compatibleFeatures)
        id.append(to: buffer)
        buffer.append(littleEndian: UInt32(parameters.bytes.count))
        buffer.append(littleEndian: UInt32(0))
        precondition(buffer.count == RepositoryConfig.headerSize)
        buffer.append(parameters.bytes)
        HMACSHA256(key: verificationKey).authenticate(buffer.bytes).append(to: buffer)
        SHA256.hash(buffer.bytes).append(to: buffer)
        return buffer
    }

    /// Reads everything but the HMAC, which needs a key: `authenticate` checks it.
    ///
    /// - Throws: `.corrupt`, or `.unsupportedFormat` naming the version or the feature bits.
    init(_ bytes: RawSpan) throws {
        let object = Names.configText
        try checkHash(of: bytes, headerSize: RepositoryConfig.headerSize, magic: Magic.config, object: object)
        var reader = ByteReader(bytes, object: object)
        _ = try reader.bytes(Magic.config.count)
        readVersion = try reader.integer(as: UInt16.self)
        writeVersion = try reader.integer(as: UInt16.self)
        try reader.expectZero(4, "reserved bytes of the config")
        incompatibleFeatures = try reader.integer(as: UInt64.self)
        compatibleFeatures = try reader.integer(as: UInt64.self)
        try RepositoryConfig.checkSupport(readVersion: readVersion, incompatible: incompatibleFeatures)
        id = try reader.readID()
        let length = Int(try reader.integer(as: UInt32.self))
        try reader.expectZero(4, "reserved bytes of the config")
        let parameters = try BSONDocument.parse(try reader.bytes(length), object: object)
        _ = try reader.bytes(RepositoryConfig.tailSize)
        try reader.expectEnd()
        created = try parameters.requireDate("created", in: object)
        documentChunks = try ChunkSizes(try parameters.require("documentChunks", in: object), object: object)
        metadataChunks = try ChunkSizes(try parameters.require("metadataChunks", in: object), object: object)
    }

    /// format-spec.md §10.1 [V-4].
    private static func checkSupport(readVersion: UInt16, incompatible: UInt64) throws {
        guard readVersion <= FormatVersion.current else {
            throw CairnError(
                .unsupportedFormat,
                "the repository has format version \(readVersion), this program reads up to \(FormatVersion.current); "
                    + "use a newer one", object: Names.configText)
        }
        let unknown = incompatible & ~FormatVersion.knownIncompatibleFeatures
        guard unknown == 0 else {
            let bits = (0..<64).filter { unknown >> UInt64($0) & 1 == 1 }.map(String.init).joined(separator: ", ")
            throw CairnError(
                .unsupportedFormat,
                "the repository uses features that this program does not know: bits \(bits); "
                    + "use a newer one", object: Names.configText)
        }
        guard readVersion >= 1 else {
            throw CairnError(.corrupt, "format version 0 never existed", object: Names.configText)
        }
    }

    /// Checks the HMAC of the object whose bytes are `bytes`. format-spec.md §5.6 [R-2].
    static func authenticate(_ bytes: RawSpan, verificationKey: SecretBytes) throws {
        try checkTag(of: bytes, verificationKey: verificationKey, object: Names.configText)
    }
}

extension ChunkSizes {
    fileprivate func encode() -> BSONDocument {
        ["minimum": .count(minimum), "target": .count(target), "maximum": .count(maximum)]
    }

    /// Sizes that a chunker would trap on are damage.
    fileprivate init(_ document: BSONDocument, object: String) throws {
        let minimum = try document.requireCount("minimum", in: object)
        let target = try document.requireCount("target", in: object)
        let maximum = try document.requireCount("maximum", in: object)
        guard minimum > 0, minimum <= target / 4, target < maximum, maximum <= FormatLimits.chunkSizeMax else {
            throw CairnError(.corrupt, "chunk sizes \(minimum), \(target), \(maximum) make no sense", object: object)
        }
        self.init(minimum: minimum, target: target, maximum: maximum)
    }
}

/// Magic and the SHA-256 at the end of `config` and of key objects. format-spec.md §5.6 [R-3].
func checkHash(of bytes: RawSpan, headerSize: Int, magic: [UInt8], object: String) throws {
    var reader = ByteReader(bytes, object: object)
    try reader.expect(magic, "a \(object == Names.configText ? "repository config" : "key object"): its magic is wrong")
    let hashed = bytes.byteCount - Digest256.byteCount
    guard hashed >= headerSize + Digest256.byteCount else {
        throw CairnError(.corrupt, "truncated: \(bytes.byteCount) bytes", object: object)
    }
    guard SHA256.hash(bytes.extracting(0..<hashed)) == Digest256(bytes.extracting(hashed..<bytes.byteCount)) else {
        throw CairnError(.corrupt, "the SHA-256 at its end is not that of its bytes: it is damaged", object: object)
    }
}

/// The HMAC before that SHA-256.
func checkTag(of bytes: RawSpan, verificationKey: SecretBytes, prefix: RandomID? = nil, object: String) throws {
    let covered = bytes.byteCount - 2 * Digest256.byteCount
    precondition(covered >= 0)
    let message = Buffer(capacity: covered + RandomID.byteCount)
    prefix?.append(to: message)
    message.append(bytes.extracting(0..<covered))
    let expected = HMACSHA256(key: verificationKey).authenticate(message.bytes).bytes
    let stored = bytes.extracting(covered..<(covered + Digest256.byteCount))
    guard constantTimeEqual(expected.rawSpan, stored) else {
        throw CairnError(
            .corrupt, "its HMAC does not fit the repository's keys: it was altered, or belongs elsewhere",
            object: object)
    }
}
