import BSON

/// Every type, and every value at the edge of its type.
extension SampleData {
    static var values: [SampleCollection] {
        [
            SampleCollection("library", "types", documents: oneDocumentPerValue),
            SampleCollection("library", "identities", documents: identities),
        ]
    }

    private static var oneDocumentPerValue: [BSONDocument] {
        let all = doubles + texts + binaries + numbers + deprecated + nested
        var documents = all.enumerated().map { index, value in
            BSONDocument([("_id", BSONValue(index)), ("value", value)])
        }
        let everything = all.enumerated().map { ("field\($0)", $1) }
        documents.append(BSONDocument([("_id", "everything")] + everything))
        return documents
    }

    private static var doubles: [BSONValue] {
        [
            .double(0), .double(-0.0), .double(1.5), .double(-1e308), .double(.leastNonzeroMagnitude),
            .double(.infinity),
            .double(-.infinity), .double(.nan), .double(Double(bitPattern: 0x7FF8_0000_0000_1234)),
            .double(9_007_199_254_740_992),
        ]
    }

    private static var texts: [BSONValue] {
        [
            "", "plain", "nul \u{0} inside", "ünïcödé 数据 🪨", "e\u{301} and \u{E9}",
            .string(String(repeating: "long ", count: 20_000)),
            .regex(pattern: "^a.*z$", options: "imsx"), .regex(pattern: "", options: ""),
            .code("function () { return 1; }"),
        ]
    }

    private static var binaries: [BSONValue] {
        let payload: [UInt8] = [0, 1, 2, 253, 254, 255, 0, 7, 9, 11, 13, 17, 19, 23, 29, 31]
        let general = [0, 1, 3, 4, 5, 6, 8, 0x80, 0xFF].map { BSONValue.binary(subtype: $0, payload) }
        // Subtype 2 stores its length a second time, inside.
        return general + [.binary(subtype: 2, [16, 0, 0, 0] + payload), .binary(subtype: 0, [])]
    }

    private static var numbers: [BSONValue] {
        [
            .int32(.min), .int32(.max), .int64(.min), .int64(.max), .int64(1), .bool(true), .bool(false), .null,
            .date(0), .date(-1), .date(.min), .date(.max), .minKey, .maxKey,
            .timestamp(Timestamp(t: 0, i: 1)), .timestamp(Timestamp(t: .max, i: .max)),
            .objectID(objectID(1)), .objectID(ObjectID(copying: [UInt8](repeating: 0xFF, count: 12))),
            // One, NaN, infinity, minus zero, the largest: the bits as they are stored.
            .decimal128(0x3040_0000_0000_0000_0000_0000_0000_0001), .decimal128(0x7C << 120),
            .decimal128(0x78 << 120), .decimal128(0xB040 << 112),
            .decimal128(0x5FFF_ED09_BEAD_87C0_378D_8E63_FFFF_FFFF),
        ]
    }

    private static var deprecated: [BSONValue] {
        [
            .undefined, .symbol("symbol"), .dbPointer(namespace: "library.types", objectID(2)),
            .codeWithScope("function () { return x; }", ["x": 1, "nested": ["y": .null]]),
        ]
    }

    private static var nested: [BSONValue] {
        [
            [:], [], [1, "two", [3, [4, .null]], ["five": 5]],
            ["deep": deep(levels: 90)],
            // At the top level of an inserted document the server would replace it by the time.
            ["empty": .timestamp(Timestamp(t: 0, i: 0))],
            .array((0..<2_000).map { BSONValue($0) }),
        ]
    }

    private static func deep(levels: Int) -> BSONValue {
        (0..<levels).reduce(BSONValue("bottom")) { inner, level in
            level.isMultiple(of: 2) ? ["d": inner] : [inner]
        }
    }

    /// One document for every type that an `_id` can have. Numbers that compare equal are one identity, so each number
    /// is there in one type only.
    private static var identities: [BSONDocument] {
        let ids: [BSONValue] =
            [
                .minKey, .maxKey, .null, .bool(false), .bool(true), .int32(-7), .int64(1 << 40), .double(2.5),
                .double(.nan), .double(.infinity), .decimal128(0x303E_0000_0000_0000_0000_0000_0000_0001),
                "", "text", "Text", "ünïcödé", .symbol("symbol"), [:], ["a": 1, "b": 2], ["b": 2, "a": 1],
                ["nested": ["array": [1, 2, 3]]], .binary(subtype: 0, [1, 2]), .binary(subtype: 4, Array(0..<16)),
                .objectID(objectID(3)), .date(-5), .timestamp(Timestamp(t: 5, i: 6)), .code("x"),
                .dbPointer(namespace: "a.b", objectID(4)), .codeWithScope("x", [:]),
            ]
        return ids.enumerated().map { BSONDocument([("_id", $1), ("number", BSONValue($0))]) }
            + [["number": 1_000, "_id": "the id is not the first field"]]
    }
}
