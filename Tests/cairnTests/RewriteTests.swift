import Archive
import BSON
import Bytes
import Foundation
import ObjectStore
import TestSupport
import Testing

/// `key rotate --reencrypt`, `key reencrypt` and `compact --recompress` as a person runs them.
@Suite struct RewriteTests {
    private let sample: SampleRepository

    init() throws {
        sample = try SampleRepository()
    }

    /// Two snapshots of different states.
    private func fill() throws -> [(Snapshot, Int)] {
        [
            (try sample.snapshot(), SampleRepository.documentCount),
            (
                try sample.snapshot((0..<300).map { SampleRepository.document($0, version: 4) }, at: 1_700_000_100),
                300
            ),
        ]
    }

    private func expectWhole(_ snapshots: [(Snapshot, Int)]) throws {
        for (snapshot, count) in snapshots {
            let cat = try sample.cairn("cat", "shop.orders", "--snapshot", snapshot.id.hex)
            #expect(cat.exitCode == 0 && cat.text.split(separator: "\n").count == count, "\(cat.errorText)")
        }
        #expect(try sample.cairn("check", "--read-data").exitCode == 0)
        #expect(try sample.cairn("audit", "--json").object()["intact"] as? Bool == true)
    }

    private func prune() throws {
        for _ in 0..<2 { #expect(try sample.cairn("prune", "--grace", "0").exitCode == 0) }
    }

    /// The epochs in the headers of all files, but for `config` and keys.
    private func epochs() throws -> Set<UInt8> {
        var epochs: Set<UInt8> = []
        for folder in ["packs", "indexes", "snapshots", "audit", "condemned", "suspects", "leases"] {
            for path in try sample.objects(folder) {
                epochs.insert(try Data(contentsOf: URL(fileURLWithPath: path))[12])
            }
        }
        return epochs
    }

    @Test func afterARotationEverythingIsEncryptedAnew() throws {
        let snapshots = try fill()
        #expect(try sample.cairn("prune").exitCode == 0)
        #expect(try epochs() == [0])
        let outcome = try sample.cairn("key", "rotate", "--reencrypt", "--json")
        #expect(outcome.exitCode == 0, "\(outcome.errorText)")
        let report = try #require(try outcome.object()["reencryption"] as? [String: Any])
        #expect(report["replaced"] as? Int == 2 && (report["packs"] as? Int ?? 0) > 0)
        try expectWhole(snapshots)
        try prune()
        #expect(try epochs() == [1])
        try expectWhole(snapshots)
        let again = try sample.cairn("key", "reencrypt", "--json").object()
        #expect(again["packs"] as? Int == 0 && again["replaced"] as? Int == 0 && again["waitingPacks"] as? Int == 0)
    }

    @Test func recompressionSavesAndKeepsEverything() throws {
        let snapshots = try fill()
        func packBytes() throws -> Int { try sample.objects("packs").reduce(0) { $0 + (try size($1)) } }
        func size(_ path: String) throws -> Int {
            try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
        }
        let before = try packBytes()
        let asked = try sample.cairn("compact", "--recompress", "max", "--dry-run", "--json").object()
        #expect(asked["dryRun"] as? Bool == true && (asked["packsRewritten"] as? Int ?? 0) > 0)
        #expect(try packBytes() == before && sample.objects("condemned").isEmpty)
        let done = try sample.cairn("compact", "--recompress", "max")
        #expect(done.exitCode == 0 && done.text.contains("rewritten"), "\(done.errorText)")
        let again = try sample.cairn("compact", "--recompress", "max", "--json").object()
        #expect(again["packsRewritten"] as? Int == 0 && again["packsKept"] as? Int == 0)
        try prune()
        #expect(try packBytes() < before)
        try expectWhole(snapshots)
        for wrong in [["--recompress", "20"], ["--dry-run"], ["--recompress", "3", "--tag", "a"]] {
            #expect(try sample.cairn(["compact"] + wrong).exitCode == 2)
        }
    }
}
