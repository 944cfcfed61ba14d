import Archive
import BSON
import Foundation
import TestSupport
import Testing

/// `cairn run` with the real program and a real server.
@Suite(.serialized, .enabled(if: ThrowawayServer.isAvailable, "needs a mongod: CAIRN_MONGOD, PATH or `make setup`"))
struct RunTests {
    private let sample: SampleRepository
    private let file: String
    private let uri: String

    init() throws {
        sample = try SampleRepository()
        file = sample.folder.appending("cairn.yaml")
        let server = try ThrowawayServer.shared("source")
        uri = server.uri
        try server.connect().run(
            ["insert": "orders", "documents": .array([.document(SampleRepository.document(1))])],
            db: sample.folder.path.split(separator: "/").last.map { "run" + $0.suffix(6) } ?? "run")
    }

    private func configure(_ more: String) throws {
        try "repository: \(sample.path)\nkey-file: \(sample.keyFile)\nuri: \(uri)\n\(more)".write(
            toFile: file, atomically: true, encoding: .utf8)
    }

    private func run(_ more: String...) throws -> ChildProcess.Outcome {
        try Command.run(["run", "--config", file, "--json", "--quiet"] + more)
    }

    /// The tasks that were due, with the exit code of each that was done.
    private func due(_ outcome: ChildProcess.Outcome) throws -> [String: Int?] {
        let steps = try #require(try outcome.object()["steps"] as? [[String: Any]])
        let due = steps.filter { $0["due"] as? Bool == true }
        return Dictionary(uniqueKeysWithValues: due.map { ($0["task"] as? String ?? "", $0["exitCode"] as? Int) })
    }

    @Test func whatIsDueIsDoneOnce() throws {
        let replica = sample.folder.appending("west")
        try configure(
            """
            replicas: {west: {repository: \(replica)}}
            schedule: {full: monthly 1, incremental: monthly 1, replicate: monthly 1, prune: monthly 1}
            """)
        let planned = try run("--dry-run")
        #expect(planned.exitCode == 0, "\(planned.errorText)")
        #expect(Set(try due(planned).keys) == ["full", "replicate west", "prune"])
        #expect(try sample.repository.snapshotIDs().isEmpty)
        let first = try run()
        #expect(first.exitCode == 0, "\(first.errorText)")
        #expect(try due(first) == ["full": 0, "replicate west": 0, "prune": 0])
        #expect(
            try Command.run(["snapshots", "-r", replica, "--key-file", sample.keyFile, "--json"]).objects().count == 1)
        let second = try run()
        #expect(try due(second).isEmpty, "\(second.text)")
        #expect(try sample.repository.snapshotIDs().count == 1)
    }

    /// A replica that cannot be reached, and a server that cannot, keep nothing else back and show in the exit code.
    @Test func aStepThatFailsHidesNoOther() throws {
        let replica = sample.folder.appending("near")
        let blocked = sample.folder.appending("file")
        try "no folder".write(toFile: blocked, atomically: true, encoding: .utf8)
        try configure(
            """
            replicas: {west: {repository: \(blocked)/west}, near: {repository: \(replica)}}
            schedule: {prune: never}
            """
        )
        let outcome = try run()
        #expect(outcome.exitCode == 1, "\(outcome.text)")
        let codes = try due(outcome)
        #expect(codes["full"] == 0 && codes["replicate near"] == 0 && codes["replicate west"] == 1)
        // The server gone, snapshots that are past their time stay.
        try sample.snapshot(at: 1_500_000_000)
        try sample.snapshot(at: 1_500_100_000)
        try configure("server-timeout: 1\nschedule: {full: every 1m, prune: never, forget: every 1m}\n")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try text.replacing(uri, with: "mongodb://127.0.0.1:1/").write(toFile: file, atomically: true, encoding: .utf8)
        let before = try sample.repository.snapshotIDs().count
        let gone = try run()
        #expect(gone.exitCode == 1 && gone.text.contains("nothing is forgotten while backups fail"), "\(gone.text)")
        #expect(try sample.repository.snapshotIDs().count == before)
    }

    @Test func aSecondRunIsKeptOut() throws {
        try configure("")
        let host = try #require(URL(string: uri)?.host())
        let lease = try Lease.acquire(
            .follower, scope: "run: \(host) + -", in: sample.repository, note: "cairn run")
        defer { lease.release() }
        let outcome = try run()
        #expect(outcome.exitCode == 11 && outcome.output.isEmpty)
        #expect(try (outcome.error()["message"] as? String)?.contains("cairn run") == true)
        #expect(try run("--dry-run").exitCode == 0)
    }
}
