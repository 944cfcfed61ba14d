import Archive
import BSON
import Bytes
import Foundation
import TestSupport
import Testing

/// What scripts rely on: names, shapes, streams.
@Suite struct InterfaceTests {
    private static let verbs = [
        ["init"], ["backup"], ["backup", "full"], ["restore"], ["snapshots"], ["show"], ["cat"], ["diff"], ["stats"],
        ["check"],
        ["key"],
        ["key", "list"], ["key", "add"], ["key", "remove"], ["key", "rotate"], ["key", "reencrypt"],
        ["unlock"], ["audit"], ["run"], ["status"],
        ["config"], ["config", "check"], ["config", "example"], ["config", "schema"],
        ["completions"],
    ]

    @Test(arguments: verbs)
    func everyVerbHasHelpWithAnExample(verb: [String]) throws {
        let outcome = try Command.run(verb + ["--help"])
        #expect(outcome.exitCode == 0 && outcome.errors.isEmpty)
        #expect(outcome.text.hasPrefix("OVERVIEW: "))
        #expect(outcome.text.contains("Example:\n  cairn \(verb[0])"), "\(outcome.text)")
    }

    @Test func helpListsEveryVerbAndEveryExitCode() throws {
        let text = try Command.run("--help").text
        for verb in Self.verbs { #expect(text.contains("\n  \(verb[0]) "), "\(verb)") }
        for code in ["0 done", "1 failed", "2 wrong", "3 done", "10 no", "11 held", "12 wrong", "13 damage", "130"] {
            #expect(text.replacing("\n", with: " ").contains(code), "\(code)")
        }
    }

    @Test(arguments: [
        ["frobnicate"], ["backup", "--levle", "3"], ["snapshots", "--newest", "x"], ["restore", "--ns-from", "a.b"],
        ["completions", "tcsh"], ["cat"], ["snapshots", "--newest", "-1"], ["stats"],
        ["backup", "--uri", "mongodb://h", "--level", "20"],
        ["backup", "--uri", "mongodb://h", "--tag", "two words"],
        ["backup", "--uri", "mongodb://h", "--scan-order", "random"],
        ["backup", "--uri", "mongodb://h", "--readers", "0"],
        ["backup", "--uri", "mongodb://h", "--read-preference", "nobody"],
        ["snapshots", "--config", "/nowhere"],
    ])
    func wrongUsageIs2(arguments: [String]) throws {
        let plain = try Command.run(arguments)
        #expect(plain.exitCode == 2 && plain.output.isEmpty && !plain.errors.isEmpty, "\(plain.errorText)")
        guard arguments[0] != "completions" else { return }
        let json = try Command.run(arguments + ["--json"])
        #expect(json.exitCode == 2 && json.output.isEmpty)
        #expect(try json.error()["code"] as? String == "usage")
    }

    @Test func versionNamesFormatAndLibraries() throws {
        let lines = try Command.run("--version").text.split(separator: "\n")
        try #require(lines.count == 5)
        #expect(lines[0].hasPrefix("cairn ") && lines[1] == "repository format 1" && lines[2].hasPrefix("zstd 1."))
        #expect(lines[3].hasPrefix("OpenSSL 3.") && lines[4].hasPrefix("libmongoc 1."))
    }

    @Test(arguments: [("bash", "complete "), ("zsh", "#compdef cairn"), ("fish", "complete -c")])
    func completionsAreScripts(shell: String, mark: String) throws {
        let outcome = try Command.run("completions", shell)
        #expect(outcome.exitCode == 0)
        #expect(outcome.text.contains(mark) && outcome.text.contains("snapshots"))
        guard shell == "bash" else { return }
        #expect(try Command.shell("\"$CAIRN\" completions bash | bash -n").exitCode == 0)
    }

    @Test func snapshotsHaveTheirShape() throws {
        let sample = try SampleRepository()
        #expect(try sample.cairn("snapshots", "--json").objects().isEmpty)
        let newer = try sample.snapshot(at: 1_700_000_100, tags: ["nightly", "two"])
        let older = try sample.snapshot(at: 1_700_000_000)
        let outcome = try sample.cairn("snapshots", "--json")
        #expect(outcome.errors.isEmpty && outcome.text.split(separator: "\n").count == 1)
        let snapshots = try outcome.objects()
        #expect(snapshots.map { $0["id"] as? String } == [older.id.hex, newer.id.hex])
        let last = try #require(snapshots.last)
        let keys = [
            "id", "kind", "at", "parent", "tags", "namespaces", "documents", "rawBytes", "addedBytes", "seconds",
            "warnings",
        ]
        #expect(Set(last.keys) == Set(keys))
        // The order as well, for people who look at it.
        let places = keys.map { outcome.text.range(of: "\"\($0)\":")!.lowerBound }
        #expect(places == places.sorted())
        #expect(last["kind"] as? String == "full" && last["parent"] is NSNull)
        #expect(last["at"] as? [String: Int] == ["t": 1_700_000_100, "i": 3])
        #expect(last["tags"] as? [String] == ["nightly", "two"])
        #expect(last["documents"] as? Int == SampleRepository.documentCount && last["namespaces"] as? Int == 2)
        #expect(last["seconds"] as? Double == 1.5 && (last["warnings"] as? [Any])?.isEmpty == true)
        #expect(try sample.cairn("snapshots", "--json", "--tag", "two").objects().count == 1)
        #expect(
            try sample.cairn("snapshots", "--json", "--newest", "1").objects().first?["id"] as? String == newer.id.hex)
        let table = try sample.cairn("snapshots").text.split(separator: "\n")
        #expect(table.count == 3 && table[1].hasPrefix(older.id.hex.prefix(8)) && table[2].hasSuffix("nightly,two"))
    }

    @Test func showHasTheCatalogue() throws {
        let sample = try SampleRepository()
        try sample.snapshot()
        let shown = try sample.cairn("show", "--json").object()
        let catalogue = try #require(shown["catalogue"] as? [[String: Any]])
        #expect(catalogue.map { $0["coll"] as? String } == ["orders", "view"])
        #expect(catalogue.map { $0["type"] as? String } == ["collection", "view"])
        #expect((catalogue[0]["indexes"] as? [[String: Any]])?.first?["name"] as? String == "_id_")
        #expect((catalogue[1]["options"] as? [String: Any])?["viewOn"] as? String == "orders")
        let filtered = try sample.cairn("show", "--json", "--ns-include", "shop.v*").object()
        #expect((filtered["catalogue"] as? [Any])?.count == 1)
        #expect(try sample.cairn("show").text.contains("shop.orders  collection      2,000"))
    }

    @Test func catGivesDocumentsOut() throws {
        let sample = try SampleRepository()
        try sample.snapshot()
        let all = try sample.cairn("cat", "shop.orders")
        #expect(all.text.split(separator: "\n").count == SampleRepository.documentCount && all.errors.isEmpty)
        let bson = try sample.cairn("cat", "shop.orders", "--bson", "--limit", "3")
        #expect(bson.output == (0..<3).flatMap { SampleRepository.document($0).bytes })
        #expect(try sample.cairn("cat", "shop.orders", "--limit", "0").output.isEmpty)
        for id in ["1234", "1234.0", #"{"$numberLong":"1234"}"#] {
            let one = try sample.cairn("cat", "shop.orders", "--id", id)
            #expect(try one.object()["_id"] as? [String: String] == ["$numberInt": "1234"], "\(id): \(one.errorText)")
        }
        #expect(try sample.cairn("cat", "shop.orders", "--id", "\"1234\"").exitCode == 1)
        #expect(try sample.cairn("cat", "shop.orders", "--id", "{").exitCode == 2)
        #expect(try sample.cairn("cat", "shop.view").exitCode == 2)
        #expect(try sample.cairn("cat", "shop").exitCode == 2)
        #expect(try sample.cairn("cat", "shop.none").exitCode == 1)
    }

    @Test func statsCount() throws {
        let sample = try SampleRepository()
        let snapshot = try sample.snapshot()
        let stats = try sample.cairn("stats", "--json").object()
        #expect(stats["snapshots"] as? Int == 1)
        #expect(stats["snapshotRawBytes"] as? Int == snapshot.totals.rawBytes)
        let chunks = try #require(stats["chunks"] as? [[String: Any]])
        #expect(chunks.map { $0["type"] as? String }.contains("documents"))
        #expect(chunks.first?["rawBytes"] as? Int == snapshot.totals.rawBytes)
        #expect(try sample.cairn("stats").text.contains("RATIO"))
    }

    @Test func keysComeAndGo() throws {
        let sample = try SampleRepository()
        let second = sample.folder.appending("second")
        try Data(repeating: 5, count: 32).write(to: URL(fileURLWithPath: second))
        let added = try sample.cairn("key", "add", "--new-key-file", second, "--label", "nightly job", "--json")
            .object()
        let id = try #require(added["id"] as? String)
        let keys = try sample.cairn("key", "list", "--json", "--key-file", second).objects()
        #expect(keys.count == 2 && keys[1]["label"] as? String == "nightly job" && keys[1]["current"] as? Bool == true)
        #expect(try sample.cairn("key", "remove", id).exitCode == 0)
        #expect(try sample.cairn("key", "list", "--key-file", second).exitCode == 12)
        let last = try sample.cairn("key", "remove", try #require(keys[0]["id"] as? String))
        #expect(last.exitCode == 2 && last.errorText.contains("last key"))
        let audit = try sample.cairn("audit", "--json").object()
        let operations = (audit["records"] as? [[String: Any]])?.map { $0["operation"] as? String }
        #expect(operations == ["key add", "key remove"] && audit["intact"] as? Bool == true)
    }

    @Test func aRecordStruckOutIsFound() throws {
        let sample = try SampleRepository()
        for operation in ["one", "two", "three"] {
            try sample.repository.appendAudit(operation: operation, program: "test", details: [:])
        }
        let heads = try sample.repository.verifyAudit().heads.map(\.hex)
        let named = try #require(try sample.objects("audit").first { path in !heads.contains { path.hasSuffix($0) } })
        try FileManager.default.removeItem(atPath: named)
        let outcome = try sample.cairn("audit", "--json")
        #expect(outcome.exitCode == 13)
        #expect(try outcome.object()["intact"] as? Bool == false)
        #expect((try outcome.error()["message"] as? String)?.contains("somebody removed it") == true)
    }

    @Test func precedenceHoldsFromOutside() throws {
        let sample = try SampleRepository()
        let file = sample.folder.appending("cairn.yaml")
        try "repository: repository\nkey-file: key\n".write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try Command.run("snapshots", "--config", file).exitCode == 0)
        #expect(try Command.run(["snapshots"], environment: ["CAIRN_CONFIG": file]).exitCode == 0)
        let environment = ["CAIRN_CONFIG": file, "CAIRN_REPOSITORY": "/nowhere"]
        #expect(try Command.run(["snapshots"], environment: environment).exitCode == 10)
        #expect(try Command.run(["snapshots", "-r", sample.path], environment: environment).exitCode == 0)
        try "repositry: x\n".write(toFile: file, atomically: true, encoding: .utf8)
        let misspelt = try Command.run("snapshots", "--config", file)
        #expect(misspelt.exitCode == 2 && misspelt.errorText.contains("\(file):1:1"))
        #expect(misspelt.errorText.contains("did you mean `repository`?"))
    }

    @Test func aPasswordOnTheCommandLineIsWarnedAboutAndNeverShown() throws {
        let sample = try SampleRepository()
        let uri = "mongodb://jo:hunter2@127.0.0.1:1/"
        let outcome = try sample.cairn("backup", "--uri", uri, "--server-timeout", "1", "--verbose")
        #expect(outcome.exitCode == 1)
        #expect(outcome.errorText.contains("warning: the password in --uri is visible"))
        #expect(!outcome.errorText.contains("hunter2"), "\(outcome.errorText)")
    }
}
