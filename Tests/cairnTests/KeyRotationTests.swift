import Archive
import BSON
import Bytes
import Foundation
import ObjectStore
import TestSupport
import Testing

/// `key rotate` as a person runs it.
@Suite struct KeyRotationTests {
    private let sample: SampleRepository

    init() throws {
        sample = try SampleRepository()
    }

    private func passphrase(_ text: String, named name: String) throws -> String {
        let path = sample.folder.appending(name)
        try Data((text + "\n").utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func newEpochs() throws -> Set<UInt32> {
        var epochs: Set<UInt32> = []
        for id in try sample.repository.list(.chunk) {
            epochs.insert(try sample.repository.readPackDirectory(id).identity.epoch)
        }
        return epochs
    }

    /// A second passphrase stays, a leaked one goes, what was there is read, what comes is written under the new key.
    @Test func aLeakedPassphraseIsShutOut() throws {
        let kept = try passphrase("kept", named: "kept")
        let leaked = try passphrase("leaked", named: "leaked")
        for file in [kept, leaked] {
            #expect(try sample.cairn("key", "add", "--new-passphrase-file", file).exitCode == 0)
        }
        let before = try sample.snapshot()
        let missing = try sample.cairn("key", "rotate", "--keep-passphrase-file", kept)
        #expect(missing.exitCode == 2 && missing.errorText.contains("--revoke-others"))

        let outcome = try sample.cairn("key", "rotate", "--keep-passphrase-file", kept, "--revoke-others", "--json")
        #expect(outcome.exitCode == 0, "\(outcome.errorText)")
        let report = try outcome.object()
        #expect(report["epoch"] as? Int == 1)
        #expect((report["added"] as? [String])?.count == 2 && (report["revoked"] as? [String])?.count == 1)
        for secret in ["kept", "leaked"] {
            #expect(!outcome.text.contains(secret) && !outcome.errorText.contains(secret))
        }

        try sample.reopen()
        let after = try sample.snapshot((0..<50).map { SampleRepository.document($0, version: 9) }, at: 1_700_000_100)
        #expect(try newEpochs() == [0, 1])
        for secret in [["--passphrase-file", kept], ["--key-file", sample.keyFile]] {
            for (snapshot, count) in [(before, SampleRepository.documentCount), (after, 50)] {
                let cat = try Command.run(
                    ["cat", "shop.orders", "--snapshot", snapshot.id.hex, "--repository", sample.path] + secret)
                #expect(cat.exitCode == 0 && cat.text.split(separator: "\n").count == count, "\(cat.errorText)")
            }
        }
        let refused = try Command.run(["snapshots", "--repository", sample.path, "--passphrase-file", leaked])
        #expect(refused.exitCode == 12 && refused.text.isEmpty)
        #expect(try sample.cairn("check", "--read-data").exitCode == 0)
        let audit = try sample.cairn("audit", "--json").object()
        #expect(audit["intact"] as? Bool == true)
        let records = try #require(audit["records"] as? [[String: Any]])
        #expect(records.last?["operation"] as? String == "key rotate")
    }
}
