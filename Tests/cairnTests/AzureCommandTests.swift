import Archive
import BSON
import Bytes
import Foundation
import ObjectStore
import Remote
import TestSupport
import Testing

/// What stands between the binary and a Blob service: certificates, proxies, addresses, rights, policies.
@Suite struct AzureCommandTests {
    private let sample: SampleRepository
    private let place = "azblob://\(AzureEmulator.account)/backups"

    init() throws {
        sample = try SampleRepository()
    }

    private func cairn(_ emulator: AzureEmulator, _ arguments: [String], _ more: [String: String] = [:]) throws
        -> ChildProcess.Outcome
    {
        let own = emulator.environment(place, keyFile: sample.keyFile)
        let none = ["http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
        let clean = own.merging(none.map { ($0, "") }) { $1 }
        return try Command.run(arguments, environment: clean.merging(more) { $1 })
    }

    @Test func certificates() throws {
        let certificates = try Certificates()
        let folder = certificates.authority.dropLast("ca.pem".count)
        let emulator = try AzureEmulator(["--tls", folder + "server.pem", folder + "server.pem"])
        #expect(emulator.address.hasPrefix("https://"))
        let stranger = try cairn(emulator, ["init"])
        #expect(stranger.exitCode == 1, "\(stranger.errorText)")
        for word in ["127.0.0.1", "certificate", "azure.ca-file"] { #expect(stranger.errorText.contains(word)) }
        let trusted = ["CURL_CA_BUNDLE": certificates.authority]
        let made = try cairn(emulator, ["init"], trusted)
        #expect(made.exitCode == 0, "\(made.errorText)")
        #expect(try cairn(emulator, ["snapshots"], ["CAIRN_AZURE_CA_FILE": certificates.authority]).exitCode == 0)
        #expect(try cairn(emulator, ["snapshots"], ["CURL_CA_BUNDLE": folder + "stranger.pem"]).exitCode == 1)
        let name = emulator.endpoint.replacing("127.0.0.1", with: "localhost")
        let wrong = try cairn(emulator, ["snapshots", "--azure-endpoint", name], trusted)
        #expect(wrong.exitCode == 1 && wrong.errorText.contains("localhost"), "\(wrong.errorText)")
        #expect(wrong.errorText.contains("certificate"))
        let missing = try cairn(emulator, ["snapshots"], ["CURL_CA_BUNDLE": folder + "nothing.pem"])
        withExtendedLifetime(certificates) {}
        #expect(missing.exitCode == 2 && missing.errorText.contains("nothing.pem"), "\(missing.errorText)")
    }

    /// What a proxy has told so far.
    private struct Proxy {
        let process: ChildProcess
        let log: String
        let address: String

        init(_ folder: TemporaryDirectory) throws {
            let source: StaticString = #filePath
            let tests = "\(source)".split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
            log = folder.appending("proxy")
            process = try ChildProcess(
                "python3", ["-B", tests.joined(separator: "/") + "/azure/proxy.py"], outputPath: log,
                errorPath: folder.appending("proxy-errors"))
            var text = ""
            while !text.hasSuffix("\n"), !process.hasEnded {
                usleep(20_000)
                text = String(decoding: readWholeFile(log), as: UTF8.self)
            }
            address = String(text.split(separator: "\n")[0].dropFirst("listening on ".count))
        }

        var lines: [Substring] {
            String(decoding: readWholeFile(log), as: UTF8.self).split(separator: "\n").dropFirst() + []
        }
    }

    @Test func proxies() throws {
        let certificates = try Certificates()
        let folder = certificates.authority.dropLast("ca.pem".count)
        let secure = try AzureEmulator(["--tls", folder + "server.pem", folder + "server.pem"])
        let proxy = try Proxy(sample.folder)
        defer { proxy.process.closeInput() }
        let trusted = ["CURL_CA_BUNDLE": certificates.authority, "HTTPS_PROXY": proxy.address]
        let made = try cairn(secure, ["init"], trusted)
        #expect(made.exitCode == 0, "\(made.errorText)")
        let tunnels = proxy.lines.count
        #expect(tunnels > 0 && proxy.lines.allSatisfy { $0.hasPrefix("CONNECT 127.0.0.1:") }, "\(proxy.lines)")
        let around = try cairn(secure, ["snapshots"], trusted.merging(["NO_PROXY": "127.0.0.1"]) { $1 })
        #expect(around.exitCode == 0 && proxy.lines.count == tunnels, "\(around.errorText)")

        withExtendedLifetime(certificates) {}

        let plain = try AzureEmulator()
        let through = try cairn(plain, ["init"], ["http_proxy": proxy.address])
        #expect(through.exitCode == 0, "\(through.errorText)")
        #expect(proxy.lines.contains { $0.hasPrefix("PUT http://127.0.0.1:") })
    }

    @Test func addressesOfTheSixthVersion() throws {
        let emulator = try AzureEmulator(["--host", "::1"])
        #expect(emulator.endpoint.contains("[::1]"))
        let made = try cairn(emulator, ["init"])
        #expect(made.exitCode == 0, "\(made.errorText)")
        #expect(try cairn(emulator, ["snapshots"]).exitCode == 0)
    }

    /// Whatever is refused, no message has what was shown for it.
    @Test func secretsAreInNoMessage() throws {
        let emulator = try AzureEmulator(["--entra", "--imds"])
        let secret = "bm8tc3VjaC1zZWNyZXQ="
        let token = sample.folder.appending("token")
        try Data("federated-\(secret)".utf8).write(to: URL(fileURLWithPath: token))
        let entra = [
            "AZURE_STORAGE_KEY": "", "AZURE_TENANT_ID": "11111111-1111-1111-1111-111111111111",
            "AZURE_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
            "AZURE_AUTHORITY_HOST": emulator.fakes["entra"] ?? "",
        ]
        let signature = "?sv=2022-11-02&ss=b&srt=co&sp=rl&se=2020-01-01T00%3A00%3A00Z&sig=\(secret)"
        let account = AzureEmulator.account
        let wrong: [[String: String]] = [
            ["AZURE_STORAGE_KEY": secret],
            ["AZURE_STORAGE_KEY": "", "AZURE_STORAGE_SAS_TOKEN": signature],
            [
                "AZURE_STORAGE_KEY": "",
                "AZURE_STORAGE_CONNECTION_STRING":
                    "AccountName=\(account);AccountKey=\(secret);BlobEndpoint=\(emulator.endpoint)",
            ],
            [
                "AZURE_STORAGE_KEY": "",
                "AZURE_STORAGE_CONNECTION_STRING": "AccountName=\(account);AccountKey \(secret)",
            ],
            entra.merging(["AZURE_CLIENT_SECRET": secret]) { $1 },
            entra.merging(["AZURE_FEDERATED_TOKEN_FILE": token]) { $1 },
        ]
        try emulator.fakesPost("entra", "settings", "{\"assertions\": []}")
        for environment in wrong {
            for verb in [["snapshots", "-v"], ["check", "--json"], ["prune"], ["init"], ["stats", "-v", "--json"]] {
                let outcome = try cairn(emulator, verb, environment)
                #expect(outcome.exitCode == 1 || outcome.exitCode == 2, "\(verb): \(outcome.errorText)")
                let said = outcome.text + outcome.errorText
                #expect(!said.contains(secret) && !said.contains("sig=") && !said.contains("Bearer"), "\(said)")
            }
        }
    }

    /// Snapshots whose time is over go, packs whose time is not stay, and the repository is sound all along.
    @Test func pruneLeavesWhatAPolicyKeeps() throws {
        let emulator = try AzureEmulator()
        let first = try sample.snapshot()
        try sample.snapshot((0..<10).map { SampleRepository.document($0, version: 2) }, at: 1_700_000_100)
        func replicate(_ time: String) throws -> ChildProcess.Outcome {
            try cairn(
                emulator, ["replicate", "--to", place, "--immutable-for", time], ["CAIRN_REPOSITORY": sample.path])
        }
        // Packs first, for longer than the snapshots.
        let (snapshots, aside) = (sample.path + "/snapshots", sample.folder.appending("aside"))
        try FileManager.default.moveItem(atPath: snapshots, toPath: aside)
        let packs = try replicate("30d")
        #expect(packs.exitCode == 0, "\(packs.errorText)")
        try FileManager.default.moveItem(atPath: aside, toPath: snapshots)
        #expect(try replicate("1d").exitCode == 0)
        #expect(try cairn(emulator, ["replicas", "promote", place], ["CAIRN_REPOSITORY": sample.path]).exitCode == 0)

        let held = try cairn(emulator, ["forget", first.id.hex])
        #expect(held.exitCode == 3 && held.errorText.contains("retention policy"), "\(held.text)\(held.errorText)")
        try emulator.post("clock", "{\"advance\": 90000}")
        let forgotten = try cairn(emulator, ["forget", first.id.hex])
        #expect(forgotten.exitCode == 0, "\(forgotten.errorText)")
        for _ in 0..<2 {
            let kept = try cairn(emulator, ["prune", "--grace", "0", "--json"])
            #expect(kept.exitCode == 3, "\(kept.text)\(kept.errorText)")
            #expect(try (kept.object()["keptPacks"] as? Int ?? 0) > 0 && kept.object()["keptUntil"] is String)
            #expect(try kept.object()["removedPacks"] as? Int == 0)
            #expect(try cairn(emulator, ["check", "--read-data"]).exitCode == 0)
        }
        let text = try cairn(emulator, ["prune", "--grace", "0"])
        #expect(text.exitCode == 3 && text.text.contains("kept       "), "\(text.text)")
        try emulator.post("clock", "{\"advance\": \(30 * 86_400)}")
        let freed = try cairn(emulator, ["prune", "--grace", "0", "--json"])
        #expect(freed.exitCode == 0, "\(freed.errorText)")
        #expect(try (freed.object()["removedPacks"] as? Int ?? 0) > 0)
        #expect(try cairn(emulator, ["check", "--read-data"]).exitCode == 0)
    }
}

extension AzureEmulator {
    /// Sends JSON to a fake's own control interface.
    func fakesPost(_ fake: String, _ route: String, _ json: String) throws {
        let body = Array(json.utf8)
        let response = try HTTPClient().send(
            HTTPRequest(.post, "\(fakes[fake] ?? "")/_control/\(route)"), body: body.rawSpan,
            into: Buffer(capacity: 0))
        try #require(response.status == 200)
    }

    /// An account's signature with those permissions, for a day.
    func signature(permissions: String) throws -> String {
        let script = """
            import base64, sys, urllib.parse
            sys.path.insert(0, sys.argv[1])
            import signatures
            query = {"sv": "2022-11-02", "ss": "b", "srt": "co", "sp": sys.argv[4], "se": "2099-01-01T00:00:00Z"}
            query["sig"] = signatures.sign(sys.argv[3], signatures.account_sas_text(sys.argv[2], query))
            print(urllib.parse.urlencode(query))
            """
        let source: StaticString = #filePath
        let tests = "\(source)".split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        let outcome = try ChildProcess.run(
            "python3",
            ["-B", "-c", script, tests.joined(separator: "/") + "/azure", Self.account, Self.key, permissions])
        try #require(outcome.exitCode == 0, "\(outcome.errorText)")
        return outcome.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
