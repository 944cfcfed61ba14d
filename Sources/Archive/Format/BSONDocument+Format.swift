import BSON
import Bytes

/// A date field; `Int64` would read as a whole number.
struct BSONDate: BSONFieldValue {
    let milliseconds: Int64

    static var expectation: String { "a date" }

    init?(field element: borrowing ElementView) {
        guard let value = element.date else { return nil }
        milliseconds = value
    }
}

/// Fields as the metadata documents of the format use them. format-spec.md §3.4 [B-1].
extension BSONDocument {
    /// A whole number that counts something.
    func requireCount(_ name: String, in object: String) throws -> Int {
        let value: Int = try require(name, in: object)
        guard value >= 0, value <= FormatLimits.countMax else {
            throw CairnError(.corrupt, "field \"\(name)\" is \(value), which counts nothing", object: object)
        }
        return value
    }

    func requireDate(_ name: String, in object: String) throws -> Int64 {
        try require(name, as: BSONDate.self, in: object).milliseconds
    }

    func requireBytes(_ name: String, count: Int, in object: String) throws -> [UInt8] {
        let bytes = try require(name, as: BSONBinary.self, in: object).bytes
        guard bytes.count == count else {
            throw CairnError(
                .corrupt, "field \"\(name)\" holds \(bytes.count) bytes, where \(count) are needed", object: object)
        }
        return bytes
    }

    func requireID(_ name: String, in object: String) throws -> RandomID {
        let bytes = try requireBytes(name, count: RandomID.byteCount, in: object)
        return RandomID(bytes.rawSpan)
    }

    func requireDigest(_ name: String, in object: String) throws -> Digest256 {
        let bytes = try requireBytes(name, count: Digest256.byteCount, in: object)
        return Digest256(bytes.rawSpan)
    }

    /// Digests one after the other in one binary field.
    func requireDigests(_ name: String, in object: String) throws -> [Digest256] {
        let bytes = try require(name, as: BSONBinary.self, in: object).bytes
        let count = bytes.count / Digest256.byteCount
        guard bytes.count == count * Digest256.byteCount else {
            throw CairnError(
                .corrupt, "field \"\(name)\" holds \(bytes.count) bytes, no whole number of digests", object: object)
        }
        let span = bytes.rawSpan
        return (0..<count).map { Digest256(span.extracting(($0 * 32)..<($0 * 32 + 32))) }
    }

    /// The version that says how to read the rest. format-spec.md §10.1 [V-3].
    @discardableResult
    func requireVersion(_ known: Int, in object: String) throws -> Int {
        let version: Int = try require("version", in: object)
        guard version <= known else {
            throw CairnError(
                .unsupportedFormat,
                "version \(version) is not known to this program, which knows \(known); "
                    + "use a newer one", object: object)
        }
        guard version >= 1 else { throw CairnError(.corrupt, "version \(version) never existed", object: object) }
        return version
    }

    /// Parses stored bytes; whatever is wrong with them is damage of `object`.
    static func parse(_ bytes: RawSpan, object: String) throws -> BSONDocument {
        do {
            return try BSONDocument(copying: bytes)
        } catch {
            throw CairnError(
                .corrupt, "not a valid BSON document", object: object, offset: error.offset, underlying: error)
        }
    }
}

extension BSONValue {
    static func id(_ id: RandomID) -> BSONValue { .binary(subtype: 0, id.bytes) }

    static func digest(_ digest: Digest256) -> BSONValue { .binary(subtype: 0, digest.bytes) }

    static func digests(_ digests: [Digest256]) -> BSONValue {
        let buffer = Buffer(capacity: digests.count * Digest256.byteCount)
        for digest in digests { digest.append(to: buffer) }
        return .binary(subtype: 0, buffer.array)
    }

    static func strings(_ strings: [String]) -> BSONValue { .array(strings.map { .string($0) }) }

    static func count(_ count: Int) -> BSONValue { .int64(Int64(count)) }
}
