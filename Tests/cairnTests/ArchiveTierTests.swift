import BSON
import Bytes
import Foundation
import ObjectStore
import Remote
import TestSupport
import Testing

extension AzureEmulator {
    /// Sends JSON to the control interface.
    func post(_ route: String, _ json: String) throws {
        let answer = Buffer(capacity: 0)
        let body = Array(json.utf8)
        let response = try HTTPClient().send(
            HTTPRequest(.post, "\(address)/_control/\(route)"), body: body.rawSpan, into: answer)
        try #require(response.status == 200, "\(String(decoding: answer.array, as: UTF8.self))")
    }

    /// What names a repository in it to the binary, and its key.
    func environment(_ place: String, keyFile: String) -> [String: String] {
        [
            "CAIRN_REPOSITORY": place, "CAIRN_KEY_FILE": keyFile, "CAIRN_AZURE_ENDPOINT": endpoint,
            "AZURE_STORAGE_KEY": Self.key,
        ]
    }
}

/// Restores from Azure's archive tier, with the emulator's clock in place of fifteen hours.
@Suite(.enabled(if: ThrowawayServer.isAvailable, "needs a mongod: CAIRN_MONGOD, PATH or `make setup`"), .serialized)
struct ArchiveTierTests {
    private let emulator: AzureEmulator
    private let sample: SampleRepository
    private let source: ThrowawayServer
    private let target: ThrowawayServer
    private let database = "frozen"

    init() throws {
        emulator = try AzureEmulator()
        sample = try SampleRepository()
        source = try ThrowawayServer.shared("source")
        target = try ThrowawayServer.shared("target")
    }

    private var place: String { "azblob://\(AzureEmulator.account)/backups" }

    private func cairn(_ arguments: String..., at place: String? = nil, uri: String? = nil) throws
        -> ChildProcess.Outcome
    {
        var environment = emulator.environment(place ?? self.place, keyFile: sample.keyFile)
        environment["CAIRN_URI"] = uri ?? source.uri
        return try Command.run(arguments, environment: environment)
    }

    private func fill(_ ids: Range<Int>) throws {
        let documents = BSONValue.array(ids.map { .document(SampleRepository.document($0)) })
        try source.connect().run(["insert": "orders", "documents": documents], db: database)
    }

    private func restored() throws -> Int {
        let reply = try target.connect().run(["count": "orders"], db: database)
        return try Int(reply.require("n", as: Int32.self, in: "reply"))
    }

    private func restore(_ options: String..., at place: String? = nil) throws -> ChildProcess.Outcome {
        var environment = emulator.environment(place ?? self.place, keyFile: sample.keyFile)
        environment["CAIRN_URI"] = target.uri
        return try Command.run(
            ["restore", "--quiet", "--ns-include", "\(database).*", "--drop"] + options, environment: environment)
    }

    private func clear() throws {
        try source.connect().run(["dropDatabase": 1], db: database)
        try target.connect().run(["dropDatabase": 1], db: database)
    }

    @Test func documentsAreBroughtBackAndNothingElseWasGone() throws {
        try clear()
        try fill(0..<500)
        #expect(try cairn("init").exitCode == 0)
        for _ in 0..<2 {
            let backup = try cairn("backup", "--tier", "archive", "--ns-include", "\(database).*", "--quiet")
            #expect(backup.exitCode == 0, "\(backup.errorText)")
        }
        try fill(500..<600)
        let backup = try cairn("backup", "full", "--tier", "archive", "--ns-include", "\(database).*", "--quiet")
        #expect(backup.exitCode == 0, "\(backup.errorText)")
        // What every verb but those that read documents needs is at hand.
        for arguments in [["snapshots"], ["show"], ["check"], ["stats"], ["prune", "--grace", "0"]] {
            let outcome = try Command.run(
                arguments, environment: emulator.environment(place, keyFile: sample.keyFile))
            #expect(outcome.exitCode == 0, "\(arguments): \(outcome.errorText)")
        }
        let read = try cairn("cat", "\(database).orders")
        #expect(read.exitCode == 15 && read.errorText.contains("--rehydrate"), "\(read.errorText)")

        let refused = try restore("--json")
        #expect(refused.exitCode == 15, "\(refused.text)\(refused.errorText)")
        #expect(try refused.error()["code"] as? String == "archived")
        #expect(refused.errorText.contains("documents") && refused.errorText.contains("15 hours"))
        #expect(try restored() == 0, "nothing was done to the target")
        #expect(try restore("--rehydrate", "--dry-run").errorText.contains("would be brought back"))
        #expect(try restore("--wait").exitCode == 2)
        #expect(try restore("--rehydrate", "--rehydrate-priority", "soon").exitCode == 2)

        let begun = try restore("--rehydrate")
        #expect(begun.exitCode == 15 && begun.errorText.contains("on their way"), "\(begun.errorText)")
        #expect(try restore("--rehydrate").exitCode == 15)
        // A higher priority overtakes what is on its way.
        try emulator.post("clock", "{\"advance\": 4000}")
        #expect(try restore().exitCode == 15)
        #expect(try restore("--rehydrate", "--rehydrate-priority", "high").exitCode == 15)
        try emulator.post("clock", "{\"advance\": 3700}")
        let done = try restore("--verify")
        #expect(done.exitCode == 0, "\(done.errorText)")
        #expect(try restored() == 600)
    }

    /// Copied without a key nobody can tell metadata from documents: it comes back first, and says what else.
    @Test func aReplicaInTheArchiveTierComesBackInTwoSteps() throws {
        try clear()
        try fill(0..<300)
        let local = sample.path
        let backup = try cairn("backup", "--ns-include", "\(database).*", "--quiet", at: local)
        #expect(backup.exitCode == 0, "\(backup.errorText)")
        #expect(try cairn("backup", "--tier", "cool", at: local).exitCode == 2, "a directory has no tiers")
        let copied = try cairn("replicate", "--verify", "--to", place, "--tier", "archive", at: local)
        #expect(copied.exitCode == 0 && copied.text.contains(" read back"), "\(copied.text)\(copied.errorText)")
        #expect(!copied.text.contains("all read back"))

        let refused = try restore()
        #expect(refused.exitCode == 15 && refused.errorText.contains("metadata"), "\(refused.errorText)")
        let errors = sample.folder.appending("errors")
        var environment = emulator.environment(place, keyFile: sample.keyFile)
        environment["CAIRN_URI"] = target.uri
        let waiting = try Command.start(
            ["restore", "--ns-include", "\(database).*", "--rehydrate", "--wait", "--verify"],
            environment: environment, errorPath: errors)
        // However far it has come, some advance of the clock is behind each of its two requests.
        while !waiting.hasEnded {
            try emulator.post("clock", "{\"advance\": 54001}")
            usleep(100_000)
        }
        #expect(waiting.wait() == 0, "\(String(decoding: readWholeFile(errors), as: UTF8.self))")
        #expect(try restored() == 300)
    }

    @Test func anInterruptionEndsTheWaiting() throws {
        try clear()
        try fill(0..<50)
        #expect(try cairn("init").exitCode == 0)
        #expect(try cairn("backup", "--tier", "archive", "--ns-include", "\(database).*", "-q").exitCode == 0)
        let errors = sample.folder.appending("errors")
        var environment = emulator.environment(place, keyFile: sample.keyFile)
        environment["CAIRN_URI"] = target.uri
        let waiting = try Command.start(
            ["restore", "--ns-include", "\(database).*", "--rehydrate", "--wait", "--json"],
            environment: environment, errorPath: errors)
        while !String(decoding: readWholeFile(errors), as: UTF8.self).contains("rehydrate"), !waiting.hasEnded {
            usleep(50_000)
        }
        waiting.signal(SIGINT)
        #expect(waiting.wait() == 130, "\(String(decoding: readWholeFile(errors), as: UTF8.self))")
        #expect(try restored() == 0)
    }

    /// A backup job reads, lists, adds, creates and writes; only maintenance deletes.
    @Test func aBackupNeedsNoRightToDelete() throws {
        try clear()
        try fill(0..<50)
        let account = emulator.environment(place, keyFile: sample.keyFile)
        #expect(try Command.run(["init"], environment: account).exitCode == 0)
        var job = account
        job["AZURE_STORAGE_KEY"] = ""
        job["AZURE_STORAGE_SAS_TOKEN"] = try emulator.signature(permissions: "rlacw")
        job["CAIRN_URI"] = source.uri
        for round in 1...3 {
            let backup = try Command.run(
                ["backup", "--ns-include", "\(database).*", "--immutable-for", "1d", "--quiet"], environment: job)
            #expect(backup.exitCode == 0, "\(backup.errorText)")
            try fill(round * 50..<round * 50 + 10)
        }
        #expect(try Command.run(["check", "--read-data"], environment: job).exitCode == 0)
        job["CAIRN_URI"] = target.uri
        let restored = try Command.run(
            ["restore", "--quiet", "--ns-include", "\(database).*"], environment: job)
        #expect(restored.exitCode == 0, "\(restored.errorText)")
        #expect(try self.restored() == 70)
        let newest = try Command.run(["snapshots", "--json"], environment: job).objects()
        let oldest = try #require(newest.first?["id"] as? String)
        let forget = try Command.run(["forget", oldest], environment: job)
        #expect(forget.exitCode == 1 && forget.errorText.contains("maintenance to delete"), "\(forget.errorText)")
        // Without a right to write nothing is begun.
        job["AZURE_STORAGE_SAS_TOKEN"] = try emulator.signature(permissions: "rl")
        #expect(try Command.run(["snapshots"], environment: job).exitCode == 0)
        job["CAIRN_URI"] = source.uri
        let refused = try Command.run(["backup", "--ns-include", "\(database).*"], environment: job)
        #expect(refused.exitCode == 1 && refused.errorText.contains("lacks the right"), "\(refused.errorText)")
    }
}
