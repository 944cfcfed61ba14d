import BSON
import Bytes
import Foundation
import TestSupport
import Testing

/// What only a real mongod shows. Skipped where there is none; `CAIRN_MONGOD` names one.
@Suite(.serialized, .enabled(if: ThrowawayServer.isAvailable, "needs a mongod: CAIRN_MONGOD, PATH or `make setup`"))
struct ServerTests {
    private let sample: SampleRepository
    private let source: ThrowawayServer

    init() throws {
        sample = try SampleRepository()
        source = try ThrowawayServer.shared("source")
    }

    private var environment: [String: String] { sample.environment.merging(["CAIRN_URI": source.uri]) { $1 } }

    private func cairn(_ arguments: String...) throws -> ChildProcess.Outcome {
        try Command.run(arguments, environment: environment)
    }

    private func insert(_ documents: [BSONDocument], _ database: String, _ collection: String) throws {
        let documents = BSONValue.array(documents.map { .document($0) })
        try source.connect().run(["insert": .string(collection), "documents": documents], db: database)
    }

    private func find(_ server: ThrowawayServer, _ database: String, _ collection: String) throws -> [BSONDocument] {
        let reply = try server.connect().run(
            ["find": .string(collection), "sort": ["_id": 1], "batchSize": 1000], db: database)
        let cursor = try reply.require("cursor", as: BSONDocument.self, in: "reply")
        return try cursor.require("firstBatch", as: [BSONDocument].self, in: "reply")
    }

    @Test func aBackupTellsWhatItDid() throws {
        try insert((0..<100).map { SampleRepository.document($0) }, "told", "orders")
        let outcome = try cairn(
            "backup", "full", "--json", "--tag", "a", "--tag", "b", "--ns-include", "told.*", "--level", "fast")
        #expect(outcome.exitCode == 0, "\(outcome.errorText)")
        let report = try outcome.object()
        #expect(report["kind"] as? String == "full" && report["documents"] as? Int == 100)
        #expect(report["namespaces"] as? Int == 1 && report["tags"] as? [String] == ["a", "b"])
        #expect((report["addedBytes"] as? Int ?? 0) > 0 && (report["at"] as? [String: Int])?["t"] != 0)
        let listed = try #require(try cairn("snapshots", "--json").objects().first)
        #expect(Set(listed.keys).union(["scanned", "segments"]) == Set(report.keys))
        #expect(listed["id"] as? String == report["id"] as? String)
        #expect(listed["documents"] as? Int == 100 && listed["rawBytes"] as? Int == report["rawBytes"] as? Int)
        let text = try cairn("backup", "--ns-include", "told.*").text
        #expect(text.hasPrefix("snapshot ") && text.contains("documents   100"))
        let check = try cairn("check", "--read-data", "--json").object()
        #expect(check["sound"] as? Bool == true && check["documentsRead"] as? Int == 100)
    }

    @Test func oddNamesAndLargeDocumentsComeBackByteForByte() throws {
        let target = try ThrowawayServer.shared("target")
        var expected: [String: [BSONDocument]] = [:]
        for (collection, documents) in try OddInput.collections() {
            for document in documents { try insert([document], OddInput.database, collection) }
            expected[collection] = try find(source, OddInput.database, collection)
            #expect(expected[collection]?.count == documents.count)
        }
        let backup = try cairn("backup", "--quiet", "--ns-include", OddInput.pattern, "--json")
        #expect(backup.exitCode == 0, "\(backup.errorText)")
        #expect(try backup.object()["namespaces"] as? Int == expected.count)
        for (collection, documents) in expected {
            let namespace = OddInput.database + "." + collection
            let archived = try cairn("cat", namespace, "--bson")
            #expect(archived.exitCode == 0, "\(archived.errorText)")
            #expect(Set(try Self.documents(archived.output)) == Set(documents), "\(namespace.debugDescription)")
        }
        let restore = try Command.run(
            ["restore", "--verify", "--quiet", "--json"],
            environment: environment.merging(["CAIRN_URI": target.uri]) { $1 })
        #expect(restore.exitCode == 0, "\(restore.errorText) \(restore.text)")
        #expect(try restore.object()["verification"] as? String == "documents")
        for (collection, documents) in expected {
            #expect(try find(target, OddInput.database, collection) == documents, "\(collection.debugDescription)")
        }
    }

    private static func documents(_ bytes: [UInt8]) throws -> [BSONDocument] {
        var documents: [BSONDocument] = []
        try DocumentBatch.forEachDocument(inChunk: bytes.rawSpan) { documents.append(try BSONDocument(copying: $0)) }
        return documents
    }

    @Test func aRestoreIsRefusedBeforeItWrites() throws {
        try insert((0..<10).map { SampleRepository.document($0) }, "refused", "orders")
        #expect(try cairn("backup", "--quiet", "--ns-include", "refused.*").exitCode == 0)
        let again = try cairn("restore", "--json", "--quiet")
        #expect(again.exitCode == 1, "\(again.text)")
        #expect(try again.error()["code"] as? String == "alreadyExists")
        let dry = try cairn("restore", "--dry-run", "--drop", "--json", "--quiet")
        #expect(dry.exitCode == 0, "\(dry.errorText)")
        #expect(try dry.object()["dryRun"] as? Bool == true)
        let renamed = try cairn(
            "restore", "--ns-from", "refused.*", "--ns-to", "renamed.*", "--verify", "--json", "--quiet")
        #expect(renamed.exitCode == 0, "\(renamed.errorText)")
        let lines = try #require(try renamed.object()["namespaces"] as? [[String: Any]])
        #expect(lines.map { $0["target"] as? String } == ["renamed.orders"])
        #expect(try find(source, "renamed", "orders") == find(source, "refused", "orders"))
        #expect(try cairn("restore", "--drop").text.contains("10 documents"))
        #expect(try cairn("restore", "--ns-from", "a.*", "--ns-to", "b.c", "--drop").exitCode == 2)
    }
}

/// Everything odd that a server accepts.
enum OddInput {
    /// Spaces and dots are not allowed in names of databases; the rest is.
    static let database = "odd-é✓#%'"
    /// The database as a pattern.
    static let pattern = "odd-é✓#%'.*"

    /// Collections with documents, each of which the server stores as it is.
    static func collections() throws -> [(String, [BSONDocument])] {
        let fields: [BSONDocument] = [
            BSONDocument([("_id", 1), ("", "empty name"), ("a", 1), ("a", 2), ("a", "thrice")]),
            BSONDocument([("_id", 2), ("x.y", 1), ("line\nbreak", 2), (" ", 3), ("é✓", 4), ("tab\t", 5)]),
            BSONDocument([("_id", ["": ["": ""]]), ("nested", ["$dollar": 1, "": [[], [:]]])]),
            BSONDocument([("_id", ""), ("long", .string(String(repeating: "ä", count: 5_000)))]),
        ]
        return [
            ("with space", fields), ("with.dots.in.it", fields), ("unicode-ж-😀", [["_id": 1]]),
            ("line\nbreak", [["_id": 1]]), ("per%cent'quote\"", [["_id": 1]]), ("*star*", [["_id": 1]]),
            (String(repeating: "l", count: 200), [["_id": 1]]), ("sixteen", [try largest()]),
        ]
    }

    /// A document of exactly 16 MiB, the most that a server takes.
    static func largest() throws -> BSONDocument {
        let empty: BSONDocument = ["_id": 1, "text": ""]
        let room = (16 << 20) - empty.bytes.count
        let block = (0..<1021).map { Character(UnicodeScalar(UInt8(97 + $0 * $0 % 26))) }
        let text = String(String(repeating: String(block), count: room / block.count + 1).utf8.prefix(room))
        let document: BSONDocument = ["_id": 1, "text": .string(try #require(text))]
        precondition(document.bytes.count == 16 << 20)
        return document
    }
}
