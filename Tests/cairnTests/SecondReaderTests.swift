import BSON
import Bytes
import Foundation
import TestSupport
import Testing

/// What the binary writes from a real server, incrementals and segments among it, read by the independent reader in
/// Python. format-spec.md §9.2 [F-8], §9.7.
@Suite(.serialized, .enabled(if: ThrowawayServer.isAvailable, "needs a mongod: CAIRN_MONGOD, PATH or `make setup`"))
struct SecondReaderTests {
    private static let python = "/usr/bin/python3"
    private static let script = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../reader/cairn_reader.py").standardized.path
    private static let hasPython: Bool = {
        let outcome = try? ChildProcess.run(python, ["-c", "import cryptography, zstandard"])
        return outcome?.exitCode == 0
    }()
    private static let database = "secondReader"

    private let sample: SampleRepository
    private let source: ThrowawayServer

    init() throws {
        sample = try SampleRepository()
        source = try ThrowawayServer.shared("source")
    }

    private func read(_ command: String...) throws -> ChildProcess.Outcome {
        let outcome = try ChildProcess.run(
            Self.python, ["-B", Self.script, "--key-file", sample.keyFile, sample.path] + command)
        #expect(outcome.exitCode == 0, "\(outcome.errorText)")
        return outcome
    }

    private func find(_ collection: String) throws -> [BSONDocument] {
        let reply = try source.connect().run(
            ["find": .string(collection), "sort": ["_id": 1], "batchSize": 5000, "singleBatch": true],
            db: Self.database)
        let cursor = try reply.require("cursor", as: BSONDocument.self, in: "reply")
        return try cursor.require("firstBatch", as: [BSONDocument].self, in: "reply")
    }

    /// Backs up, and has the reader extract every collection of the newest snapshot.
    private func backUpAndCompare(_ kind: String, _ collections: [String]) throws {
        let backup = try Command.run(
            ["backup", kind, "--quiet", "--json", "--ns-include", Self.database + ".*"],
            environment: sample.environment.merging(["CAIRN_URI": source.uri]) { $1 })
        #expect(backup.exitCode == 0, "\(backup.errorText)")
        let report = try backup.object()
        #expect(report["kind"] as? String == kind, "\(backup.text)")
        let expected = try Dictionary(uniqueKeysWithValues: collections.map { ($0, try find($0)) })
        #expect(report["documents"] as? Int == expected.values.reduce(0) { $0 + $1.count })
        let namespaces = try read("namespaces", "latest").text.split(separator: "\n")
        #expect(
            namespaces.map { String($0.prefix { $0 != " " }) } == collections.sorted().map { Self.database + "." + $0 })
        for (collection, documents) in expected {
            let bytes = try read("extract", "latest", Self.database + "." + collection).output
            var extracted: [BSONDocument] = []
            try DocumentBatch.forEachDocument(inChunk: bytes.rawSpan) {
                extracted.append(try BSONDocument(copying: $0))
            }
            #expect(extracted.count == documents.count && Set(extracted) == Set(documents), "\(collection)")
        }
    }

    @Test(.enabled(if: hasPython, "skipped: /usr/bin/python3 with cryptography and zstandard is missing"))
    func itReadsIncrementalsAndSegments() throws {
        let client = try source.connect()
        func insert(_ ids: Range<Int>, _ collection: String) throws {
            let documents = BSONValue.array(ids.map { .document(SampleRepository.document($0)) })
            try client.run(["insert": .string(collection), "documents": documents], db: Self.database)
        }
        try insert(0..<900, "orders")
        try insert(0..<50, "users")
        try insert(0..<5, "dropped")
        try backUpAndCompare("full", ["orders", "users", "dropped"])
        for round in 1...3 {
            let change: BSONDocument = [
                "q": ["_id": ["$lt": .int32(Int32(40 * round))]], "u": ["$inc": ["version": 1]], "multi": true,
            ]
            try client.run(["update": "orders", "updates": [.document(change)]], db: Self.database)
            let deletion: BSONDocument = ["q": ["_id": ["$gte": .int32(Int32(900 - 30 * round))]], "limit": 0]
            try client.run(["delete": "orders", "deletes": [.document(deletion)]], db: Self.database)
            try insert((1_000 * round)..<(1_000 * round + 20), "orders")
            if round == 2 { try client.run(["drop": "dropped"], db: Self.database) }
            try backUpAndCompare("incremental", round == 1 ? ["orders", "users", "dropped"] : ["orders", "users"])
        }
        #expect(try read("snapshots").text.split(separator: "\n").count == 4)
        let segments = try read("segments").text.split(separator: "\n")
        #expect(segments.count == 3)
        let oplog = try read("oplog", String(segments[2].prefix(32))).output
        var entries = 0
        try DocumentBatch.forEachDocument(inChunk: oplog.rawSpan) { _ in entries += 1 }
        #expect(entries >= 180)
        _ = try read("verify")
        let check = try Command.run(["check", "--read-data", "--json"], environment: sample.environment).object()
        #expect(check["sound"] as? Bool == true && (check["soundSegments"] as? [String])?.count == 3)
        #expect((check["leftovers"] as? [String])?.isEmpty == true)
    }
}
