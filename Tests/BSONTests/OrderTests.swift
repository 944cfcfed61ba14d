import BSON
import Bytes
import TestSupport
import Testing

/// The order of values against what a server answered, and against the laws of an order.
@Suite struct OrderTests {
    private func compareIDs(_ left: BSONDocument, _ right: BSONDocument) throws -> BSONOrder.Comparison {
        try BSONOrder.compareIdentities(
            DocumentIdentity.idBytes(of: left.bytes.rawSpan), DocumentIdentity.idBytes(of: right.bytes.rawSpan))
    }

    private func compare(_ left: BSONValue, _ right: BSONValue) throws -> BSONOrder.Comparison {
        try compareIDs(["_id": left], ["_id": right])
    }

    @Test func agreesWithAServer() throws {
        let documents = try ServerOrder.documents.map { try BSONDocument(validating: #require(Hex.decode(String($0)))) }
        #expect(documents.count == 118)
        for (index, left) in documents.enumerated() {
            for (other, right) in documents.enumerated() {
                let expected: BSONOrder.Comparison = index < other ? .less : index == other ? .equal : .greater
                #expect(try compareIDs(left, right) == expected, "\(left.fields) and \(right.fields)")
            }
        }
    }

    @Test func typesFallIntoTheServersBrackets() throws {
        let ascending: [BSONValue] = [
            .minKey, .undefined, .null, 1, "text", ["a": 1], .array([1]), .binary(subtype: 0, []),
            .objectID(ObjectID([UInt8](repeating: 0, count: 12).rawSpan)), false, .date(0),
            .timestamp(Timestamp(rawValue: 0)),
            .regex(pattern: "", options: ""),
            .dbPointer(namespace: "", ObjectID([UInt8](repeating: 0, count: 12).rawSpan)), .code(""),
            .codeWithScope("", [:]), .maxKey,
        ]
        for (left, right) in zip(ascending, ascending.dropFirst()) {
            #expect(try compare(left, right) == .less, "\(left) and \(right)")
            #expect(try compare(right, left) == .greater, "\(right) and \(left)")
        }
    }

    @Test func numbersOfAllTypesCompareByValue() throws {
        let one: [BSONValue] = [1, .int64(1), 1.0, .decimal128(6176 << 113 | 1), .decimal128(6175 << 113 | 10)]
        for left in one {
            for right in one { #expect(try compare(left, right) == .equal, "\(left) and \(right)") }
        }
        let zero: [BSONValue] = [0, 0.0, -0.0, .decimal128(0), .decimal128(1 << 127), .decimal128(3 << 125)]
        for left in zero {
            for right in zero { #expect(try compare(left, right) == .equal, "\(left) and \(right)") }
        }
        let nan: [BSONValue] = [.double(.nan), .decimal128(0x1F << 122), .decimal128(0x3F << 122)]
        for left in nan {
            for right in nan { #expect(try compare(left, right) == .equal, "\(left) and \(right)") }
            #expect(try compare(left, .double(-.infinity)) == .less)
        }
        #expect(try compare(.symbol("a"), "a") == .equal, "symbols sort among strings")
    }

    @Test func regexesSortByPatternThenOptions() throws {
        // A regex is no `_id`; the order is that of an index over a field, as a mongod 6.0.5 answered it.
        let ascending = [("", ""), ("a", ""), ("a", "i"), ("a", "im"), ("a\u{1}", ""), ("ab", ""), ("b", "")]
        for (left, right) in zip(ascending, ascending.dropFirst()) {
            let values = [left, right].map { BSONValue.regex(pattern: $0.0, options: $0.1) }
            #expect(try compare(values[0], values[1]) == .less, "\(left) and \(right)")
        }
    }

    @Test func arraysCompareByElementThenLength() throws {
        let ascending: [BSONValue] = [[], [.null], [1], [1, 2], [1, "a"], [2], ["a"], [["x": 1]]]
        for (left, right) in zip(ascending, ascending.dropFirst()) {
            #expect(try compare(left, right) == .less, "\(left) and \(right)")
        }
    }

    @Test(arguments: [11, 12, 13] as [UInt64]) func isATotalOrder(seed: UInt64) throws {
        var random = RandomDocuments(seed: seed)
        let ids = (0..<60).map { _ in random.idValue() }
        for a in ids {
            #expect(try compare(a, a) == .equal, "seed \(seed): \(a)")
            for b in ids {
                let order = try compare(a, b)
                #expect(try compare(b, a).rawValue == -order.rawValue, "seed \(seed): \(a) and \(b)")
                for c in ids where order != .greater {
                    guard try compare(b, c) != .greater else { continue }
                    let outer = try compare(a, c)
                    #expect(outer != .greater, "seed \(seed): \(a), \(b), \(c)")
                }
            }
        }
    }

    @Test func missingIdentitiesComeFirst() throws {
        #expect(try compareIDs(BSONDocument(), ["_id": .minKey]) == .less)
        #expect(try compareIDs(BSONDocument(), BSONDocument()) == .equal)
    }
}
