import BSON
import Bytes

/// The validator again, written for plainness from bsonspec.org: the oracle that the fast one is compared with.
///
/// Recursive, one check a line, nothing shared with the module but the names of the types.
struct ReferenceValidator {
    let bytes: [UInt8]
    let checksText: Bool

    struct Malformed: Error {}

    static func accepts(_ bytes: [UInt8], checksText: Bool) -> Bool {
        let validator = ReferenceValidator(bytes: bytes, checksText: checksText)
        return (try? validator.document(0..<bytes.count, depth: 1)) != nil
    }

    private func require(_ condition: Bool) throws { if !condition { throw Malformed() } }

    private func int32(_ at: Int, in range: Range<Int>) throws -> Int {
        try require(at >= range.lowerBound && at + 4 <= range.upperBound)
        return Int(Int32(truncatingIfNeeded: (0..<4).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }))
    }

    private func text(_ range: Range<Int>) throws {
        if checksText { try require(String(validating: bytes[range], as: UTF8.self) != nil) }
    }

    private func cString(_ at: Int, in range: Range<Int>) throws -> Int {
        guard let end = (at..<range.upperBound).first(where: { bytes[$0] == 0 }) else { throw Malformed() }
        try text(at..<end)
        return end + 1
    }

    private func string(_ at: Int, in range: Range<Int>) throws -> Int {
        let length = try int32(at, in: range)
        let end = at + 4 + length
        try require(length >= 1 && end <= range.upperBound && bytes[end - 1] == 0)
        try text((at + 4)..<(end - 1))
        return end
    }

    /// Exactly one document.
    private func document(_ range: Range<Int>, depth: Int) throws {
        try require(depth <= 256)
        try require(try int32(range.lowerBound, in: range) == range.count)
        try require(range.count >= 5 && bytes[range.upperBound - 1] == 0)
        let body = (range.lowerBound + 4)..<(range.upperBound - 1)
        var at = body.lowerBound
        while at < body.upperBound {
            guard let type = BSONType(rawValue: bytes[at]) else { throw Malformed() }
            at = try value(type, try cString(at + 1, in: body), in: body, depth: depth)
            try require(at <= body.upperBound)
        }
    }

    private func embedded(_ at: Int, in range: Range<Int>, depth: Int) throws -> Int {
        let end = at + (try int32(at, in: range))
        try require(end >= at + 5 && end <= range.upperBound)
        try document(at..<end, depth: depth + 1)
        return end
    }

    private func value(_ type: BSONType, _ at: Int, in range: Range<Int>, depth: Int) throws -> Int {
        switch type {
        case .null, .undefined, .minKey, .maxKey: return at
        case .bool:
            try require(at < range.upperBound && bytes[at] < 2)
            return at + 1
        case .int32: return at + 4
        case .double, .int64, .date, .timestamp: return at + 8
        case .objectID: return at + 12
        case .decimal128: return at + 16
        case .string, .code, .symbol: return try string(at, in: range)
        case .document, .array: return try embedded(at, in: range, depth: depth)
        case .regex: return try cString(try cString(at, in: range), in: range)
        case .dbPointer: return try string(at, in: range) + 12
        case .binary:
            let length = try int32(at, in: range)
            try require(length >= 0 && at + 5 + length <= range.upperBound)
            if bytes[at + 4] == 2, checksText {
                try require(length >= 4 && (try int32(at + 5, in: range)) == length - 4)
            }
            return at + 5 + length
        case .codeWithScope:
            let end = at + (try int32(at, in: range))
            try require(end >= at + 14 && end <= range.upperBound)
            try require(try embedded(try string(at + 4, in: at..<end), in: at..<end, depth: depth) == end)
            return end
        }
    }
}
