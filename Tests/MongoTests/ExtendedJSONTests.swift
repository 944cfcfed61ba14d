import BSON
import Bytes
import Mongo
import Testing

@Suite struct ExtendedJSONTests {
    @Test func everyTypeSurvivesTheWayBack() throws {
        let document: BSONDocument = [
            "double": 1.5, "string": "ü\n\"", "doc": ["a": 1], "array": [1, "2"],
            "binary": .binary(subtype: 4, [UInt8](repeating: 1, count: 16)),
            "bool": true, "date": .date(-1), "null": .null, "regex": .regex(pattern: "a/b", options: "i"),
            "code": .code("x"),
            "int32": 5, "ts": .timestamp(Timestamp(t: 1, i: 2)), "int64": .int64(1 << 40), "min": .minKey,
            "max": .maxKey, "$odd.name": 1,
        ]
        #expect(try ExtendedJSON.parse(ExtendedJSON.canonical(document)) == document)
    }

    @Test func errors() throws {
        #expect(throws: CairnError.self) { try ExtendedJSON.parse("{") }
        #expect(throws: CairnError.self) { try ExtendedJSON.parseValue("1}, {\"x\": 2") }
        let valid: BSONDocument = ["a": "xx"]
        let broken: [UInt8] = valid.bytes.map { $0 == UInt8(ascii: "x") ? 0xFF : $0 }
        #expect(throws: CairnError.self) { try ExtendedJSON.canonical(broken.rawSpan) }
    }

    @Test func singleValues() throws {
        #expect(try ExtendedJSON.parseValue("5") == 5)
        #expect(try ExtendedJSON.parseValue("\"x\"") == "x")
        #expect(try ExtendedJSON.parseValue("{\"$numberLong\": \"7\"}") == .int64(7))
    }
}
