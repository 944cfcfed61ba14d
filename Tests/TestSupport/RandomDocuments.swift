public import BSON
import Bytes

/// Makes random BSON from a seed: values of every type, odd names, deep and wide nesting, and ordinary documents as
/// applications store them.
public struct RandomDocuments {
    /// Where all choices come from.
    public var random: SeededGenerator

    /// Two of one seed make the same documents.
    public init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    private static let types = BSONType.allCases
    private static let names = [
        "", "a", "name", "_id", "$set", "a.b", "with space", "0", "größe", "名前", "🙂", "a\u{301}",
        "quite_a_long_field_name",
        "exactly8", "seven77", "six666", "line\nbreak", "\u{7F}",
    ]
    private static let words = [
        "alpha", "backup", "cairn", "delta", "Ägypten", "привет", "数据库", "🪨🪨", "null\u{0}inside", "x", "", "naïve",
        "the quick brown fox jumps over the lazy dog",
    ]

    /// Anything, in any order, with any names, `_id` included now and then; at most `depth` levels below the document
    /// itself.
    public mutating func document(depth: Int = 4, fieldsMax: Int = 8) -> BSONDocument {
        var fields: [(String, BSONValue)] = []
        for _ in 0..<random.integer(0..<(fieldsMax + 1)) { fields.append((name(), value(depth: depth))) }
        return BSONDocument(fields)
    }

    /// Anything, with this `_id` as its first field and no other `_id` at the top.
    public mutating func document(id: BSONValue, depth: Int = 4, fieldsMax: Int = 8) -> BSONDocument {
        let others = document(depth: depth, fieldsMax: fieldsMax).fields.filter { $0.name != "_id" }
        return BSONDocument([("_id", id)] + others.map { ($0.name, $0.value) })
    }

    /// What an application stores: names of a fixed schema, and about `bytes` bytes of words and numbers that compress.
    public mutating func ordinaryDocument(id: BSONValue, bytes: Int = 400) -> BSONDocument {
        var tags: [BSONValue] = []
        for _ in 0..<random.integer(0..<5) { tags.append(.string(random.pick(RandomDocuments.words))) }
        var text = ""
        while text.utf8.count < bytes - 200 { text += random.pick(RandomDocuments.words) + " " }
        return [
            "_id": id,
            "name": .string(random.pick(RandomDocuments.words)),
            "createdAt": .date(1_700_000_000_000 + Int64(random.integer(0..<100_000_000))),
            "active": .bool(random.once(in: 2)),
            "score": .double(Double(random.integer(0..<1_000_000)) / 64),
            "visits": .int32(Int32(random.integer(0..<100_000))),
            "tags": .array(tags),
            "address": [
                "street": .string(random.pick(RandomDocuments.words)), "zip": .int32(Int32(random.integer(0..<99_999))),
            ],
            "text": .string(text),
        ]
    }

    /// A value of any type; documents and arrays only while `depth` is above 0.
    public mutating func value(depth: Int) -> BSONValue {
        while true {
            let type = random.pick(RandomDocuments.types)
            let isNested = type == .document || type == .array || type == .codeWithScope
            if depth > 0 || !isNested { return value(of: type, depth: depth) }
        }
    }

    /// A value that a server takes as `_id`: any type but array, regex and undefined.
    public mutating func idValue() -> BSONValue {
        while true {
            let id = value(depth: 1)
            switch id.type {
            case .array, .regex, .undefined: continue
            default: return id
            }
        }
    }

    /// A value of that type.
    public mutating func value(of type: BSONType, depth: Int) -> BSONValue {
        switch type {
        case .double: .double(double())
        case .string: .string(text())
        case .document: .document(document(depth: depth - 1, fieldsMax: 4))
        case .array: .array((0..<random.integer(0..<5)).map { _ in value(depth: depth - 1) })
        case .binary: binary()
        case .undefined: .undefined
        case .objectID: .objectID(objectID())
        case .bool: .bool(random.once(in: 2))
        case .date: .date(integer())
        case .null: .null
        case .regex: .regex(pattern: name(), options: random.pick(["", "i", "im", "imsx"]))
        case .dbPointer: .dbPointer(namespace: text(), objectID())
        case .code: .code(text())
        case .symbol: .symbol(text())
        case .codeWithScope: .codeWithScope(text(), document(depth: depth - 1, fieldsMax: 3))
        case .int32: .int32(Int32(truncatingIfNeeded: integer()))
        case .timestamp: .timestamp(Timestamp(rawValue: UInt64(bitPattern: integer())))
        case .int64: .int64(integer())
        case .decimal128: .decimal128(UInt128(random.next()) << 64 | UInt128(random.next()))
        case .maxKey: .maxKey
        case .minKey: .minKey
        }
    }

    private mutating func name() -> String { random.pick(RandomDocuments.names) }

    private mutating func text() -> String {
        (0..<random.integer(0..<(random.once(in: 20) ? 60 : 4))).map { _ in random.pick(RandomDocuments.words) }.joined(
            separator: " ")
    }

    private mutating func double() -> Double {
        switch random.integer(0..<4) {
        case 0: Double(bitPattern: random.next())
        case 1: Double(random.integer(-1000..<1000))
        case 2: random.pick([0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, 0x1p63, -0x1p63, 0x1p53])
        default: Double.random(in: -1e6..<1e6, using: &random)
        }
    }

    private mutating func integer() -> Int64 {
        switch random.integer(0..<3) {
        case 0: Int64(bitPattern: random.next())
        case 1: Int64(random.integer(-100..<100))
        default: random.pick([Int64.min, .max, 0, -1, 1 << 31, -(1 << 31), 1 << 53 + 1])
        }
    }

    private mutating func objectID() -> ObjectID { ObjectID(random.bytes(12).rawSpan) }

    private mutating func binary() -> BSONValue {
        let subtype = random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x80, 0xFF] as [UInt8])
        let payload = random.bytes(subtype == 3 || subtype == 4 ? 16 : random.integer(0..<40))
        guard subtype == 2 else { return .binary(subtype: subtype, payload) }
        // The old subtype carries its length a second time.
        return .binary(subtype: subtype, [UInt8(payload.count), 0, 0, 0] + payload)
    }
}
