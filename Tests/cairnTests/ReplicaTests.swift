import Archive
import BSON
import Bytes
import Foundation
import TestSupport
import Testing

/// Replicas as a person makes and uses them: in a directory, and in Azure Blob Storage.
@Suite struct ReplicaTests {
    private let sample: SampleRepository

    init() throws {
        sample = try SampleRepository()
        try sample.snapshot()
    }

    private func configuration(_ text: String) throws -> String {
        let path = sample.folder.appending("cairn.yaml")
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// Copied without a key, read with it; then another snapshot, and the deletion of one.
    @Test func aReplicaInAzureIsARepository() throws {
        let emulator = try AzureEmulator()
        let place = "azblob://\(AzureEmulator.account)/backups/prod"
        let path = try configuration(
            """
            replicas:
              west:
                repository: \(place)
                azure:
                  endpoint: \(emulator.endpoint)
                  tier: cool
            """)
        let azure = ["AZURE_STORAGE_KEY": AzureEmulator.key]
        let keyless = azure.merging(["CAIRN_REPOSITORY": sample.path, "CAIRN_CONFIG": path]) { one, _ in one }

        let behind = try Command.run("replicas", environment: keyless)
        #expect(behind.exitCode == 3, "\(behind.errorText)")
        let copied = try Command.run("replicate", "--verify", "--json", environment: keyless)
        #expect(copied.exitCode == 0, "\(copied.errorText)")
        #expect(!copied.text.contains(AzureEmulator.key) && !copied.errorText.contains(AzureEmulator.key))
        let current = try Command.run("replicas", environment: keyless)
        #expect(
            current.exitCode == 0 && current.text.contains("west") && current.text.contains("cool"),
            "\(current.text)\(current.errorText)")

        let replica = azure.merging([
            "CAIRN_REPOSITORY": place, "CAIRN_KEY_FILE": sample.keyFile, "CAIRN_AZURE_ENDPOINT": emulator.endpoint,
        ]) { one, _ in one }
        let check = try Command.run("check", "--read-data", environment: replica)
        #expect(check.exitCode == 0, "\(check.errorText)")
        let cat = try Command.run("cat", "shop.orders", environment: replica)
        #expect(cat.text.split(separator: "\n").count == SampleRepository.documentCount, "\(cat.errorText)")

        try sample.snapshot((0..<10).map { SampleRepository.document($0, version: 2) }, at: 1_700_000_100)
        #expect(try Command.run("replicate", "--to", "west", environment: keyless).exitCode == 0)
        let newer = try Command.run("cat", "shop.orders", environment: replica)
        #expect(newer.text.split(separator: "\n").count == 10, "\(newer.errorText)")
    }

    @Test func whatIsWrongIsSaid() throws {
        let nobody = try Command.run("replicate", environment: ["CAIRN_REPOSITORY": sample.path])
        #expect(nobody.exitCode == 2 && nobody.errorText.contains("--to"))
        let unknown = try Command.run("replicate", "--to", "east", environment: ["CAIRN_REPOSITORY": sample.path])
        #expect(unknown.exitCode == 2 && unknown.errorText.contains("east"))
        let scheme = try Command.run("snapshots", "-r", "s3://bucket", environment: ["CAIRN_KEY_FILE": sample.keyFile])
        #expect(scheme.exitCode == 2 && scheme.errorText.contains("azblob://"))
        let empty = sample.folder.appending("empty")
        try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: false)
        let nothing = try Command.run("replicate", "--to", "/nowhere", "-r", empty)
        #expect(nothing.exitCode == 10, "\(nothing.errorText)")
        let azure = ["AZURE_STORAGE_KEY": "bm90IHRoZSBrZXk=", "CAIRN_KEY_FILE": sample.keyFile]
        let emulator = try AzureEmulator.shared()
        let refused = try Command.run(
            "snapshots", "-r", "azblob://\(AzureEmulator.account)/backups", "--azure-endpoint", emulator.endpoint,
            environment: azure)
        #expect(refused.exitCode == 1 && refused.errorText.contains("the account's key was refused"))
        #expect(!refused.errorText.contains("bm90IHRoZSBrZXk="))
    }

    /// Damage stays where it is: neither copying, pruning nor reading back carries it to a replica. And the replica
    /// heals it, as the primary heals a replica.
    @Test func aReplicaHealsThePrimary() throws {
        let west = sample.folder.appending("west")
        let path = try configuration("replicas: {west: {repository: west}}")
        let environment = sample.environment.merging(["CAIRN_CONFIG": path]) { one, _ in one }
        func cairn(_ arguments: String..., at place: String? = nil) throws -> ChildProcess.Outcome {
            try Command.run(
                arguments, environment: environment.merging(["CAIRN_REPOSITORY": place ?? sample.path]) { $1 })
        }
        let second = try sample.snapshot(
            (0..<500).map { SampleRepository.document($0, version: 2) }, at: 1_700_000_100)
        // By what a backup writes down, a snapshot that is gone is missed.
        try sample.repository.appendAudit(
            operation: "backup", program: "test", details: ["snapshot": .string(second.id.hex)])
        #expect(try cairn("replicate", "--verify").exitCode == 0)
        let packs = try sample.objects("packs").sorted { readWholeFile($0).count > readWholeFile($1).count }
        let files = [packs[0], sample.path + "/snapshots/" + second.id.hex]
        let names = files.map { String($0.dropFirst(sample.path.count + 1)) }
        let good = files.map(readWholeFile)
        func harm() throws {
            try SampleRepository.flip(files[0], at: 1_000)
            try FileManager.default.removeItem(atPath: files[1])
        }
        try harm()
        #expect(try cairn("replicate", "--verify", "--prune").exitCode == 0)
        #expect(try cairn("check", "--read-data", at: west).exitCode == 0)
        #expect(try cairn("check", "--read-data").exitCode == 13)

        #expect(try cairn("check", "--from", "west").exitCode == 2)
        #expect(try cairn("check", "--repair", "--from", "east").exitCode == 2)
        let healed = try cairn("check", "--repair", "--read-data", "--from", "west")
        #expect(healed.exitCode == 0, "\(healed.text)\(healed.errorText)")
        #expect(healed.text.contains("healed: \(names[0]), damaged: replaced by the copy in west"), "\(healed.text)")
        #expect(healed.text.contains("healed: \(names[1]), lost: put back from"), "\(healed.text)")
        let isGood = files.map(readWholeFile) == good
        #expect(isGood)
        #expect(try cairn("check", "--read-data").exitCode == 0)
        #expect(try cairn("replicate").exitCode == 0)

        // A replica is healed likewise, by the location of what it was copied from.
        let copy = west + "/" + names[0]
        try SampleRepository.flip(copy, at: 2_000)
        let back = try cairn("check", "--repair", "--read-data", "--from", sample.path, "--json", at: west)
        #expect(back.exitCode == 0, "\(back.text)\(back.errorText)")
        let outcomes = try #require((try back.object()["repair"] as? [String: Any])?["healed"] as? [[String: Any]])
        #expect(outcomes.map { $0["object"] as? String } == [names[0]] && outcomes[0]["healed"] as? Bool == true)
        let isGoodThere = readWholeFile(copy) == good[0]
        #expect(isGoodThere)
        // What the primary cannot be opened without comes back too.
        for file in try sample.objects("keys") + [sample.path + "/config"] {
            try FileManager.default.removeItem(atPath: file)
        }
        #expect(try cairn("check").exitCode == 10)
        let opened = try cairn("check", "--repair", "--from", "west")
        #expect(opened.exitCode == 0, "\(opened.text)\(opened.errorText)")
        #expect(try cairn("cat", "shop.orders").exitCode == 0)
    }

    /// What was forgotten leaves a replica when the replica's own grace is over, and not without --prune.
    @Test func deletionsWaitForTheirGrace() throws {
        let west = sample.folder.appending("west")
        let path = try configuration("replicas: {west: {repository: west}}")
        let environment = sample.environment.merging(["CAIRN_CONFIG": path]) { one, _ in one }
        func cairn(_ arguments: String...) throws -> ChildProcess.Outcome {
            try Command.run(arguments, environment: environment)
        }
        func report(_ arguments: String...) throws -> [String: Any] {
            try #require(try Command.run(arguments + ["--json"], environment: environment).objects().first)
        }
        func snapshots() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: west + "/snapshots").count
        }
        let first = try #require(try sample.objects("snapshots").first).suffix(32)
        let second = try sample.snapshot((0..<500).map { SampleRepository.document($0, version: 2) }, at: 1_700_000_100)
        let before = try report("replicate")
        #expect(before["deletedObjects"] as? Int == 0 && (before["copiedObjects"] as? Int ?? 0) > 6)
        #expect(try cairn("forget", String(first)).exitCode == 0)
        for arguments in [["replicate"], ["replicate", "--prune"], ["replicate", "--prune", "--grace", "1h"]] {
            let outcome = try Command.run(arguments, environment: environment)
            #expect(outcome.exitCode == 0 && outcome.text.contains("1 gone from the repository and kept"))
        }
        let status = try report("replicas")
        #expect(status["extraObjects"] as? Int == 1 && status["missingObjects"] as? Int == 0)
        #expect(status["current"] as? Bool == true && status["lagSeconds"] as? Int == 0)
        #expect((status["bytes"] as? Int ?? 0) > 0 && status["tier"] is NSNull)
        let success = try #require(status["lastSuccess"] as? String)
        #expect(success > "2020" && status["isReplica"] as? Bool == true)
        #expect(try snapshots() == 2)
        #expect(try report("replicate", "--prune", "--grace", "0", "--dry-run")["deletedObjects"] as? Int == 1)
        #expect(try snapshots() == 2)
        #expect(try report("replicate", "--prune", "--grace", "0")["deletedObjects"] as? Int == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: west + "/snapshots") == [second.id.hex])

        // What is not there yet, and how far behind that leaves the replica.
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -100)],
            ofItemAtPath: sample.path + "/snapshots/" + second.id.hex)
        try sample.snapshot((0..<10).map { SampleRepository.document($0, version: 3) }, at: 1_700_000_200)
        let behind = try report("replicas")
        #expect((behind["missingObjects"] as? Int ?? 0) > 1 && (behind["missingBytes"] as? Int ?? 0) > 0)
        #expect((behind["lagSeconds"] as? Int ?? 0) >= 100 && behind["current"] as? Bool == false)
        #expect(try cairn("replicas").exitCode == 3)
    }

    /// Killed with packs on their way: what is there is a repository, and the next run goes on from it.
    @Test func aKilledCopyGoesOn() throws {
        let source = try #require(FileHandle(forReadingAtPath: "/dev/urandom"))
        for number in 0..<6 {
            let noise = BSONValue.binary(subtype: 0, Array(source.readData(ofLength: 200_000)))
            try sample.snapshot([["_id": .int32(Int32(number)), "noise": noise]], at: UInt32(1_700_000_100 + number))
        }
        let west = sample.folder.appending("west")
        let path = try configuration("replicas: {west: {repository: west}}")
        let environment = sample.environment.merging(["CAIRN_CONFIG": path]) { one, _ in one }
        func packs() -> Int {
            FileManager.default.enumerator(atPath: west + "/packs")?.allObjects.count { "\($0)".contains("/") } ?? 0
        }
        let total = try sample.objects("packs").count
        let child = try Command.start(
            ["replicate", "--limit-upload", "250KiB"], environment: environment,
            errorPath: sample.folder.appending("log"))
        try ThrowawayReplicaSet.wait(for: "a few packs") { packs() > 2 || child.hasEnded }
        child.signal(SIGKILL)
        #expect(child.wait() == 128 + Int(SIGKILL) && packs() < total)

        let there = ["CAIRN_REPOSITORY": west, "CAIRN_KEY_FILE": sample.keyFile]
        let partial = try Command.run("check", "--read-data", environment: there)
        #expect(partial.exitCode == 0, "\(partial.text)\(partial.errorText)")
        let rest = try Command.run("replicate", "--json", environment: environment)
        #expect(rest.exitCode == 0, "\(rest.errorText)")
        let copied = try #require(try rest.objects()[0]["copiedObjects"] as? Int)
        let all = try #require(try rest.objects()[0]["sourceObjects"] as? Int)
        #expect(copied > 0 && copied < all)
        let whole = try Command.run("snapshots", "--json", environment: there)
        #expect(try whole.objects().count == 7)
        #expect(try Command.run("check", "--read-data", environment: there).exitCode == 0)
    }

    /// The password of a connection string is in no argument, no result and no error.
    @Test(.enabled(if: ThrowawayServer.isAvailable, "skipped: no mongod on PATH or in CAIRN_MONGOD"))
    func passwordsAreShownNowhere() throws {
        let set = try ThrowawayReplicaSet(authenticated: true)
        let password = "s3cretwords"
        func location(_ password: String) -> String {
            let plain = set.plainURI.replacing("/?", with: "/archive?")
            return ThrowawayReplicaSet.addCredentials(to: plain, password: password)
                + "&authSource=admin&serverSelectionTimeoutMS=1000"
        }
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: sample.folder.appending(name)))
        }
        try write("good", location(ThrowawayReplicaSet.root.password))
        try write("wrong", location(password))
        let path = try configuration("replicas: {west: {repository-file: good}, east: {repository-file: wrong}}")
        let environment = ["CAIRN_REPOSITORY": sample.path, "CAIRN_CONFIG": path]
        let replica = ["CAIRN_REPOSITORY_FILE": sample.folder.appending("good"), "CAIRN_KEY_FILE": sample.keyFile]
        var shown: [String] = []
        func cairn(_ arguments: String..., with environment: [String: String], ends code: Int) throws {
            let outcome = try Command.run(arguments, environment: environment)
            #expect(outcome.exitCode == code, "\(arguments) \(outcome.errorText)")
            shown += [outcome.text, outcome.errorText]
        }
        try cairn("replicate", "--verbose", with: environment, ends: 3)
        #expect(shown[0].contains("east: failed") && shown[1].contains("user name, password"), "\(shown)")
        try cairn("replicate", "--json", with: environment, ends: 3)
        try cairn("replicas", with: environment, ends: 3)
        try cairn("replicas", "--json", with: environment, ends: 3)
        try cairn("check", "--verbose", "--json", with: replica, ends: 0)
        try cairn("snapshots", "-r", location(password), with: ["CAIRN_KEY_FILE": sample.keyFile], ends: 1)
        #expect(shown.last?.contains("visible to other users") == true)
        try cairn("replicate", "--to", location(password), with: environment, ends: 1)
        #expect(shown.last?.contains("visible to other users") == true)

        // Slow enough to be looked at while it runs.
        let log = sample.folder.appending("log")
        let slow = try Command.start(
            ["check", "--limit-download", "1", "--read-data"], environment: replica, errorPath: log)
        var arguments: [UInt8] = []
        // A process that was just started shows none for an instant.
        while arguments.isEmpty, !slow.hasEnded { arguments = readWholeFile("/proc/\(slow.id)/cmdline") }
        #expect(!arguments.isEmpty && !slow.hasEnded, "\(String(decoding: readWholeFile(log), as: UTF8.self))")
        shown.append(String(decoding: arguments, as: UTF8.self))
        set.kill(0)
        try cairn("replicate", "--to", "west", with: environment, ends: 1)
        let escaped = ThrowawayReplicaSet.addCredentials(to: "mongodb://").split(separator: ":")[2].dropLast()
        for text in shown {
            for secret in [password, ThrowawayReplicaSet.root.password, String(escaped)] {
                #expect(!text.contains(secret), "\(text)")
            }
        }
    }

    /// One replica that cannot be reached does not keep the other back.
    @Test func aReplicaThatFailsLeavesTheOthersAlone() throws {
        let good = sample.folder.appending("good")
        let path = try configuration(
            """
            replicas:
              bad:
                repository: /proc/nowhere
              good:
                repository: \(good)
            """)
        let environment = ["CAIRN_REPOSITORY": sample.path, "CAIRN_CONFIG": path]
        let outcome = try Command.run("replicate", environment: environment)
        #expect(outcome.exitCode == 3, "\(outcome.errorText)")
        #expect(outcome.text.contains("bad: failed") && outcome.text.contains("good: "), "\(outcome.text)")
        let check = try Command.run("check", environment: ["CAIRN_REPOSITORY": good, "CAIRN_KEY_FILE": sample.keyFile])
        #expect(check.exitCode == 0, "\(check.errorText)")
    }
}
