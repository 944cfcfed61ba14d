import Archive
import Bytes
import Foundation
import ObjectStore
import TestSupport
import Testing

/// What goes wrong without a server: each has its exit code, and a message with the remedy.
@Suite struct BadInputTests {
    /// Nothing listens there: port 1 is privileged and unassigned in practice.
    private static let nowhere = "mongodb://127.0.0.1:1/?replicaSet=none"

    @Test func aWrongPassphraseIs12() throws {
        let sample = try SampleRepository()
        let wrong = sample.folder.appending("wrong")
        try "not it\n".write(toFile: wrong, atomically: true, encoding: .utf8)
        _ = try sample.repository.addKey(
            .passphrase(SecretBytes(copying: Array("right".utf8).rawSpan)), label: "",
            cost: PassphraseCost(logN: 4, r: 8, p: 1))
        let outcome = try sample.cairn("snapshots", "--passphrase-file", wrong)
        #expect(outcome.exitCode == 12, "\(outcome.errorText)")
        #expect(outcome.errorText.contains("opens none"))
    }

    @Test func theRightPassphraseOpensWithOrWithoutItsNewline() throws {
        let sample = try SampleRepository()
        _ = try sample.repository.addKey(
            .passphrase(SecretBytes(copying: Array("right ".utf8).rawSpan)), label: "",
            cost: PassphraseCost(logN: 4, r: 8, p: 1))
        for (text, code) in [("right ", 0), ("right \n", 0), ("right \r\n", 0), ("right", 12), ("right \n\n", 12)] {
            let file = sample.folder.appending("pass")
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            #expect(
                try sample.cairn("snapshots", "--passphrase-file", file).exitCode == code, "\(text.debugDescription)")
        }
    }

    @Test func aWrongKeyFileIs12() throws {
        let sample = try SampleRepository()
        let wrong = sample.folder.appending("wrong")
        try Data(repeating: 9, count: 32).write(to: URL(fileURLWithPath: wrong))
        #expect(try sample.cairn("stats", "--key-file", wrong).exitCode == 12)
    }

    @Test func noRepositoryIs10() throws {
        let sample = try SampleRepository()
        for place in [sample.folder.appending("nothing"), sample.folder.path, sample.keyFile] {
            let outcome = try sample.cairn("snapshots", "-r", place)
            #expect(outcome.exitCode == 10, "\(place): \(outcome.errorText)")
            #expect(outcome.errorText.contains("cairn init"))
        }
    }

    @Test func heldByMaintenanceIs11() throws {
        let sample = try SampleRepository()
        let lease = try Lease.acquire(.maintenance, in: sample.repository, note: "a test")
        defer { lease.release() }
        let outcome = try sample.cairn("backup", "--uri", Self.nowhere, "--json", "--quiet")
        #expect(outcome.exitCode == 11, "\(outcome.errorText)")
        let error = try outcome.error()
        #expect(error["code"] as? String == "held")
        #expect((error["message"] as? String)?.contains("a test") == true)
        let unlocked = try sample.cairn("unlock", "--force", "--json").object()
        #expect((unlocked["removed"] as? [Any])?.count == 1 && (unlocked["kept"] as? [Any])?.isEmpty == true)
    }

    @Test func unlockLeavesLeasesInForceAlone() throws {
        let sample = try SampleRepository()
        let lease = try Lease.acquire(.writer, in: sample.repository, note: "a test")
        defer { lease.release() }
        let outcome = try sample.cairn("unlock", "--json").object()
        #expect((outcome["removed"] as? [Any])?.isEmpty == true && (outcome["kept"] as? [Any])?.count == 1)
    }

    @Test func aDamagedConfigIs13() throws {
        let sample = try SampleRepository()
        try SampleRepository.flip(sample.path + "/config", at: 60)
        let outcome = try sample.cairn("snapshots", "--json")
        #expect(outcome.exitCode == 13, "\(outcome.errorText)")
        #expect(try outcome.error()["object"] as? String == "config")
    }

    @Test func aDamagedSnapshotIs13AndHidesNoOther() throws {
        let sample = try SampleRepository()
        let first = try sample.snapshot([SampleRepository.document(1)])
        let second = try sample.snapshot([SampleRepository.document(1)], at: 1_700_000_001)
        try SampleRepository.flip(sample.path + "/snapshots/" + first.id.hex, at: 100)
        let outcome = try sample.cairn("snapshots", "--json")
        #expect(outcome.exitCode == 13)
        #expect(try outcome.objects().map { $0["id"] as? String } == [second.id.hex])
        #expect(try outcome.error()["object"] as? String == "snapshots/" + first.id.hex)
        let latest = try sample.cairn("cat", "shop.orders")
        #expect(latest.exitCode == 13 && latest.errorText.contains("by its id"), "\(latest.errorText)")
        #expect(try sample.cairn("cat", "shop.orders", "--snapshot", second.id.hex).exitCode == 0)
    }

    @Test func aDamagedChunkIs13AndNamesThePack() throws {
        let sample = try SampleRepository()
        try sample.snapshot()
        let pack = try #require(
            try sample.objects("packs").max { try size(of: $0) < size(of: $1) })
        try SampleRepository.flip(pack, at: 1000)
        let outcome = try sample.cairn("cat", "shop.orders", "--json", "--bson")
        #expect(outcome.exitCode == 13, "\(outcome.errorText)")
        let object = try #require(try outcome.error()["object"] as? String)
        #expect(pack.hasSuffix(object))
        #expect(try outcome.error()["offset"] is Int)
    }

    private func size(of path: String) throws -> Int {
        try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    }

    @Test func aNewerFormatIs2AndNamesTheVersion() throws {
        let sample = try SampleRepository()
        let url = URL(fileURLWithPath: sample.path + "/config")
        var bytes = [UInt8](try Data(contentsOf: url))
        bytes[8] = 7
        bytes.removeLast(32)
        bytes += SHA256.hash(bytes.rawSpan).bytes
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: url.path)
        try Data(bytes).write(to: url)
        let outcome = try sample.cairn("snapshots")
        #expect(outcome.exitCode == 2)
        #expect(outcome.errorText.contains("format version 7"), "\(outcome.errorText)")
    }

    @Test func unknownAndAmbiguousSnapshots() throws {
        let sample = try SampleRepository()
        #expect(try sample.cairn("show").exitCode == 1)
        for tail in ["01", "02"] {
            let id = try #require(RandomID(hex: String(repeating: "ab", count: 15) + tail))
            try sample.snapshot([SampleRepository.document(1)], id: id)
        }
        let unknown = try sample.cairn("show", "cd")
        #expect(unknown.exitCode == 1 && unknown.errorText.contains("cairn snapshots"), "\(unknown.errorText)")
        let ambiguous = try sample.cairn("show", "abab")
        #expect(ambiguous.exitCode == 2 && ambiguous.errorText.contains("give more digits"), "\(ambiguous.errorText)")
        #expect(try sample.cairn("show", "xyz").exitCode == 2)
        #expect(try sample.cairn("cat", "shop.orders", "--snapshot", "abab").exitCode == 2)
        #expect(try sample.cairn("show", String(repeating: "AB", count: 15) + "02").exitCode == 0)
    }

    @Test(arguments: [
        "localhost:27017", "http://localhost", "mongodb://", "mongodb://user:p@ss@host:port/", "mongodb://h/?w=%zz",
        "mongodb://host:99999/",
    ])
    func malformedConnectionStringsAre2(uri: String) throws {
        let sample = try SampleRepository()
        let outcome = try Command.run(
            ["backup", "--quiet"],
            environment: sample.environment.merging(["CAIRN_URI": uri, "CAIRN_SERVER_TIMEOUT": "2"]) { $1 })
        #expect(outcome.exitCode == 2, "\(uri): \(outcome.errorText)")
        #expect(!outcome.errorText.contains("p@ss"))
    }

    @Test func anUnreachableServerIs1WithinTheTimeout() throws {
        let sample = try SampleRepository()
        let start = ContinuousClock.now
        let outcome = try sample.cairn("backup", "--uri", Self.nowhere, "--server-timeout", "2", "--json", "--quiet")
        #expect(outcome.exitCode == 1, "\(outcome.errorText)")
        #expect(try outcome.error()["code"] as? String == "unreachable")
        // The promise is 2 seconds; the margin is for a busy machine.
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(try sample.objects("snapshots").isEmpty && sample.objects("leases").isEmpty)
    }

    @Test func secretsThatDoNotHelpAre2() throws {
        let sample = try SampleRepository()
        let short = sample.folder.appending("short")
        try "x".write(toFile: short, atomically: true, encoding: .utf8)
        let empty = sample.folder.appending("empty")
        try "\n".write(toFile: empty, atomically: true, encoding: .utf8)
        #expect(try sample.cairn("stats", "--key-file", short).errorText.contains("32 random bytes"))
        #expect(try sample.cairn("stats", "--key-file", short).exitCode == 2)
        #expect(try sample.cairn("stats", "--passphrase-file", empty).exitCode == 2)
        #expect(try sample.cairn("stats", "--passphrase-file", "/nowhere").exitCode == 2)
        #expect(try sample.cairn("stats", "--passphrase-file", empty, "--key-file", short).exitCode == 2)
        let nothing = try Command.run("stats", "-r", sample.path)
        #expect(nothing.exitCode == 2 && nothing.errorText.contains("CAIRN_KEY_FILE"), "\(nothing.errorText)")
    }

    @Test func initAsksNothingAndNeverReplaces() throws {
        let folder = try TemporaryDirectory()
        let pass = folder.appending("pass")
        try "a passphrase\n".write(toFile: pass, atomically: true, encoding: .utf8)
        let place = folder.appending("a/b/repository")
        let made = try Command.run("init", "-r", place, "--passphrase-file", pass, "--json")
        #expect(made.exitCode == 0, "\(made.errorText)")
        #expect(try made.object()["formatVersion"] as? Int == 1)
        let again = try Command.run("init", "-r", place, "--passphrase-file", pass)
        #expect(again.exitCode == 1 && again.errorText.contains("already"))
        #expect(try Command.run("snapshots", "-r", place, "--passphrase-file", pass).exitCode == 0)
        let noKey = try Command.run("init", "-r", folder.appending("other"))
        #expect(noKey.exitCode == 2)
        #expect(!FileManager.default.fileExists(atPath: folder.appending("other")))
    }

    /// A file size limit stands for the full disk: no privileges are needed for it, and the store sees the same kind
    /// of failed write in the middle.
    @Test func aFullDiskIs1AndLeavesTheRepositoryAsItWas() throws {
        let sample = try SampleRepository()
        let before = try sample.cairn("stats", "--json").object()
        let script =
            "(ulimit -f 0; \"$CAIRN\" key add --new-key-file '\(sample.keyFile)') 2>&1 | cat; exit ${PIPESTATUS[0]}"
        let outcome = try Command.shell(script, environment: sample.environment)
        #expect(outcome.exitCode == 1, "\(outcome.text)")
        #expect(outcome.text.contains("error: tmp/") || outcome.text.contains("error: leases/"), "\(outcome.text)")
        let after = try sample.cairn("stats", "--json").object()
        #expect(NSDictionary(dictionary: before) == NSDictionary(dictionary: after))
    }

    @Test(
        .enabled(
            if: FileManager.default.isWritableFile(atPath: "/dev/full"), "needs /dev/full"))
    func aResultThatCannotBeWrittenIsAnError() throws {
        let sample = try SampleRepository()
        try sample.snapshot()
        for verb in ["cat shop.orders", "snapshots", "--help"] {
            let outcome = try Command.shell("\"$CAIRN\" \(verb) > /dev/full", environment: sample.environment)
            #expect(outcome.exitCode == 1, "\(verb): \(outcome.errorText)")
        }
    }

    @Test func aReaderThatHasEnoughIsNoError() throws {
        let sample = try SampleRepository()
        try sample.snapshot()
        let outcome = try Command.shell(
            "set -o pipefail; \"$CAIRN\" cat shop.orders | head -1", environment: sample.environment)
        #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome.errorText)")
        #expect(outcome.text.split(separator: "\n").count == 1)
    }

    @Test func signalsEndAVerbThatOnlyReadsWith130() throws {
        let sample = try SampleRepository()
        let pipe = sample.folder.appending("pipe")
        // Opening a pipe that nobody writes to keeps the verb waiting for its passphrase. The shell, too, blocks
        // signals around its fork, and its child ignores SIGINT: so it must be the verb by now, and block the two.
        let script = """
            mkfifo '\(pipe)'; "$CAIRN" snapshots --passphrase-file '\(pipe)' & child=$!
            exec 3<>'\(pipe)'; self=$(readlink -f "$CAIRN")
            until [ "$(readlink /proc/$child/exe)" = "$self" ] &&
                grep -q '^SigBlk:.*[4-7c-f]..[2367abef]$' /proc/$child/status
            do grep -q '^State:.Z' /proc/$child/status && break; done
            kill -$1 $child; wait $child
            """
        for signal in ["INT", "TERM"] {
            let outcome = try Command.shell(
                "set -- \(signal); rm -f '\(pipe)'; " + script, environment: ["CAIRN_REPOSITORY": sample.path])
            #expect(outcome.exitCode == 130, "\(outcome.errorText)")
        }
    }

    /// libmongoc makes its counters when it is loaded; a process that ends the hard way would leave them for ever.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/shm"), "needs /dev/shm"))
    func nothingStaysInSharedMemory() throws {
        let sample = try SampleRepository()
        let child = try Command.start(
            ["check", "--quiet"], environment: sample.environment, errorPath: sample.folder.appending("errors"),
            keepsCounters: true)
        #expect(child.wait() == 0)
        #expect(!FileManager.default.fileExists(atPath: "/dev/shm/mongoc-\(child.id)"))
    }
}
