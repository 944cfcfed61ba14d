import BSON
import Bytes
import Foundation
import TestSupport
import Testing

/// What the README tells those to do whose primary repository is lost.
@Suite(.enabled(if: ThrowawayServer.isAvailable, "skipped: no mongod on PATH or in CAIRN_MONGOD"))
struct PromotionTests {
    private let server: ThrowawayServer
    private let folder: TemporaryDirectory
    private let environment: [String: String]

    init() throws {
        server = try ThrowawayServer()
        folder = try TemporaryDirectory()
        try Data((0..<32).map { UInt8($0) }).write(to: URL(fileURLWithPath: folder.appending("key")))
        let text = """
            repository: primary
            key-file: key
            replicas:
              west:
                repository: west
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.appending("cairn.yaml")))
        environment = ["CAIRN_CONFIG": folder.appending("cairn.yaml"), "CAIRN_URI": server.uri]
    }

    /// Runs the binary, on another repository of the folder than the configuration's when one is named.
    private func cairn(
        _ arguments: String..., on repository: String = "", ends code: Int = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ChildProcess.Outcome {
        let place = repository.isEmpty ? "" : folder.appending(repository)
        let outcome = try Command.run(arguments, environment: environment.merging(["CAIRN_REPOSITORY": place]) { $1 })
        #expect(
            outcome.exitCode == code, "\(arguments): \(outcome.text)\(outcome.errorText)",
            sourceLocation: sourceLocation)
        return outcome
    }

    private func insert(_ ids: Range<Int32>) throws {
        let documents: [BSONValue] = ids.map { ["_id": .int32($0), "text": "stone"] }
        try server.connect().run(["insert": "orders", "documents": .array(documents)], db: "shop")
    }

    private func backUp(on repository: String = "") throws -> [String: Any] {
        try cairn("backup", "--ns-include", "shop.*", "--json", on: repository).object()
    }

    private func count(on repository: String) throws -> Int {
        try cairn("cat", "shop.orders", on: repository).text.split(separator: "\n").count
    }

    @Test func aLostPrimaryIsReplaced() throws {
        try insert(0..<100)
        _ = try cairn("init")
        _ = try backUp()
        _ = try cairn("replicate")
        try insert(100..<200)
        let last = try backUp()
        _ = try cairn("replicate", "--verify")
        // The machine with the primary is gone; a copy of its disk comes back later.
        try FileManager.default.moveItem(atPath: folder.appending("primary"), toPath: folder.appending("returned"))
        #expect(try cairn("replicate", ends: 10).errorText.contains("primary"))

        let restored = try cairn(
            "restore", "--uri", server.uri, "--ns-from", "shop.*", "--ns-to", "back.*", "--verify", on: "west")
        #expect(restored.text.contains("200"), "\(restored.text)")
        for verb in [
            ["backup", "--ns-include", "shop.*"], ["forget", "--keep-last", "1"], ["prune"], ["key", "rotate"],
        ] {
            let refused = try Command.run(
                verb, environment: environment.merging(["CAIRN_REPOSITORY": folder.appending("west")]) { $1 })
            #expect(refused.exitCode == 11 && refused.errorText.contains("replicas promote"), "\(refused.errorText)")
        }
        #expect(try cairn("replicas", "promote", "west").text.hasPrefix("west: now a repository of its own; 2 snap"))
        #expect(try cairn("replicas", "promote", "west").text.contains("already a repository"))

        try insert(200..<300)
        let next = try backUp(on: "west")
        #expect(next["kind"] as? String == "incremental" && next["parent"] as? String == last["id"] as? String)
        #expect(try count(on: "west") == 300)
        _ = try cairn("check", "--read-data", "--replay", on: "west")

        // The old repository's job still has its line in the crontab.
        let stale = try cairn("replicate", "--prune", "--grace", "0", on: "returned", ends: 2)
        #expect(stale.errorText.contains("it was promoted"), "\(stale.errorText)")
        #expect(try cairn("replicas", on: "returned", ends: 3).text.contains("no replica"))
        #expect(try count(on: "west") == 300)

        _ = try cairn("replicate", "--to", folder.appending("new"), "--verify", on: "west")
        _ = try cairn("check", "--read-data", on: "new")
        #expect(try count(on: "new") == 300)
        #expect(try cairn("check", on: "new").text.contains("unknown") == false)

        #expect(try cairn("replicas", "demote", folder.appending("returned")).text.contains("now a replica"))
        _ = try cairn("replicate", "--to", folder.appending("returned"), on: "west")
        #expect(try count(on: "returned") == 300)
        _ = try cairn("backup", "--ns-include", "shop.*", on: "returned", ends: 11)
    }

    @Test func whatIsNoRepositoryIsNotPromoted() throws {
        _ = try cairn("replicas", "promote", "west", ends: 10)
        try FileManager.default.createDirectory(
            atPath: folder.appending("west"), withIntermediateDirectories: false)
        _ = try cairn("replicas", "promote", "west", ends: 10)
        _ = try cairn("replicas", "demote", "west", ends: 10)
        _ = try cairn("replicas", "promote", "east", ends: 2)
    }
}
