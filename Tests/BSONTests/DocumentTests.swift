import BSON
import Bytes
import TestSupport
import Testing

/// Owned documents, the builder and views: what one writes, the others read.
@Suite struct DocumentTests {
    @Test func aLiteralKeepsItsOrder() throws {
        let command: BSONDocument = [
            "find": "coll", "batchSize": 100, "filter": ["a": ["$gt": 5]], "list": [1, "b", .null],
        ]
        #expect(command.names == ["find", "batchSize", "filter", "list"])
        #expect(command["find"] == "coll")
        #expect(command["filter"] == ["a": ["$gt": 5]])
        #expect(command["list"] == [1, "b", .null])
        #expect(command["absent"] == nil)
        #expect(command.contains("list") && !command.contains("a"))
        try BSONValidator.validate(command.bytes.rawSpan, strictness: .specification)
    }

    @Test func integersTakeTheSmallestType() {
        let document: BSONDocument = ["a": 2_147_483_647, "b": 2_147_483_648, "c": -2_147_483_648, "d": -2_147_483_649]
        #expect(document.fields.map(\.value.type) == [.int32, .int64, .int32, .int64])
    }

    @Test func theBytesAreThoseOfTheSpecification() {
        #expect(BSONDocument().bytes == [5, 0, 0, 0, 0])
        // The first example of bsonspec.org.
        let hello: BSONDocument = ["hello": "world"]
        #expect(hello.bytes == [0x16, 0, 0, 0, 2] + "hello\u{0}".utf8 + [6, 0, 0, 0] + "world\u{0}\u{0}".utf8)
    }

    @Test(arguments: (20..<30).map(UInt64.init)) func viewsReadWhatTheBuilderWrote(seed: UInt64) throws {
        var random = RandomDocuments(seed: seed)
        for _ in 0..<200 {
            let document = random.document()
            try BSONValidator.validate(document.bytes.rawSpan, strictness: .specification)
            #expect(try BSONDocument(validating: document.bytes) == document, "seed \(seed)")
            let rebuilt = BSONDocument(document.fields.map { ($0.name, $0.value) })
            #expect(rebuilt == document, "seed \(seed): \(document.fields)")
            let copied = try copyElements(of: document)
            #expect(copied == document, "seed \(seed): \(document.fields)")
        }
    }

    private func copyElements(of document: BSONDocument) throws -> BSONDocument {
        var builder = DocumentBuilder()
        var elements = document.view.makeElements()
        while let element = try elements.next() {
            if element.type == .document {
                builder.append(element.nameText, document: element.value)
            } else if element.type == .array {
                builder.append(element.nameText, type: .array, rawValue: element.value)
            } else {
                builder.append(element)
            }
        }
        return builder.finish()
    }

    @Test func nestingInPlaceEqualsNestingByValue() {
        var builder = DocumentBuilder()
        builder.append("a", 1)
        builder.openDocument("b")
        builder.openArray("c")
        builder.append("0", "x")
        builder.close()
        builder.append("d", ifPresent: nil)
        builder.close()
        builder.appendDocument("e") { $0.append("f", true) }
        #expect(builder.finish() == ["a": 1, "b": ["c": ["x"]], "e": ["f": true]])
    }

    @Test func aBufferTakesTheSameBytes() {
        let buffer = Buffer(capacity: 0)
        var builder = DocumentBuilder()
        builder.append("a", "b")
        builder.finish(into: buffer)
        #expect(buffer.array == (["a": "b"] as BSONDocument).bytes)
    }

    @Test func requiredFieldsAreReadByType() throws {
        let document: BSONDocument = [
            "at": .timestamp(Timestamp(t: 5, i: 7)), "count": .int64(1 << 40), "whole": 3.0, "half": 0.5, "on": true,
            "name": "x", "inner": ["a": 1], "list": ["a", "b"], "data": .binary(subtype: 4, [1, 2]), "gone": .null,
        ]
        #expect(try document.require("at", as: Timestamp.self, in: "o") == Timestamp(t: 5, i: 7))
        #expect(try document.require("count", as: Int.self, in: "o") == 1 << 40)
        #expect(try document.require("whole", as: Int64.self, in: "o") == 3)
        #expect(try document.require("half", as: Double.self, in: "o") == 0.5)
        #expect(try document.require("on", as: Bool.self, in: "o"))
        #expect(try document.require("name", as: String.self, in: "o") == "x")
        #expect(try document.require("inner", as: BSONDocument.self, in: "o") == ["a": 1])
        #expect(try document.require("list", as: [String].self, in: "o") == ["a", "b"])
        #expect(try document.require("data", as: BSONBinary.self, in: "o").bytes == [1, 2])
        #expect(try document.optional("gone", as: Int.self, in: "o") == nil)
        #expect(try document.optional("absent", as: Int.self, in: "o") == nil)
        #expect(try document.optional("count", as: Int.self, in: "o") == 1 << 40)
    }

    @Test func errorsNameTheFieldAndTheObject() throws {
        let document: BSONDocument = ["a": "text", "n": .int64(1 << 40)]
        func error(_ body: () throws -> Void) throws -> CairnError {
            try #require(throws: CairnError.self) { try body() }
        }
        let missing = try error { _ = try document.require("b", as: Int.self, in: "snapshots/x") }
        #expect(missing.code == .corrupt && missing.object == "snapshots/x" && missing.message.contains("\"b\""))
        let mistyped = try error { _ = try document.require("a", as: Timestamp.self, in: "snapshots/x") }
        #expect(
            mistyped.code == .corrupt && mistyped.message.contains("\"a\"") && mistyped.message.contains("timestamp"))
        let wide = try error { _ = try document.optional("n", as: Int32.self, in: "snapshots/x") }
        #expect(wide.code == .corrupt)
        let mixed: BSONDocument = ["list": ["a", 1]]
        _ = try error { _ = try mixed.require("list", as: [String].self, in: "o") }
    }

    @Test func textThatIsNotUTF8IsKeptButNotReadAsText() throws {
        var bytes = (["name": "xyz"] as BSONDocument).bytes
        bytes[bytes.count - 4] = 0xFF
        let document = try BSONDocument(validating: bytes)
        #expect(document.bytes == bytes)
        #expect(document["name"] == "x\u{FFFD}z")
        #expect(throws: CairnError.self) { try document.require("name", as: String.self, in: "o") }
    }

    @Test func objectIDsSortAndPrintAsStored() {
        let low = ObjectID(([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as [UInt8]).rawSpan)
        let high = ObjectID(([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xFF] as [UInt8]).rawSpan)
        #expect(low < high && low.bytes == Array(0..<12))
        #expect(low.description == "000102030405060708090a0b")
    }

    @Test func timestampsSortUnsigned() {
        let late = Timestamp(t: .max, i: 0)
        #expect(Timestamp(t: 1, i: .max) < Timestamp(t: 2, i: 0) && Timestamp(t: 2, i: 0) < late)
        #expect(Timestamp(rawValue: late.rawValue) == late && late.description == "4294967295.0")
    }
}
