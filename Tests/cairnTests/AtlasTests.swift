import Bytes
import Foundation
import Glibc
import TestSupport
import Testing

/// `cairn atlas` and `cairn backup --atlas-snapshot`, from outside, against a fake of the administration API.
@Suite struct AtlasTests {
    private let fake: AtlasFake
    private let folder: TemporaryDirectory
    private let environment: [String: String]

    init() throws {
        fake = try AtlasFake()
        folder = try TemporaryDirectory()
        environment = [
            "CAIRN_ATLAS_ENDPOINT": fake.address, "CAIRN_ATLAS_PROJECT_ID": AtlasFake.project,
            "CAIRN_ATLAS_CLUSTER": "Cluster0", "CAIRN_ATLAS_CLIENT_ID": AtlasFake.clientID,
            "CAIRN_ATLAS_CLIENT_SECRET": AtlasFake.clientSecret,
        ]
    }

    private func atlas(_ arguments: String...) throws -> ChildProcess.Outcome {
        try Command.run(["atlas"] + arguments, environment: environment)
    }

    /// Done in no time.
    private func snapshot() throws -> String {
        try fake.set("{\"looks_until_done\": 0}")
        return try #require(try atlas("snapshot", "--json").object()["id"] as? String)
    }

    @Test func aSnapshotIsTakenAndListed() throws {
        let taken = try atlas(
            "snapshot", "--description", "before the migration", "--retention-days", "30", "--json")
        #expect(taken.exitCode == 0, "\(taken.errorText)")
        let report = try taken.object()
        let id = try #require(report["id"] as? String)
        #expect(
            report["status"] as? String == "completed" && report["description"] as? String == "before the migration")
        #expect(!(taken.text + taken.errorText).contains(AtlasFake.clientSecret))
        let list = try atlas("list")
        #expect(list.text.contains(id) && list.text.contains("before the migration"), "\(list.text)")
        #expect(try atlas("list", "--json").objects().map { $0["id"] as? String } == [id])
        #expect(try atlas("list", "--newest", "0", "--json").objects().isEmpty)
        let status = try atlas("status")
        #expect(status.exitCode == 0, "\(status.errorText)")
        for words in ["Cluster0", "7 days back", "daily, kept 7 days", "ACTIVE", "copies protected", "newest \(id)"] {
            #expect(status.text.contains(words), "\(words): \(status.text)")
        }
        let json = try atlas("status", "--json").object()
        #expect(json["protected"] as? Bool == true && (json["newest"] as? [String: Any])?["id"] as? String == id)
        #expect((json["compliance"] as? [String: Any])?["copyProtection"] as? Bool == true)
    }

    @Test func whatIsNotDoneInTimeNeedsAPerson() throws {
        try fake.set("{\"looks_until_done\": 1000}")
        let late = try atlas("snapshot", "--timeout", "1s")
        #expect(late.exitCode == 3 && late.text.contains("inProgress"), "\(late.text)\(late.errorText)")
        let busy = try atlas("snapshot", "--no-wait", "--json")
        #expect(busy.exitCode == 11)
        #expect(try busy.error()["code"] as? String == "held")
        #expect(try atlas("status").exitCode == 3)
        try fake.set("{\"looks_until_done\": 0, \"snapshots_fail\": true}")
        let failed = try atlas("snapshot")
        #expect(failed.exitCode == 1 && failed.errorText.contains("failed to take"), "\(failed.errorText)")
    }

    @Test func anInterruptionEndsTheWaiting() throws {
        try fake.set("{\"looks_until_done\": 1000}")
        let errors = folder.appending("errors")
        let process = try Command.start(["atlas", "snapshot"], environment: environment, errorPath: errors)
        while try !fake.requests().contains(where: { $0.path.contains("/snapshots/") }) {
            try #require(!process.hasEnded, "\(String(decoding: readWholeFile(errors), as: UTF8.self))")
        }
        process.signal(SIGINT)
        #expect(process.wait() == 130)
        #expect(String(decoding: readWholeFile(errors), as: UTF8.self).contains("no longer waiting for Atlas"))
    }

    @Test func restores() throws {
        let id = try snapshot()
        for wrong in [
            ["--to-cluster", "Cluster1"], ["--snapshot", "latest"], ["--snapshot", id, "--download", "--in-place"],
            ["--at", "-1h", "--download"], ["--snapshot", id, "--to-cluster", "Cluster0"],
        ] {
            let outcome = try Command.run(["atlas", "restore"] + wrong, environment: environment)
            #expect(outcome.exitCode == 2, "\(wrong): \(outcome.text)\(outcome.errorText)")
        }
        #expect(try atlas("list", "--restores", "--json").objects().isEmpty)
        let begun = try atlas("restore", "--snapshot", "latest", "--to-cluster", "Cluster1", "--wait", "--json")
        #expect(begun.exitCode == 0, "\(begun.errorText)")
        #expect(try begun.object()["state"] as? String == "completed")
        #expect(try begun.object()["snapshot"] as? String == id)
        #expect(try atlas("restore", "--snapshot", id, "--to-cluster", "Cluster0", "--in-place").exitCode == 0)
        let time = try atlas("restore", "--at", "1700000000:3", "--to-cluster", "Cluster1")
        #expect(time.exitCode == 0 && time.text.contains("1700000000:3 into Cluster1"), "\(time.text)\(time.errorText)")
        let links = try atlas("restore", "--snapshot", id, "--download", "--wait")
        #expect(links.exitCode == 0 && links.text.contains("https://restore.example.com/"), "\(links.errorText)")
        // Whoever has a link has the data: it is the result, and stands nowhere else.
        let list = try atlas("list", "--restores")
        #expect(list.text.split(separator: "\n").count == 5 && !(list.text + links.errorText).contains("https://"))
    }

    @Test func secretsComeFromFilesToo() throws {
        let file = folder.appending("key")
        try Data((AtlasFake.privateKey + "\n").utf8).write(to: URL(fileURLWithPath: file))
        let path = folder.appending("cairn.yaml")
        let text = """
            atlas:
              project-id: \(AtlasFake.project)
              cluster: Cluster0
              endpoint: \(fake.address)
              public-key: \(AtlasFake.publicKey)
              private-key-file: key
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let listed = try Command.run("atlas", "list", "--config", path)
        #expect(listed.exitCode == 0 && listed.text == "no snapshots\n", "\(listed.errorText)")
        try Data("a-wrong-key".utf8).write(to: URL(fileURLWithPath: file))
        let refused = try Command.run("atlas", "list", "--verbose", "--config", path)
        #expect(refused.exitCode == 1 && refused.errorText.contains("the API key was refused"), "\(refused.errorText)")
        #expect(!refused.errorText.contains("a-wrong-key"))
        let other = try Command.run("atlas", "list", "--cluster", "Cluster9", environment: environment)
        #expect(other.exitCode == 1 && other.errorText.contains("CLUSTER_NOT_FOUND"), "\(other.errorText)")
        let nothing = try Command.run("atlas", "list", environment: ["CAIRN_ATLAS_PROJECT_ID": AtlasFake.project])
        #expect(nothing.exitCode == 2 && nothing.errorText.contains("atlas.cluster"))
    }
}

/// Both archives at once. Needs a real mongod.
extension AtlasTests {
    private static let needsServer: ConditionTrait = .enabled(
        if: ThrowawayServer.isAvailable, "needs a mongod: CAIRN_MONGOD, PATH or `make setup`")

    private func backup(_ more: [String: String] = [:], _ arguments: String...) throws -> ChildProcess.Outcome {
        let sample = try SampleRepository()
        let all = environment.merging(sample.environment) { $1 }
            .merging(["CAIRN_URI": try ThrowawayServer.shared("source").uri]) { $1 }.merging(more) { $1 }
        return try Command.run(
            ["backup", "--tag", "manual", "--atlas-snapshot", "--ns-include", "atlas.*", "--json"] + arguments,
            environment: all)
    }

    @Test(needsServer) func aBackupTakesBoth() throws {
        let both = try backup()
        #expect(both.exitCode == 0, "\(both.errorText)")
        let report = try both.object()
        let snapshot = try #require(report["atlasSnapshot"] as? [String: Any])
        #expect(report["id"] is String && report["tags"] as? [String] == ["manual"])
        #expect(snapshot["status"] as? String == "completed")
        #expect((snapshot["description"] as? String)?.contains("manual") == true)
        #expect(both.errorText.contains("are both of one cluster?"))
        let hosts = [
            "standardSrv": "mongodb+srv://x.example", "standard": "mongodb://y.example:1,127.0.0.1:2/?tls=true",
        ]
        let strings = try JSONSerialization.data(withJSONObject: ["connection_strings": hosts])
        try fake.set(String(decoding: strings, as: UTF8.self))
        #expect(try !backup().errorText.contains("are both of one cluster?"))
    }

    @Test(needsServer) func aFailedSnapshotLeavesTheBackup() throws {
        try fake.set("{\"snapshots_fail\": true, \"looks_until_done\": 0}")
        let failed = try backup()
        #expect(failed.exitCode == 3, "\(failed.errorText)")
        #expect(try failed.object()["id"] is String)
        #expect((try failed.object()["atlasSnapshot"] as? [String: Any])?["error"] as? String == "server")
        let refused = try backup(["CAIRN_ATLAS_CLIENT_SECRET": "a-wrong-secret"])
        #expect(refused.exitCode == 3 && !refused.errorText.contains("a-wrong-secret"), "\(refused.errorText)")
        #expect((try refused.object()["atlasSnapshot"] as? [String: Any])?["error"] as? String == "authentication")
        // A mistake in the settings shows before anything is done.
        let wrong = try backup(["CAIRN_ATLAS_CLUSTER": ""])
        #expect(wrong.exitCode == 2 && wrong.text.isEmpty, "\(wrong.errorText)")
    }

    @Test func aFailedBackupSaysWhatAtlasDoes() throws {
        let sample = try SampleRepository()
        let failed = try Command.run(
            ["backup", "--atlas-snapshot", "--server-timeout", "1"],
            environment: environment.merging(sample.environment) { $1 }
                .merging(["CAIRN_URI": "mongodb://127.0.0.1:1"]) { $1 })
        #expect(failed.exitCode == 1 && failed.errorText.contains("Atlas goes on with snapshot"), "\(failed.errorText)")
    }
}
