import BSON
import Bytes
import Foundation
import TestSupport
import Testing

@testable import Columns

/// Every valid chunk comes back byte for byte, however odd its documents.
@Suite struct RoundTripTests {
    @Test(arguments: 0..<60) func randomDocuments(seed: Int) {
        var documents = RandomDocuments(seed: UInt64(seed))
        let count = 1 << (seed % 9)
        let chunk = Chunks.of(
            (0..<count).map { _ in documents.document(depth: 2 + seed % 5, fieldsMax: 4 + seed % 20) })
        #expect(Chunks.roundTrip(chunk) != nil)
    }

    @Test(arguments: [1, 3, 19]) func ordinaryDocumentsAreAFractionOfTheirRows(level: Int) throws {
        var documents = RandomDocuments(seed: 7)
        let chunk = Chunks.of((0..<1_500).map { documents.ordinaryDocument(id: .int32($0)) })
        let columns = try #require(Chunks.roundTrip(chunk, level: level))
        let rows = Buffer(capacity: 0)
        let size = ZstdCompressor(level: level).compress(chunk.rawSpan, appendingTo: rows)
        #expect(columns.count < size ?? chunk.count)
    }

    @Test func emptyAndOddNames() {
        let odd: [BSONDocument] = [
            [:], ["": 1], ["": ["": ["": [] as BSONValue]]], ["a": 1, "a": 2, "a": "three"],
            ["a": [:], "a": [] as BSONValue],
            ["0": 1, "1": 2], ["1": ["0": [1, 2] as BSONValue]], ["$set": ["a.b": 1]],
        ]
        for count in [1, 5, 40] {
            #expect(Chunks.roundTrip(Chunks.of((0..<count).flatMap { _ in odd })) != nil)
        }
    }

    /// Servers store arrays whose keys are not "0", "1", …; so are they kept.
    @Test func arraysWithOtherKeys() {
        var chunk: [UInt8] = []
        for keys in [
            ["0", "1", "2"], ["1", "2"], ["0", "0", "0"], ["", "a"], ["00", "01"], ["0", "x", "2"], ["-0"],
        ] {
            let inner = BSONDocument(keys.map { ($0, .int32(7)) }).bytes
            let element: [UInt8] = [0x04, 0x61, 0x00] + inner + [0x00]
            let count = UInt32(element.count + 4)
            chunk += (0..<4).map { UInt8(truncatingIfNeeded: count >> UInt32(8 * $0)) } + element
        }
        for _ in 0..<3 { chunk += chunk }
        #expect(Chunks.roundTrip(chunk) != nil)
    }

    @Test func longArrays() {
        let numbers = BSONValue.array((0..<120_000).map { .int32(Int32($0 % 7)) })
        let mixed = BSONValue.array((0..<3_000).map { $0 % 3 == 0 ? .null : $0 % 3 == 1 ? .string("x\($0)") : [:] })
        #expect(Chunks.roundTrip(Chunks.of([["a": numbers, "b": mixed], ["a": mixed]])) != nil)
    }

    /// Names that are data: kept in a column from the second container on.
    @Test func documentsUsedAsMaps() throws {
        var random = SeededGenerator(seed: 3)
        let chunk = Chunks.of(
            (0..<400).map { number in
                let entries = (0..<20).map { _ in
                    ("k\(random.next())", BSONValue.document(["n": .int32(Int32(number)), "s": "text"]))
                }
                return ["_id": BSONValue(number), "map": .document(BSONDocument(entries))]
            })
        let encoded = try #require(Chunks.roundTrip(chunk))
        #expect(encoded.count < chunk.count / 3)
    }

    /// More names behind one place than a symbol can tell apart, and than elements fit.
    @Test(arguments: [300, 5_000]) func moreNamesThanTheTablesHold(names: Int) {
        var random = SeededGenerator(seed: 4)
        let chunk = Chunks.of(
            (0..<600).map { _ in
                BSONDocument((0..<40).map { _ in ("name\(random.integer(0..<names))", .int32(1)) })
            })
        #expect(Chunks.roundTrip(chunk) != nil)
    }

    @Test func deepDocuments() {
        var value: BSONValue = 1
        for level in 0..<180 { value = level % 2 == 0 ? ["d": value] : [value, 2] }
        #expect(Chunks.roundTrip(Chunks.of([["x": value], ["x": value, "y": value]])) != nil)
    }

    @Test func oneVeryLargeDocument() {
        var random = SeededGenerator(seed: 5)
        let text = String(decoding: random.bytes(1 << 20).map { $0 & 0x3F | 0x40 }, as: UTF8.self)
        let parts = (0..<15).map { ("t\($0)", BSONValue.string(text)) }
        let document = BSONDocument(parts + [("b", .binary(subtype: 0, random.bytes(900_000)))])
        #expect(Chunks.roundTrip(document.bytes) != nil)
    }

    @Test func invalidChunksAreRefused() {
        let output = Buffer(capacity: 0)
        let encoder = ColumnarEncoder(level: 3)
        let document = BSONDocument([("a", "text that is long enough to make a difference")]).bytes
        for chunk in [[], [0], Array(document.dropLast()), document + [1], document + document.dropLast()] {
            let size = encoder.encode(chunk.rawSpan, appendingTo: output)
            #expect(size == nil && output.count == 0)
        }
    }

    @Test func anInstanceServesManyChunks() {
        var documents = RandomDocuments(seed: 11)
        let encoder = ColumnarEncoder(level: 3)
        let decoder = ColumnarDecoder()
        let (output, plain) = (Buffer(capacity: 0), Buffer(capacity: 0))
        for round in 0..<50 {
            let chunk = Chunks.of((0..<(round % 7 * 20 + 1)).map { _ in documents.document(depth: 3, fieldsMax: 12) })
            output.removeAll()
            plain.removeAll()
            let isEncoded = encoder.encodeWhateverItTakes(chunk.rawSpan, appendingTo: output)
            #expect(isEncoded)
            let isDone = decoder.decode(output.bytes, rawCount: chunk.count, appendingTo: plain)
            #expect(isDone && plain.array == chunk, "round \(round)")
        }
    }
}

/// Documents of others.
@Suite(.enabled(if: SharedData.isPresent, Comment(rawValue: SharedData.absence)))
struct RealDataTests {
    @Test func sampleDatabases() throws {
        for folder in ["sample_analytics", "sample_geospatial", "sample_mflix", "sample_training", "twitter"] {
            for file in SharedData.files(in: "data/dump/" + folder, suffix: ".bson") {
                let bytes = try SharedData.bytes(of: file)
                let columns = try #require(Chunks.roundTrip(bytes))
                let rows = Buffer(capacity: 0)
                let size = ZstdCompressor(level: 3).compress(bytes.rawSpan, appendingTo: rows)
                #expect(columns.count < size ?? bytes.count, "\(file.lastPathComponent)")
            }
        }
    }
}
