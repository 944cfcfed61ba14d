import BSON
import Bytes
import TestSupport
import Testing

/// Walking many documents, and finding each one's `_id`.
@Suite struct BatchTests {
    private func frame(_ elements: [UInt8]) -> [UInt8] {
        let count = elements.count + 5
        return (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + elements + [0]
    }

    private func identity(of document: BSONDocument) throws -> [UInt8] {
        [UInt8](try DocumentIdentity.idBytes(of: document.bytes.rawSpan))
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func chunksAndArraysGiveTheDocumentsBack(seed: UInt64) throws {
        var random = RandomDocuments(seed: seed)
        // More than 1,000, so that array keys of one to four digits occur.
        let documents = (0..<1_200).map { _ in random.document(depth: 1, fieldsMax: 3) }
        let chunk = documents.flatMap(\.bytes)
        var walked: [[UInt8]] = []
        try DocumentBatch.forEachDocument(inChunk: chunk.rawSpan) { walked.append([UInt8]($0)) }
        #expect(walked == documents.map(\.bytes), "seed \(seed)")
        let array: BSONDocument = ["batch": .array(documents.map { .document($0) })]
        walked = []
        if let batch = try array.view.first(named: "batch") {
            try DocumentBatch.forEachDocument(inArray: batch.value) { walked.append([UInt8]($0)) }
        }
        #expect(walked == documents.map(\.bytes), "seed \(seed)")
        #expect(
            try BSONValidator.validateDocuments(inChunk: chunk.rawSpan, strictness: .specification) == documents.count)
    }

    @Test func emptyBatchesHaveNoDocuments() throws {
        var none = DocumentBatch.Chunk(RawSpan())
        #expect(try none.next() == nil)
        let empty = BSONDocument().bytes
        var array = try DocumentBatch.Array(empty.rawSpan)
        #expect(try array.next() == nil)
        #expect(try BSONValidator.validateDocuments(inChunk: RawSpan(), strictness: .specification) == 0)
    }

    @Test func whatIsNotADocumentIsNamedByItsOffset() throws {
        let chunk = BSONDocument().bytes + [7, 0, 0, 0, 0]
        let error = try #require(throws: CairnError.self) {
            try DocumentBatch.forEachDocument(inChunk: chunk.rawSpan) { _ in }
        }
        #expect(error.code == .corrupt && error.offset == 5)
        let mixed: BSONDocument = ["0": [:], "1": 5]
        let second = try #require(throws: CairnError.self) {
            try DocumentBatch.forEachDocument(inArray: mixed.bytes.rawSpan) { _ in }
        }
        #expect(second.offset == 4 + 8)
    }

    @Test(arguments: [4, 5, 6] as [UInt64]) func theIDIsFoundWhereverItStands(seed: UInt64) throws {
        var random = RandomDocuments(seed: seed)
        for _ in 0..<300 {
            let id = random.value(depth: 2)
            let others = random.document().fields.filter { $0.name != "_id" }.map { ($0.name, $0.value) }
            let alone: BSONDocument = ["_id": id]
            let expected = Array(alone.bytes.dropFirst(4).dropLast())
            let position = random.random.integer(0..<(others.count + 1))
            var fields = others
            fields.insert(("_id", id), at: position)
            let document = BSONDocument(fields + [("_id", "a second one does not count")])
            #expect(try identity(of: document) == expected, "seed \(seed): at \(position) of \(fields)")
            #expect(try DocumentIdentity.document(of: expected.rawSpan) == alone)
            #expect(try BSONValue(DocumentIdentity.element(of: expected.rawSpan)).type == id.type)
            #expect(try identity(of: BSONDocument(others)).isEmpty)
        }
    }

    @Test func namesThatOnlyLookLikeIDsAreNot() throws {
        let document: BSONDocument = ["_i": 1, "_id2": 2, "": 3, "_ID": 4, "x": ["_id": 5]]
        #expect(try identity(of: document).isEmpty)
        #expect(try identity(of: BSONDocument()).isEmpty)
        #expect(throws: CairnError.self) { _ = try DocumentIdentity.element(of: RawSpan()).type }
        let other = Array((["_ie": 1] as BSONDocument).bytes.dropFirst(4).dropLast())
        #expect(throws: CairnError.self) { _ = try DocumentIdentity.element(of: other.rawSpan).type }
    }

    @Test func malformedIDsAreThrown() throws {
        // A string whose length reaches behind the document; a type that does not exist.
        for element in [[2, 0x5F, 0x69, 0x64, 0, 9, 0, 0, 0, 0x61, 0], [0x20, 0x5F, 0x69, 0x64, 0]] as [[UInt8]] {
            let bytes = frame(element)
            #expect(throws: CairnError.self) { _ = try DocumentIdentity.idBytes(of: bytes.rawSpan).byteCount }
        }
    }
}
