import Foundation
import TestSupport
import Testing

/// `cairn status` from outside.
@Suite struct StatusTests {
    @Test func ageAndPolicyAreJudged() throws {
        let sample = try SampleRepository()
        let empty = try sample.cairn("status", "--json")
        #expect(empty.exitCode == 14 && empty.errors.isEmpty, "\(empty.errorText)")
        try sample.snapshot(at: 1_700_000_000)
        let old = try sample.cairn("status", "--json")
        #expect(old.exitCode == 14)
        let oldSource = try #require((try old.object()["sources"] as? [[String: Any]])?.first)
        #expect((oldSource["late"] as? [Any])?.count == 2 && oldSource["source"] as? String == "rs0")
        let now = Int(Date().timeIntervalSince1970)
        try sample.snapshot(at: UInt32(now))
        let fresh = try sample.cairn("status", "--json", "--max-age", "1h")
        #expect(fresh.exitCode == 0, "\(fresh.text)")
        #expect(try fresh.object()["met"] as? Bool == true)
        #expect(try sample.cairn("status").text.hasSuffix("the policy is met\n"))
        let other = try sample.cairn("status", "--set", "rs1", "--json")
        #expect(other.exitCode == 14 && other.text.contains("`cairn run` takes one"))
    }

    @Test func tooOldIsStaleWhateverThePolicy() throws {
        let sample = try SampleRepository()
        let file = sample.folder.appending("cairn.yaml")
        try "schedule: {full: never, incremental: never}\n".write(toFile: file, atomically: true, encoding: .utf8)
        try sample.snapshot(at: 1_700_000_000)
        #expect(try sample.cairn("status", "--config", file).exitCode == 0)
        let stale = try sample.cairn("status", "--config", file, "--max-age", "90m")
        #expect(stale.exitCode == 14 && stale.text.contains("STALE: rs0: the newest restorable time is"))
        #expect(try sample.cairn("status", "--max-age", "soon").exitCode == 2)
    }

    @Test func aReplicaThatIsBehindIsNamed() throws {
        let sample = try SampleRepository()
        let file = sample.folder.appending("cairn.yaml")
        let replica = sample.folder.appending("west")
        try "replicas: {west: {repository: \(replica)}}\n".write(toFile: file, atomically: true, encoding: .utf8)
        try sample.snapshot(at: UInt32(Date().timeIntervalSince1970))
        let missing = try sample.cairn("status", "--config", file)
        #expect(missing.exitCode == 14 && missing.text.contains("STALE: replica west cannot be looked at"))
        #expect(try sample.cairn("replicate", "--config", file).exitCode == 0)
        #expect(try sample.cairn("status", "--config", file).exitCode == 0)
    }
}
