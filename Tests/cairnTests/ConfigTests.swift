import Bytes
import Foundation
import Operations
import TestSupport
import Testing

@testable import cairn

/// `cairn config`: one description of the settings, from which the check, the example and the schema are made.
@Suite struct ConfigTests {
    private static let hasValidator =
        (try? ChildProcess.run("python3", ["-c", "import jsonschema, yaml"]))?.exitCode == 0

    /// Lines of the example that are settings, uncommented.
    private static let whole = ConfigurationExample.text.split(separator: "\n", omittingEmptySubsequences: false).map {
        line -> Substring in
        let isSetting = line.hasPrefix("#") && line.dropFirst().first != " " || line.hasPrefix("#  ")
        return isSetting ? line.dropFirst() : line
    }.joined(separator: "\n")

    @Test func everySettingIsDescribedAndItsExampleIsRight() throws {
        for setting in Setting.allCases {
            let description = setting.description
            #expect(description.note.hasSuffix("."), "\(setting.rawValue)")
            guard setting.kind != .list else { continue }
            #expect(throws: Never.self, "\(setting.rawValue)") {
                try description.syntax.check(description.example, place: setting.rawValue)
            }
        }
    }

    /// What the example says of the policy is what holds without it.
    @Test func theExampleIsTheDefaultPolicy() throws {
        let check = ConfigurationCheck(ConfigurationExample.text, path: "cairn.yaml")
        #expect(check.mistakes.isEmpty, "\(check.mistakes)")
        let file = try ConfigurationFile.parse(ConfigurationExample.text, path: "cairn.yaml")
        let folder = try TemporaryDirectory()
        let path = folder.appending("cairn.yaml")
        try ConfigurationExample.text.write(toFile: path, atomically: true, encoding: .utf8)
        let merged = try Configuration(flags: [:], configurationPath: path, environment: [:])
        #expect(try merged.policy() == BackupPolicy())
        #expect(try merged.retentionAsSet() == BackupPolicy.defaultRetention)
        #expect(file.values[.scheduleFull]?.text == "daily 02:00")
    }

    @Test func theExampleHasEverySetting() throws {
        let file = try ConfigurationFile.parse(Self.whole, path: "cairn.yaml")
        #expect(Set(file.values.keys) == Set(Setting.allCases))
        #expect(file.replicas.map(\.name) == ["west"])
        let mistakes = ConfigurationCheck(Self.whole, path: "cairn.yaml").mistakes
        #expect(mistakes.allSatisfy { $0.message.hasSuffix("are both set; choose one") } && mistakes.count == 3)
    }

    @Test func eachSettingOfThePolicyCounts() throws {
        let folder = try TemporaryDirectory()
        let path = folder.appending("cairn.yaml")
        try """
        schedule: {full: weekly sunday 01:30, incremental: every 15m, replicate: never, forget: monthly 2, \
        prune: daily, grace: 2h}
        retention: {full: 8w, incremental: 2d, tags: [a=1d, "b=c=2w"], last: 3, hourly: 4, daily: 5, weekly: 6, \
        monthly: 7, yearly: 8, replica-grace: forever}
        """.write(toFile: path, atomically: true, encoding: .utf8)
        let policy = try Configuration(flags: [:], configurationPath: path, environment: [:]).policy()
        #expect(policy.full == .weekly(day: 6, second: 5_400) && policy.incremental == .every(seconds: 900))
        #expect(policy.replicate == .never && policy.forget == .monthly(day: 2, second: 0))
        #expect(policy.prune == .daily(second: 0) && policy.grace == 7_200 && policy.replicaGrace == nil)
        let retention = policy.retention
        #expect(retention.full == 56 * 86_400 && retention.incremental == 2 * 86_400 && retention.last == 3)
        #expect(retention.tags == ["a": 86_400, "b=c": 14 * 86_400])
        #expect(retention.periods == [.hourly: 4, .daily: 5, .weekly: 6, .monthly: 7, .yearly: 8])
    }

    @Test func everyMistakeIsNamedWithItsLine() throws {
        let folder = try TemporaryDirectory()
        let path = folder.appending("cairn.yaml")
        try """
        repository: azblob://
        repositry: /x
        uri: localhost:27017
        read-preference: secundary
        backup:
          level: 20
          levle: 3
          readers: [1, 2]
        passphrase-file: a
        key-file: b
        schedule:
          full: dayly 02:00
          incremental: every 7h
        retention:
          full: 30
          tags: [manual]
        replicas:
          west:
            repositry: /x
          east:
            azure: {tier: cool}
            limit-upload: 5 apples
        """.write(toFile: path, atomically: true, encoding: .utf8)
        let outcome = try Command.run("config", "check", path, "--json")
        #expect(outcome.exitCode == 2, "\(outcome.errorText)")
        let mistakes = try #require(try outcome.object()["mistakes"] as? [[String: Any]])
        let lines = mistakes.compactMap { $0["line"] as? Int }
        // The replica `east` has no repository, and a limit that is none.
        #expect(lines == [1, 2, 3, 4, 6, 7, 8, 10, 12, 13, 15, 16, 19, 21], "\(outcome.text)")
        let text = try Command.run("config", "check", path).text
        #expect(text.contains("did you mean `repository`?") && text.contains("did you mean `secondary`?"))
        #expect(text.contains("did you mean `backup.level`?") && text.hasSuffix("14 mistakes\n"))
        #expect(text.contains("write never, hourly, every 15m"))
    }

    @Test func brokenFilesAreNamedWhereTheyBreak() throws {
        #expect(ConfigurationCheck("backup:\n  level: \"3\n", path: "c").mistakes.map(\.object) == ["c:3:1"])
        #expect(ConfigurationCheck("a: 1\na: 2\n", path: "c").mistakes.count == 1)
        #expect(try Command.run("config", "check", "/nowhere").exitCode == 2)
        #expect(try Command.run("config", "check").exitCode == 2)
        #expect(ConfigurationCheck("", path: "c").mistakes.isEmpty)
    }

    @Test func theSchemaHasEverySettingAndNothingElse() throws {
        let schema = try Command.run("config", "schema").object()
        var found: Set<String> = []
        func collect(_ object: [String: Any], _ prefix: String) throws {
            #expect(object["additionalProperties"] as? Bool == false, "\(prefix)")
            for (key, value) in try #require(object["properties"] as? [String: [String: Any]]) {
                if key == "replicas" { continue }
                guard value["properties"] == nil else {
                    try collect(value, key + ".")
                    continue
                }
                #expect((value["description"] as? String)?.isEmpty == false && value["type"] ?? value["enum"] != nil)
                found.insert(prefix + key)
            }
        }
        try collect(schema, "")
        #expect(found == Set(Setting.allCases.map(\.rawValue)))
    }

    /// The schema and the program agree about files, right and wrong.
    @Test(.enabled(if: hasValidator, "needs python3-jsonschema and python3-yaml"))
    func theSchemaAgreesWithTheCheck() throws {
        let wrong = [
            "repositry: /x", "backup: {level: 20}", "backup: {level: fastest}", "backup: {readers: 0}",
            "schedule: {full: dayly}", "schedule: {full: 'daily 24:00'}", "schedule: {full: monthly 29}",
            "retention: {full: 30}", "retention: {full: 30m}", "retention: {tags: [manual]}", "retention: {last: 0}",
            "azure: {tier: tepid}", "uri: localhost", "limit-upload: 5 apples", "follow: {every: soon}",
            "replicas: {west: {}}", "replicas: {west: {repository: /x, backup: {level: 3}}}", "- a", "backup: 3",
            "repository: [a]", "retention: {replica-grace: never}",
        ]
        let right = [
            ConfigurationExample.text, Self.whole.replacing("repository-file:", with: "#repository-file:"), "",
            "backup:",
            "backup: {level: 7, tags: one}", "backup: {level: max, tags: [1, two]}", "follow: {every: 90}",
            "schedule: {full: weekly sunday, incremental: every 5m}",
            "retention: {tags: manual=1y, replica-grace: forever}",
            "replicas: {west: {repository-file: x, azure: {tier: cool}}}", "restore: {write-concern: 2}",
        ]
        for text in wrong {
            #expect(!ConfigurationCheck(text, path: "c").mistakes.isEmpty, "\(text)")
        }
        let folder = try TemporaryDirectory()
        let files = folder.appending("files.json")
        try JSONSerialization.data(withJSONObject: ["wrong": wrong, "right": right]).write(
            to: URL(fileURLWithPath: files))
        let outcome = try Command.shell(
            """
            "$CAIRN" config schema > "$0.schema" && python3 - "$0" <<'END'
            import json, jsonschema, sys, yaml
            schema = json.load(open(sys.argv[1] + ".schema"))
            jsonschema.Draft202012Validator.check_schema(schema)
            validator = jsonschema.Draft202012Validator(schema)
            for kind, files in json.load(open(sys.argv[1])).items():
                for text in files:
                    if validator.is_valid(yaml.safe_load(text)) != (kind == "right"):
                        print(kind, text)
            END
            """, arguments: [files])
        #expect(outcome.exitCode == 0 && outcome.text.isEmpty, "\(outcome.text)\(outcome.errorText)")
    }

    /// `forget` goes by the file where it is given no rules, and is refused where that has none either.
    @Test func forgetGoesByTheFile() throws {
        let sample = try SampleRepository()
        try sample.snapshot(at: 1_700_000_000)
        try sample.snapshot(at: 1_700_100_000, tags: ["manual"])
        try sample.snapshot(at: 1_700_200_000)
        let file = sample.folder.appending("cairn.yaml")
        try "retention: {tags: [manual=100y]}\n".write(toFile: file, atomically: true, encoding: .utf8)
        let report = try sample.cairn("forget", "--dry-run", "--json", "--config", file).object()
        let kept = (report["snapshots"] as? [[String: Any]])?.map { $0["kept"] as? Bool }
        #expect(kept == [false, true, true])
        #expect(try sample.cairn("forget", "--dry-run").exitCode == 2)
        let named = try sample.cairn("forget", "--keep-last", "3", "--dry-run", "--json", "--config", file).object()
        #expect((named["snapshots"] as? [[String: Any]])?.allSatisfy { $0["kept"] as? Bool == true } == true)
    }
}
