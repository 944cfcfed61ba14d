import Bytes
import Foundation
import Operations
import Remote
import TestSupport
import Testing

@testable import cairn

/// Flag before environment before file, and a file whose mistakes are found where they are.
@Suite struct ConfigurationTests {
    private static let folder = Result { try TemporaryDirectory() }

    private func write(_ text: String, _ name: String = #function) throws -> String {
        let path = try Self.folder.get().appending(String(name.prefix { $0 != "(" }) + ".yaml")
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func flag(_ text: String) -> SettingValue { SettingValue(texts: [text], origin: .flag("--repository")) }

    @Test func theStrongestSourceWins() throws {
        let path = try write("repository: /file\nbackup:\n  level: 7\n  readers: 3\n")
        let environment = ["CAIRN_CONFIG": path, "CAIRN_REPOSITORY": "/environment", "CAIRN_BACKUP_READERS": "5"]
        var merged = try Configuration(
            flags: [.repository: flag("/flag")], configurationPath: nil, environment: environment)
        #expect(try merged.repository().description == "/flag")
        #expect(try merged.level() == 7)
        #expect(try merged.integer(.backupReaders, in: 1...64) == 5)
        merged = try Configuration(flags: [:], configurationPath: nil, environment: environment)
        #expect(try merged.repository().description == "/environment")
        merged = try Configuration(flags: [:], configurationPath: path, environment: ["CAIRN_CONFIG": "/nowhere"])
        #expect(try merged.repository().description == "/file")
    }

    @Test func aVariableSetToNothingIsNotSet() throws {
        let path = try write("repository: /file\n")
        let merged = try Configuration(
            flags: [:], configurationPath: path, environment: ["CAIRN_REPOSITORY": "", "CAIRN_CONFIG": ""])
        #expect(try merged.repository().description == "/file")
    }

    private static let wholeFile = """
        repository: repo
        uri-file: /etc/uri
        passphrase-file: pass
        limit-upload: 20MiB
        limit-download: 1MiB
        cache-size: 256MiB
        read-preference: primary
        server-timeout: 5
        backup:
          level: max
          scan-order: id
          readers: 2
          workers: 2
          ns-include: ["a.*", b]
          ns-exclude: c.d
          tags: [one, two]
        azure:
          auth: key
          endpoint: http://127.0.0.1:10000/devstoreaccount1
          tier: cool
          immutable-for: 30d
          connection-string-file: string
          account-key-file: key
          sas-file: sas
          tenant-id: tenant
          client-id: client
          client-secret-file: secret
          federated-token-file: /var/run/token
          ca-file: authority.pem
        atlas:
          project-id: 0123456789abcdef01234567
          cluster: Cluster0
          endpoint: https://cloud.mongodb.com
          client-id: mdb_sa_id_0123456789abcdef01234567
          client-secret-file: atlas-secret
          public-key: abcdefgh
          private-key-file: atlas-key
          retention-days: 30
          timeout: 4h
        follow:
          every: 30s
          bytes: 1MiB
        restore:
          workers: 4
          write-concern: "2"
        schedule:
          full: daily 02:00
          incremental: hourly
          replicate: every 6h
          forget: weekly sunday 02:00
          prune: monthly 1 02:00
          grace: 2h
        retention:
          full: 30d
          incremental: 7d
          tags: [manual=90d]
          last: 3
          hourly: 24
          daily: 7
          weekly: 4
          monthly: 12
          yearly: 5
          replica-grace: 7d

        """

    @Test func everySettingCanStandInAFile() throws {
        let path = try write(Self.wholeFile)
        let merged = try Configuration(flags: [:], configurationPath: path, environment: [:])
        let folder = try Self.folder.get().path
        #expect(try merged.repository().description == folder + "/repo")
        #expect(merged[.uriFile]?.text == "/etc/uri")
        #expect(merged[.passphraseFile]?.text == folder + "/pass")
        #expect(try merged.level() == 19)
        #expect(merged.list(.backupInclude) == ["a.*", "b"])
        #expect(merged.list(.backupExclude) == ["c.d"])
        #expect(merged.list(.backupTags) == ["one", "two"])
        #expect(merged[.restoreWriteConcern]?.text == "2")
        #expect(merged[.azureAccountKeyFile]?.text == folder + "/key")
        #expect(merged[.atlasPrivateKeyFile]?.text == folder + "/atlas-key")
        #expect(try merged.atlasRetentionDays() == 30 && merged.atlasWait().seconds == 14_400)
        for setting in Setting.allCases where ![.uri, .keyFile, .repositoryFile].contains(setting) {
            #expect(merged[setting] != nil, "\(setting.rawValue)")
        }
    }

    @Test(arguments: [
        ("repositry: /x\n", "unknown setting `repositry`; did you mean `repository`?", ":1:1"),
        ("repository: /x\nbackup:\n  levle: 3\n", "did you mean `backup.level`?", ":3:3"),
        ("level: 3\n", "unknown setting `level`; `backup.level` is known", ":1:1"),
        ("backup:\n  quux: 3\n", "known here: level, scan-order", ":2:3"),
        ("repository: [a, b]\n", "`repository` takes one value", ":1:13"),
        ("backup: 3\n", "`backup` holds further settings", ":1:9"),
        ("backup:\n  tags:\n    - {a: b}\n", "`backup.tags` is a list of plain texts", ":3:7"),
        ("- a\n", "the file must be a mapping", ":1:1"),
        ("repository: \"x\n", "not valid YAML", ":2:1"),
        ("repository: /a\nrepository: /b\n", "not valid YAML", ":1:1"),
    ])
    func mistakesAreFoundWhereTheyAre(text: String, message: String, place: String) throws {
        let error = try #require(throws: CairnError.self) { try ConfigurationFile.parse(text, path: "/c/cairn.yaml") }
        #expect(error.code == .usage)
        #expect(error.message.contains(message), "\(error)")
        #expect(error.object == "/c/cairn.yaml" + place)
    }

    @Test func emptyFilesAndEmptyValuesSetNothing() throws {
        #expect(try ConfigurationFile.parse("", path: "c").values.isEmpty)
        #expect(try ConfigurationFile.parse("# nothing\n", path: "c").values.isEmpty)
        #expect(try ConfigurationFile.parse("repository:\nbackup:\n  tags: ~\nrestore:\n", path: "c").values.isEmpty)
    }

    @Test func replicasHaveStoresOfTheirOwn() throws {
        let path = try write(
            """
            repository: /srv/backup
            limit-upload: 1MiB
            replicas:
              west:
                repository: azblob://account1/backups
                azure:
                  tier: cool
              near:
                repository: copy
                limit-upload: 5MiB
            """)
        let merged = try Configuration(flags: [:], configurationPath: path, environment: [:])
        let targets = try merged.replicaTargets([])
        #expect(targets.map(\.name) == ["west", "near"])
        #expect(targets.map(\.location.description)[0] == "azblob://account1/backups")
        #expect(targets[1].location.description.hasSuffix("/copy"))
        #expect(targets.map(\.stores.uploadRate) == [nil, 5 << 20])
        #expect(targets.map(\.stores.blobs.tier) == [.cool, nil])
        let limited = try Configuration(
            flags: [:], configurationPath: path, environment: ["CAIRN_LIMIT_UPLOAD": "2MiB"])
        #expect(try limited.replicaTargets([]).map(\.stores.uploadRate) == [2 << 20, 2 << 20])
        #expect(try merged.replicaTargets(["near"]).map(\.name) == ["near"])
        #expect(try merged.replicaTargets(["/elsewhere"]).map(\.location.description) == ["/elsewhere"])
        #expect(throws: CairnError.self) { try merged.replicaTargets(["east"]) }
        for wrong in [
            "replicas: west\n", "replicas:\n  west:\n", "replicas:\n  west:\n    azure:\n      tier: cool\n",
            "replicas:\n  west:\n    repository: /a\n    backup:\n      level: 3\n",
            "replicas:\n  west:\n    repositry: /a\n",
        ] {
            #expect(throws: CairnError.self, "\(wrong)") { try ConfigurationFile.parse(wrong, path: "c") }
        }
    }

    /// What holds a password stands in a file of its own, beside the configuration; messages never show it.
    @Test func locationsWithPasswordsStandInFiles() throws {
        let path = try write(
            """
            repository-file: primary
            replicas:
              west:
                repository-file: west
            """)
        let folder = path.prefix(upTo: path.lastIndex(of: "/") ?? path.endIndex)
        for (name, uri) in [("primary", "mongodb://u:s3cret@a/one"), ("west", "mongodb+srv://u:s3cret@b/two\n")] {
            try Data(uri.utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
        }
        let merged = try Configuration(flags: [:], configurationPath: path, environment: [:])
        #expect(try merged.repository().description == "mongodb://***@a/one")
        #expect(try merged.replicaTargets([]).map(\.location.description) == ["mongodb+srv://***@b/two"])
        var warnings: [String] = []
        let named = try merged.replicaTargets(["mongodb://u:s3cret@c/three"]) { warnings.append($0) }
        #expect(named.map(\.name) == ["mongodb://***@c/three"] && warnings.count == 1)
        let both = ["CAIRN_REPOSITORY": "/a", "CAIRN_REPOSITORY_FILE": "/b"]
        #expect(throws: CairnError.self) {
            try Configuration(flags: [:], configurationPath: nil, environment: both).repository()
        }
        let stronger = try Configuration(
            flags: [:], configurationPath: path, environment: ["CAIRN_REPOSITORY": "/a"])
        #expect(try stronger.repository().description == "/a")
    }

    @Test(arguments: ["0", "20", "-1", "3.5", "fastest", ""])
    func wrongLevelsAreRefused(text: String) throws {
        let value = SettingValue(texts: [text], origin: .environment(variable: "CAIRN_BACKUP_LEVEL"))
        let merged = try Configuration(flags: [.backupLevel: value], configurationPath: nil, environment: [:])
        let error = try #require(throws: CairnError.self) { try merged.level() }
        #expect(error.code == .usage && error.object == "CAIRN_BACKUP_LEVEL")
    }

    @Test func aStrongerKeyReplacesAWeakerOfTheOtherKind() throws {
        let environment = ["CAIRN_PASSPHRASE_FILE": "/p"]
        let keyFile = SettingValue(texts: ["/k"], origin: .flag("--key-file"))
        var merged = try Configuration(flags: [.keyFile: keyFile], configurationPath: nil, environment: environment)
        let chosen = try #require(try merged.either(.passphraseFile, .keyFile))
        #expect(chosen.0 == .keyFile && chosen.1.text == "/k")
        merged = try Configuration(
            flags: [:], configurationPath: nil, environment: environment.merging(["CAIRN_KEY_FILE": "/k"]) { $1 })
        let error = try #require(throws: CairnError.self) { try merged.either(.passphraseFile, .keyFile) }
        #expect(error.object == "CAIRN_PASSPHRASE_FILE, CAIRN_KEY_FILE")
    }

    @Test func variablesFollowTheNames() {
        #expect(Setting.uriFile.variable == "CAIRN_URI_FILE")
        #expect(Setting.backupScanOrder.variable == "CAIRN_BACKUP_SCAN_ORDER")
        #expect(Setting.backupTags.variable == nil)
        #expect(Suggestion.distance("kitten", "sitting") == 3)
    }
}
