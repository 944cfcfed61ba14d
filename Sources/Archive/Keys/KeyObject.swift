
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

    var method: Method
    var repository: RandomID
    var label: String
    var created: Int64
    var salt: [UInt8]
    var cost: PassphraseCost?
    var wrapped: [UInt8]
    var tag: Digest256
    /// Header and public part as stored: what the wrapping authenticates.
    var authenticated: [UInt8]
}
