import BSON
import Bytes
import Foundation
import TestSupport
import Testing

/// MongoDB's BSON corpus (driver specifications): every type, every invalid case that its authors thought of.
@Suite(.enabled(if: SharedData.isPresent, Comment(rawValue: SharedData.absence)))
struct CorpusTests {
    /// One file of the corpus: the cases of one type.
    struct File: Decodable {
        struct Valid: Decodable {
            let description: String
            let canonical_bson: String
            let degenerate_bson: String?
        }
        struct DecodeError: Decodable {
            let description: String
            let bson: String
        }
        let bson_type: String
        let test_key: String?
        let valid: [Valid]?
        let decodeErrors: [DecodeError]?
    }

    /// What only the specification forbids: servers store text that is not UTF-8, and any inner length of subtype 2.
    private static let storedByServers: Set<String> = [
        "invalid UTF-8", "String with bad UTF-8", "subtype 0x02 length too long ", "subtype 0x02 length too short",
        "subtype 0x02 length negative one",
    ]

    static let files: [URL] = SharedData.files(in: "data/bson-corpus", suffix: ".json")

    private static func load(_ url: URL) throws -> File {
        try JSONDecoder().decode(File.self, from: Data(contentsOf: url))
    }

    private static func bytes(_ hex: String) throws -> [UInt8] {
        let digits = Array(hex.utf8)
        return try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16))
        }
    }

    @Test func theCorpusIsThere() {
        #expect(CorpusTests.files.count >= 30)
    }

    @Test(arguments: files) func validDocumentsAreAcceptedAndRebuilt(file: URL) throws {
        let corpus = try CorpusTests.load(file)
        for valid in corpus.valid ?? [] {
            let bytes = try CorpusTests.bytes(valid.canonical_bson)
            try BSONValidator.validate(bytes.rawSpan, strictness: .specification)
            try BSONValidator.validate(bytes.rawSpan, strictness: .server)
            let document = try BSONDocument(validating: bytes)
            let rebuilt = BSONDocument(document.fields.map { ($0.name, $0.value) })
            #expect(rebuilt.bytes == bytes, "\(file.lastPathComponent): \(valid.description)")
            if let degenerate = valid.degenerate_bson {
                let bytes = try CorpusTests.bytes(degenerate)
                try BSONValidator.validate(bytes.rawSpan, strictness: .specification)
                #expect(try BSONDocument(validating: bytes).bytes == bytes, "stored as it came")
            }
            let type = try #require(UInt8(corpus.bson_type.dropFirst(2), radix: 16))
            if let key = corpus.test_key, let value = document[key], type != 0,
                !valid.description.contains("$type query")
            {
                #expect(value.type.rawValue == type, "\(file.lastPathComponent): \(valid.description)")
            }
        }
    }

    @Test(arguments: files) func invalidDocumentsAreRejected(file: URL) throws {
        for invalid in try CorpusTests.load(file).decodeErrors ?? [] {
            let bytes = try CorpusTests.bytes(invalid.bson)
            #expect(throws: CairnError.self, "\(file.lastPathComponent): \(invalid.description)") {
                try BSONValidator.validate(bytes.rawSpan, strictness: .specification)
            }
            let stored = CorpusTests.storedByServers.contains(invalid.description)
            #expect(
                ((try? BSONValidator.validate(bytes.rawSpan, strictness: .server)) != nil) == stored,
                "\(file.lastPathComponent): \(invalid.description)")
        }
    }

    @Test func realDumpsAreValid() throws {
        for file in SharedData.files(in: "data/dump", suffix: ".bson") {
            let bytes = try SharedData.bytes(of: file)
            let documents = try BSONValidator.validateDocuments(inChunk: bytes.rawSpan, strictness: .specification)
            #expect(documents > 100, "\(file.lastPathComponent)")
        }
    }
}
