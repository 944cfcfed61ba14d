import Archive
import BSON
import Bytes
import Foundation
import TestSupport
import Testing

/// What `check` says about damage, what `check --repair` makes of it, and what `diff` says of two snapshots.
@Suite struct DamageTests {
    private func largestPack(of sample: SampleRepository) throws -> String {
        let sizes = try sample.objects("packs").map { path in
            (try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0, path)
        }
        return try #require(sizes.max { $0.0 < $1.0 }).1
    }

    @Test func aSoundRepositoryChecksSound() throws {
        let sample = try SampleRepository()
        let snapshot = try sample.snapshot()
        for arguments in [["check"], ["check", "--read-data"], ["check", "--read-data-subset", "5%"]] {
            let outcome = try Command.run(arguments + ["--json", "--quiet"], environment: sample.environment)
            #expect(outcome.exitCode == 0, "\(arguments): \(outcome.text) \(outcome.errorText)")
            let report = try outcome.object()
            #expect(report["sound"] as? Bool == true && report["repair"] is NSNull)
            #expect(report["soundSnapshots"] as? [String] == [snapshot.id.hex])
            #expect((report["packsRead"] as? Int == 0) == (arguments.count == 1))
        }
        #expect(try sample.cairn("check").text.hasSuffix("no damage found\n"))
    }

    @Test func aFlippedBitInAChunkNamesWhatItCosts() throws {
        let sample = try SampleRepository()
        let snapshot = try sample.snapshot()
        let pack = try largestPack(of: sample)
        try SampleRepository.flip(pack, at: 1000)
        #expect(try sample.cairn("check").exitCode == 0)
        let outcome = try sample.cairn("check", "--read-data", "--json", "--quiet")
        #expect(outcome.exitCode == 13)
        let damage = try #require(try outcome.object()["damage"] as? [[String: Any]])
        #expect(damage.count == 1)
        #expect(pack.hasSuffix(try #require(damage[0]["object"] as? String)) && damage[0]["offset"] is Int)
        let affected = try #require(damage[0]["affected"] as? [[String: Any]])
        #expect(affected.map { $0["snapshot"] as? String } == [snapshot.id.hex])
        #expect(affected[0]["namespace"] as? String == "shop.orders" && (affected[0]["documents"] as? Int ?? 0) > 0)
        #expect(affected[0]["firstId"] as? [String: String] == ["$numberInt": "0"])
        let text = try sample.cairn("check", "--read-data", "--quiet").text
        #expect(text.contains("shop.orders") && text.contains(#"_id { "$numberInt" : "0" } to"#), "\(text)")
    }

    @Test func aRepairSavesWhatIsWholeAndTheNextBackupTheRest() throws {
        let sample = try SampleRepository()
        let snapshot = try sample.snapshot()
        let pack = try largestPack(of: sample)
        let name = "packs" + pack.components(separatedBy: "/packs")[1]
        try SampleRepository.flip(pack, at: 1000)
        let repaired = try sample.cairn("check", "--read-data", "--repair", "--json", "--quiet")
        #expect(repaired.exitCode == 13, "documents are lost still: \(repaired.errorText)")
        let repair = try #require(try repaired.object()["repair"] as? [String: Any])
        #expect(repair["changed"] as? Bool == true && (repair["lostChunks"] as? Int ?? 0) == 1)
        #expect((repair["removed"] as? [String])?.contains(name) == true)
        #expect((repair["copies"] as? [String])?.contains { $0.hasPrefix("damaged/") } == true)
        #expect(try sample.objects("leases").isEmpty)
        try sample.snapshot(at: 1_700_000_100)
        let after = try sample.cairn("check", "--read-data", "--json", "--quiet")
        #expect(after.exitCode == 0, "\(after.text)")
        #expect((try after.object()["soundSnapshots"] as? [String])?.contains(snapshot.id.hex) == true)
    }

    @Test func aMissingIndexIsMadeAnew() throws {
        let sample = try SampleRepository()
        try sample.snapshot()
        for index in try sample.objects("indexes") { try FileManager.default.removeItem(atPath: index) }
        #expect(try sample.cairn("cat", "shop.orders").exitCode == 13)
        #expect(try sample.cairn("check").exitCode == 13)
        let repaired = try sample.cairn("check", "--repair", "--quiet")
        #expect(repaired.exitCode == 0 && repaired.text.contains("packs indexed anew"), "\(repaired.text)")
        #expect(try sample.cairn("cat", "shop.orders", "--limit", "1").exitCode == 0)
        #expect(try sample.cairn("check", "--repair").text.hasPrefix("nothing to repair"))
    }

    @Test func aRepairWaitsForNobody() throws {
        let sample = try SampleRepository()
        let lease = try Lease.acquire(.writer, in: sample.repository, note: "a test")
        defer { lease.release() }
        #expect(try sample.cairn("check", "--repair").exitCode == 11)
        #expect(try sample.cairn("check").exitCode == 0)
    }

    @Test(arguments: [["--read-data-subset", "0"], ["--read-data-subset", "x%"], ["--read-data-subset", "101%"]])
    func sharesThatMakeNoSenseAre2(arguments: [String]) throws {
        #expect(try Command.run(["check"] + arguments).exitCode == 2)
    }

    @Test func diffListsWhatChanged() throws {
        let sample = try SampleRepository()
        let documents = (0..<SampleRepository.documentCount).map { SampleRepository.document($0) }
        let first = try sample.snapshot(documents)
        var changed = documents
        changed[700] = SampleRepository.document(700, version: 1)
        changed.remove(at: 3)
        changed += [SampleRepository.document(5_000), SampleRepository.document(5_001)]
        let second = try sample.snapshot(changed, at: 1_700_000_100)
        let outcome = try sample.cairn("diff", first.id.hex, "latest", "--ids", "--json")
        #expect(outcome.exitCode == 0, "\(outcome.errorText)")
        let report = try outcome.object()
        #expect(report["from"] as? String == first.id.hex && report["to"] as? String == second.id.hex)
        let line = try #require((report["collections"] as? [[String: Any]])?.first)
        #expect(line["namespace"] as? String == "shop.orders" && report["equal"] as? Int == 1)
        #expect([line["added"], line["removed"], line["changed"]].map { $0 as? Int } == [2, 1, 1])
        let ids = try #require(line["ids"] as? [String: [[String: String]]])
        #expect(ids["removed"] == [["$numberInt": "3"]] && ids["changed"] == [["$numberInt": "700"]])
        #expect(Set(ids["added"]?.map { $0["$numberInt"] ?? "" } ?? []) == ["5000", "5001"])
        let text = try sample.cairn("diff", first.id.hex, "latest", "--ids").text
        #expect(text.contains("~ shop.orders { \"$numberInt\" : \"700\" }\n"), "\(text)")
        #expect(
            text.contains("- shop.orders { \"$numberInt\" : \"3\" }\n") && text.hasSuffix("1 namespaces are equal\n"))
        #expect(try sample.cairn("diff", "latest", "latest").text == "2 namespaces are equal\n")
        #expect(try sample.cairn("diff", "latest", "ffff").exitCode == 1)
        // Times in place of ids; the two snapshots are not joined, so no time between them can be had.
        for arguments in [["@1700000000:3", "@latest"], ["--at", "1700000000:3", "--at", "latest"]] {
            #expect(try sample.cairn(["diff", "--ids"] + arguments).text == text)
        }
        #expect(try sample.cairn("diff", "@1700000050", "latest").exitCode == 2)
        #expect(try sample.cairn("diff", "latest").exitCode == 2)
        let check = try sample.cairn("check", "--replay")
        #expect(check.exitCode == 0 && check.text.hasSuffix("are joined by segments\n"))
    }
}
