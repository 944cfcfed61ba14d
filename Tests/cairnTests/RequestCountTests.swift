import BSON
import Bytes
import Foundation
import Remote
import TestSupport
import Testing

/// How many requests a command costs where requests are money. `benchmarks/RESULTS.md` states the same numbers.
@Suite(.serialized, .enabled(if: ThrowawayServer.isAvailable, "needs a mongod: CAIRN_MONGOD, PATH or `make setup`"))
struct RequestCountTests {
    private let emulator: AzureEmulator
    private let folder: TemporaryDirectory
    private let source: ThrowawayServer

    init() throws {
        emulator = try AzureEmulator()
        folder = try TemporaryDirectory("cairn-requests")
        // A server of its own: whatever other tests write is in a shared oplog too, and costs requests.
        source = try ThrowawayServer()
        try Data((0..<32).map { UInt8($0) }).write(to: URL(fileURLWithPath: folder.appending("key")))
        for number in 0..<3 { try insert(1_000, "requests", "orders\(number)") }
        try cairn(["init"])
    }

    private func insert(_ count: Int, _ database: String, _ collection: String) throws {
        let documents = (0..<count).map { BSONValue.document(SampleRepository.document($0)) }
        let client = try source.connect()
        _ = try? client.run(["drop": .string(collection)], db: database)
        try client.run(["insert": .string(collection), "documents": .array(documents)], db: database)
    }

    private var environment: [String: String] {
        [
            "CAIRN_REPOSITORY": "azblob://\(AzureEmulator.account)/backups/prod",
            "CAIRN_KEY_FILE": folder.appending("key"), "CAIRN_AZURE_ENDPOINT": emulator.endpoint,
            "AZURE_STORAGE_KEY": AzureEmulator.key, "CAIRN_URI": source.uri,
            "XDG_CACHE_HOME": folder.appending("cache"), "CAIRN_CACHE_SIZE": "",
        ]
    }

    /// Runs a command, which must succeed.
    ///
    /// - Returns: its requests by operation.
    @discardableResult
    private func cairn(_ arguments: [String]) throws -> [String: Int] {
        try control(.delete)
        let outcome = try Command.run(arguments, environment: environment)
        try #require(outcome.exitCode == 0, "\(outcome.errorText)")
        let report = try control(.get)
        return try #require(report["counts"] as? [String: Int])
    }

    @discardableResult
    private func control(_ method: HTTPRequest.Method) throws -> [String: Any] {
        let answer = Buffer(capacity: 0)
        let response = try HTTPClient().send(HTTPRequest(method, "\(emulator.address)/_control/requests"), into: answer)
        try #require(response.status == 200)
        return try #require(try JSONSerialization.jsonObject(with: Data(answer.array)) as? [String: Any])
    }

    private static let backup = ["backup", "--ns-include", "requests.*"]

    private func total(_ requests: [String: Int]) -> Int { requests.values.reduce(0, +) }

    /// What is to be paid for every day, however many snapshots there are.
    @Test func anIncrementalOfAnUnchangedDatabaseCostsFewRequests() throws {
        try cairn(Self.backup)
        for _ in 0..<2 { try cairn(Self.backup) }
        let idle = try cairn(Self.backup)
        #expect(total(idle) <= 13 && idle["ListBlobs"] == 5, "\(idle)")
        let full = try cairn(["backup", "full", "--ns-include", "requests.*"])
        #expect(total(full) <= 14, "\(full)")
        // Each snapshot and audit record is read again then, but no object twice, and no size asked for before.
        let uncached = try cairn(Self.backup + ["--no-cache"])
        #expect(total(uncached) <= 28 && uncached["GetBlobProperties"] == 2, "\(uncached)")
        let check = try cairn(["check"])
        #expect(total(check) <= 55, "\(check)")
    }

    @Test func whatWasReadIsNotReadAgain() throws {
        try cairn(Self.backup)
        for arguments in [["snapshots"], ["show", "latest"], ["timeline"]] {
            try cairn(arguments)
            let again = try cairn(arguments)
            #expect(again["GetBlob"] == 2 && total(again) <= 6, "\(arguments): config and key, not \(again)")
        }
        let cat = ["cat", "requests.orders0"]
        try cairn(cat)
        let read = try cairn(cat)["GetBlob"] ?? 0
        let uncached = try cairn(cat + ["--no-cache"])["GetBlob"] ?? 0
        #expect(read < uncached, "\(read) with a cache, \(uncached) without")
    }

    /// Whatever happens to the cache, a command does not notice, and mends it.
    @Test func aDamagedCacheIsReadAnew() throws {
        try cairn(Self.backup)
        try cairn(["show", "latest"])
        let root = folder.appending("cache/cairn")
        let files = try FileManager.default.subpathsOfDirectory(atPath: root).map { "\(root)/\($0)" }.filter {
            (try? FileManager.default.attributesOfItem(atPath: $0)[.type] as? FileAttributeType) == .typeRegular
        }
        #expect(files.contains { $0.contains("/indexes/") } && files.contains { $0.contains("/packs/") })
        for file in files {
            var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            bytes[bytes.count - 1] ^= 1
            try bytes.write(to: URL(fileURLWithPath: file))
        }
        try cairn(["show", "latest"])
        try cairn(Self.backup)
        let mended = try cairn(["show", "latest"])
        #expect(mended["GetBlob"] == 2, "\(mended)")
        try FileManager.default.removeItem(atPath: root)
        try cairn(["show", "latest"])
        // A cache that is too small for anything.
        try cairn(["show", "latest", "--cache-size", "1"])
    }

    @Test func twoProcessesShareTheCache() throws {
        try cairn(Self.backup + ["--no-cache"])
        let processes = try (0..<4).map { number in
            try Command.start(
                ["cat", "requests.orders1"], environment: environment, errorPath: folder.appending("errors\(number)"))
        }
        for (number, process) in processes.enumerated() {
            let code = process.wait()
            #expect(code == 0, "\(String(decoding: readWholeFile(folder.appending("errors\(number)")), as: UTF8.self))")
        }
        let after = try cairn(["show", "latest"])
        #expect(after["GetBlob"] == 2, "\(after)")
    }
}
