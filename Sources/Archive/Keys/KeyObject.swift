import BSON
import Bytes

/// The cost of scrypt. format-spec.md §5.5 [K-7].
public struct PassphraseCost: Sendable, Hashable {
    /// log2 of N.
    public var logN: Int
    /// Block size.
    public var r: Int
    /// Parallelisation; computed one after the other here.
    public var p: Int

    /// N = 2^17, r = 8, p = 1: 128 MiB and about half a second, OWASP's recommendation.
    public static let standard = PassphraseCost(logN: 17, r: 8, p: 1)

    /// A cost of one's own, for tests.
    public init(logN: Int, r: Int, p: Int) {
        self.logN = logN
        self.r = r
        self.p = p
    }

    /// Refuses what would ask for more memory or time than a repository may. format-spec.md §5.5 [K-8].
    func validate(object: String) throws {
        guard (1...24).contains(logN), (1...1024).contains(r), (1...1024).contains(p),
            128 * (1 << logN) * r <= FormatLimits.scryptMemoryMax,
            (1 << logN) * r * p <= FormatLimits.scryptWorkMax
        else {
            throw CairnError(
                .corrupt, "scrypt cost N=2^\(logN), r=\(r), p=\(p) is out of bounds", object: object)
        }
    }
}

/// A key object: the master keys, wrapped under a passphrase or a key file. format-spec.md §5.5 [K-5].
///
/// ```
/// offset size field
///      0    8 magic CA 49 52 4E 6B 0D 0A 1A
///      8    1 structure version, 1
///      9    1 method: 1 passphrase, 2 key file
///     10    2 reserved, zero
///     12    4 P: length of the public part, u32
///     16    4 S: length of the wrapped part, u32, tag included
///     20    4 reserved, zero
///     24   16 repository id
///     40    P public part: BSON
///   40+P    S wrapped part: AES-256-GCM(key-encryption key, nonce 0, u32 count ‖ master keys)
/// 40+P+S   32 HMAC-SHA-256(verification key, key id ‖ all before)
/// 72+P+S   32 SHA-256 of all before
/// ```
/// The hash tells damage from a wrong passphrase; the HMAC lets whoever opened the repository by another key
/// trust the label and the date.
struct KeyObject: Sendable {
    enum Method: UInt8, Sendable {
        case passphrase = 1
        case keyFile = 2
    }

    static let headerSize = 40
    static let tailSize = 64
    static let saltSize = 32

    var id: RandomID
    var method: Method
    var repository: RandomID
    var label: String
    var created: Int64
    var salt: [UInt8]
    /// Only for passphrases.
    var cost: PassphraseCost?
    var wrapped: [UInt8]
    /// Header and public part as stored: what the wrapping authenticates.
    var authenticated: [UInt8]

    var name: String { Names.keys + id.hex }
}

// Reading and opening.
extension KeyObject {
    /// Reads everything that can be read without a secret. format-spec.md §5.5 [K-6].
    ///
    /// - Throws: `.corrupt` naming the object, `.unsupportedFormat` for a newer structure or method.
    init(id: RandomID, _ bytes: RawSpan) throws {
        let object = Names.keys + id.hex
        try checkHash(of: bytes, headerSize: KeyObject.headerSize, magic: Magic.key, object: object)
        var reader = ByteReader(bytes, object: object)
        _ = try reader.bytes(Magic.key.count)
        try reader.expectStructureVersion()
        let methodByte = try reader.integer(as: UInt8.self)
        guard let method = Method(rawValue: methodByte) else {
            throw CairnError(.unsupportedFormat, "key method \(methodByte) is not known", object: object)
        }
        try reader.expectZero(2, "reserved bytes of the key object")
        let publicCount = Int(try reader.integer(as: UInt32.self))
        let wrappedCount = Int(try reader.integer(as: UInt32.self))
        try reader.expectZero(4, "reserved bytes of the key object")
        let repository = try reader.readID()
        let parameters = try BSONDocument.parse(try reader.bytes(publicCount), object: object)
        let wrapped = try reader.readArray(wrappedCount)
        _ = try reader.bytes(KeyObject.tailSize)
        try reader.expectEnd()
        self.id = id
        self.method = method
        self.repository = repository
        self.wrapped = wrapped
        authenticated = [UInt8](bytes.extracting(0..<(KeyObject.headerSize + publicCount)))
        label = try parameters.require("label", in: object)
        created = try parameters.requireDate("created", in: object)
        salt = try parameters.requireBytes("salt", count: KeyObject.saltSize, in: object)
        if method == .passphrase {
            let cost = PassphraseCost(
                logN: try parameters.requireCount("logN", in: object), r: try parameters.requireCount("r", in: object),
                p: try parameters.requireCount("p", in: object))
            try cost.validate(object: object)
            self.cost = cost
        }
    }

    /// The master keys, or nil when `source` does not open this object.
    ///
    /// - Throws: `.corrupt` when it opens and what it holds makes no sense.
    func unwrap(_ source: KeySource) throws -> [SecretBytes]? {
        guard source.method == method else { return nil }
        let cipher = AESGCM()
        cipher.setKey(try KeyObject.encryptionKey(source, salt: salt, cost: cost))
        let plaintext = Buffer(capacity: wrapped.count)
        plaintext.append(wrapped)
        defer { KeyObject.wipe(plaintext) }
        let associated = KeyObject.associatedData(id: id, authenticated: authenticated)
        guard cipher.open(plaintext, from: 0, nonce: 0, aad: associated.bytes) else { return nil }
        var reader = ByteReader(plaintext.bytes, object: name)
        let count = Int(try reader.integer(as: UInt32.self))
        guard (1...FormatLimits.epochsMax).contains(count) else {
            throw CairnError(.corrupt, "a key object wraps \(count) master keys", object: name)
        }
        var masters: [SecretBytes] = []
        for _ in 0..<count { masters.append(SecretBytes(copying: try reader.bytes(32))) }
        try reader.expectEnd()
        return masters
    }

    private static func associatedData(id: RandomID, authenticated: [UInt8]) -> Buffer {
        let buffer = Buffer(capacity: authenticated.count + RandomID.byteCount)
        id.append(to: buffer)
        buffer.append(authenticated)
        return buffer
    }

    private static func encryptionKey(
        _ source: KeySource, salt: [UInt8], cost: PassphraseCost?
    ) throws -> SecretBytes {
        var secret = source.secret
        if case .passphrase = source {
            guard let cost else { preconditionFailure("a passphrase needs a cost") }
            secret = try KeyDerivation.scrypt(
                passphrase: secret, salt: salt, n: 1 << UInt64(cost.logN), r: UInt32(cost.r), p: UInt32(cost.p))
        }
        return KeyDerivation.hkdf(key: secret, salt: salt, info: "cairn/1 wrap", count: 32)
    }

    /// Overwrites what held master keys for a moment.
    fileprivate static func wipe(_ buffer: Buffer) {
        let zeros = [UInt8](repeating: 0, count: buffer.count)
        buffer.overwrite(at: 0, with: zeros.rawSpan)
    }
}

// Making.
extension KeyObject {
    /// The whole object that wraps the master keys of `keys` for `source`. format-spec.md §5.5 [K-5].
    static func make(
        id: RandomID, source: KeySource, keys: KeyRing, label: String, created: Int64, salt: [UInt8],
        cost: PassphraseCost
    ) throws -> Buffer {
        precondition(salt.count == saltSize)
        guard label.utf8.count <= FormatLimits.keyLabelMax else {
            throw CairnError(.usage, "the label of a key has at most \(FormatLimits.keyLabelMax) bytes")
        }
        if case .keyFile(let secret) = source, secret.count != 32 {
            throw CairnError(.usage, "a key file holds exactly 32 bytes, this one \(secret.count)")
        }
        try cost.validate(object: Names.keys + id.hex)
        let parameters = publicPart(source, label: label, created: created, salt: salt, cost: cost)
        let wrappedCount = 4 + 32 * keys.masters.count + AESGCM.tagByteCount
        let object = Buffer(capacity: 1024)
        object.append(Magic.key)
        object.append(littleEndian: FormatVersion.structures)
        object.append(littleEndian: source.method.rawValue)
        object.append([0, 0])
        object.append(littleEndian: UInt32(parameters.bytes.count))
        object.append(littleEndian: UInt32(wrappedCount))
        object.append([0, 0, 0, 0])
        keys.repository.append(to: object)
        precondition(object.count == headerSize)
        object.append(parameters.bytes)
        let associated = associatedData(id: id, authenticated: object.array)
        let start = object.count
        object.append(littleEndian: UInt32(keys.masters.count))
        for master in keys.masters { object.append(master.bytes) }
        let cipher = AESGCM()
        cipher.setKey(try encryptionKey(source, salt: salt, cost: cost))
        cipher.seal(object, from: start, nonce: 0, aad: associated.bytes)
        precondition(object.count == start + wrappedCount)
        let message = Buffer(capacity: object.count + RandomID.byteCount)
        id.append(to: message)
        message.append(object.bytes)
        HMACSHA256(key: keys.verificationKey).authenticate(message.bytes).append(to: object)
        SHA256.hash(object.bytes).append(to: object)
        return object
    }

    private static func publicPart(
        _ source: KeySource, label: String, created: Int64, salt: [UInt8], cost: PassphraseCost
    ) -> BSONDocument {
        BSONDocument { builder in
            builder.append("label", .string(label))
            builder.append("created", .date(created))
            builder.append("salt", .binary(subtype: 0, salt))
            if case .passphrase = source {
                builder.append("logN", .int32(Int32(cost.logN)))
                builder.append("r", .int32(Int32(cost.r)))
                builder.append("p", .int32(Int32(cost.p)))
            }
        }
    }
}
