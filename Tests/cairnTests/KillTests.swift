import BSON
import Bytes
import Foundation
import Glibc
import TestSupport
import Testing

/// Backups that do not get to their end, by a signal that can be caught and by one that cannot.
@Suite(.serialized, .enabled(if: ThrowawayServer.isAvailable, "needs a mongod: CAIRN_MONGOD, PATH or `make setup`"))
struct KillTests {
    private static let documentBytes = 64 << 10
    private static let documentCount = 448

    private let sample: SampleRepository
    private let source: ThrowawayServer
    private let errors: String

    init() throws {
        sample = try SampleRepository()
        source = try ThrowawayServer.shared("source")
        errors = sample.folder.appending("errors")
    }

    private var environment: [String: String] { sample.environment.merging(["CAIRN_URI": source.uri]) { $1 } }

    private func cairn(_ arguments: String...) throws -> ChildProcess.Outcome {
        try Command.run(arguments, environment: environment)
    }

    /// One thread each, and a level that takes its time, so that there is a middle to be killed in.
    private func startBackup(of database: String, level: String = "default") throws -> ChildProcess {
        try Command.start(
            [
                "backup", "--ns-include", "\(database).*", "--workers", "1", "--readers", "1", "--quiet", "--level",
                level,
            ],
            environment: environment, errorPath: errors)
    }

    /// 28 MiB that zstd cannot shrink: two packs.
    private func load(_ database: String, _ generator: inout SeededGenerator) throws {
        let client = try source.connect()
        try client.run(["dropDatabase": 1], db: database)
        for start in stride(from: 0, to: Self.documentCount, by: 64) {
            var documents: [BSONValue] = []
            for id in start..<(start + 64) { documents.append(.document(Self.document(id, &generator))) }
            try client.run(["insert": "data", "documents": .array(documents)], db: database)
        }
    }

    private static func document(_ id: Int, _ generator: inout SeededGenerator) -> BSONDocument {
        let filling = generator.bytes(documentBytes)
        return ["_id": BSONValue(id), "filling": .binary(subtype: 0, filling)]
    }

    private func change(_ database: String, _ count: Int, _ generator: inout SeededGenerator) throws {
        let client = try source.connect()
        for _ in 0..<count {
            let document = Self.document(generator.integer(0..<Self.documentCount), &generator)
            let id = document["_id"] ?? .null
            let update: BSONDocument = ["q": ["_id": id], "u": .document(document)]
            try client.run(["update": "data", "updates": .array([.document(update)])], db: database)
        }
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func aSignalInTheMiddleIs130AndTheNextBackupGoesOn(signal: Int32) throws {
        var generator = SeededGenerator(seed: UInt64(signal))
        try load("stopped", &generator)
        let backup = try startBackup(of: "stopped", level: "max")
        try ThrowawayReplicaSet.wait(for: "the first pack") { try backup.hasEnded || !sample.objects("packs").isEmpty }
        backup.signal(signal)
        #expect(backup.wait() == 130, "\(String(decoding: readWholeFile(errors), as: UTF8.self))")
        #expect(try cairn("snapshots", "--json").objects().isEmpty)
        #expect(try sample.objects("leases").isEmpty)
        #expect(try cairn("check").exitCode == 0)
        let stored = try sample.objects("packs").count
        let report = try cairn("backup", "--ns-include", "stopped.*", "--json", "--quiet").object()
        let raw = try #require(report["rawBytes"] as? Int)
        let added = try #require(report["addedBytes"] as? Int)
        #expect(stored >= 1 && added < raw - (10 << 20), "added \(added) of \(raw) although \(stored) packs were there")
        #expect(try cairn("check", "--read-data").exitCode == 0)
    }

    @Test func aSecondSignalEndsTheProcessAtOnce() throws {
        // A server that never answers keeps the backup from seeing the first signal.
        let deaf = try ThrowawayReplicaSet(nodes: 1)
        deaf.freeze(0)
        defer { deaf.thaw(0) }
        let backup = try Command.start(
            ["backup", "--server-timeout", "600"],
            environment: sample.environment.merging(["CAIRN_URI": deaf.uri]) { $1 },
            errorPath: errors)
        try ThrowawayReplicaSet.wait(for: "the lease") { try !sample.objects("leases").isEmpty }
        backup.signal(SIGINT)
        try ThrowawayReplicaSet.wait(for: "the answer to the first signal") {
            String(decoding: readWholeFile(errors), as: UTF8.self).contains("second signal")
        }
        #expect(!backup.hasEnded)
        backup.signal(SIGINT)
        #expect(backup.wait() == 130)
    }

    /// A tmpfs of its own where the machine allows one, a file size limit elsewhere: both stop a pack in the middle.
    @Test func aFullDiskInTheMiddleIs1AndTheNextBackupGoesOn() throws {
        var generator = SeededGenerator(seed: 28)
        try load("full", &generator)
        let script = """
            small="$CAIRN_REPOSITORY.small"; said="$CAIRN_REPOSITORY.out"; mkdir "$small"
            in_small_disk() {
                mount -t tmpfs -o size=$((20 << 20)) tmpfs "$small" && cp -a "$CAIRN_REPOSITORY/." "$small/" || exit 99
                CAIRN_REPOSITORY="$small" "$CAIRN" backup --ns-include 'full.*' --quiet --json > "$said" 2>&1
                code=$?; cp -a "$small/." "$CAIRN_REPOSITORY/"; exit $code
            }
            export -f in_small_disk; export small said
            unshare -rm bash -c in_small_disk; code=$?
            if [ $code = 99 ] || ! [ -e "$said" ]; then
                (ulimit -f 8192; exec "$CAIRN" backup --ns-include 'full.*' --quiet --json 2>&1) > "$said"
                code=$?
            fi
            cat "$said"; exit $code
            """
        let outcome = try Command.shell(script, environment: environment)
        #expect(outcome.exitCode == 1, "\(outcome.text) \(outcome.errorText)")
        #expect(
            outcome.text.contains("\"code\":\"noSpace\"") || outcome.text.contains("\"code\":\"io\""), "\(outcome.text)"
        )
        #expect(try cairn("snapshots", "--json").objects().isEmpty)
        #expect(try cairn("check").exitCode == 0)
        let next = try cairn("backup", "--ns-include", "full.*", "--quiet", "--json")
        #expect(next.exitCode == 0, "\(next.errorText)")
        #expect(try cairn("check", "--read-data").exitCode == 0)
    }

    @Test func anUnwritableRepositoryIs1() throws {
        var generator = SeededGenerator(seed: 29)
        try load("unwritable", &generator)
        let packs = sample.path + "/packs"
        // A file where a folder belongs: root, whom no permission stops, cannot write there either.
        try? FileManager.default.removeItem(atPath: packs)
        try Data().write(to: URL(fileURLWithPath: packs))
        let outcome = try cairn("backup", "--ns-include", "unwritable.*", "--quiet", "--json")
        #expect(outcome.exitCode == 1, "\(outcome.errorText)")
        #expect(try outcome.error()["code"] as? String == "io")
        try FileManager.default.removeItem(atPath: packs)
        #expect(try cairn("snapshots", "--json").objects().isEmpty && sample.objects("leases").isEmpty)
        #expect(try cairn("backup", "--ns-include", "unwritable.*", "--quiet").exitCode == 0)
    }

    @Test func killedAtRandomMomentsNothingIsLost() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("killedAtRandomMomentsNothingIsLost: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        try load("killed", &generator)
        let first = try cairn("backup", "--ns-include", "killed.*", "--json", "--quiet").object()
        let id = try #require(first["id"] as? String)
        let digest = try digest(of: id)
        var unfinished = 0
        for round in 0..<12 {
            try change("killed", 64, &generator)
            if try !survives(afterMilliseconds: generator.integer(20..<900)) { unfinished += 1 }
            try requireIntact(id, "seed \(seed), round \(round)")
        }
        print("killedAtRandomMomentsNothingIsLost: \(unfinished) of 12 backups did not get to their end")
        let last = try cairn("backup", "--ns-include", "killed.*", "--json", "--quiet")
        #expect(last.exitCode == 0, "seed \(seed): \(last.errorText)")
        // Every round changed a tenth of the documents, and with them at most every chunk; what a killed backup stored
        // is found again, so a backup of unchanged data adds next to nothing.
        let repeated = try cairn("backup", "--ns-include", "killed.*", "--json", "--quiet").object()
        #expect((repeated["addedBytes"] as? Int ?? .max) < 100_000, "seed \(seed)")
        #expect(try self.digest(of: id) == digest, "seed \(seed)")
        #expect(try cairn("check", "--read-data").exitCode == 0, "seed \(seed)")
    }

    /// Starts a backup and kills it; whether it was faster.
    private func survives(afterMilliseconds delay: Int) throws -> Bool {
        let backup = try startBackup(of: "killed")
        let end = ContinuousClock.now + .milliseconds(delay)
        try ThrowawayReplicaSet.wait(for: "the moment") { backup.hasEnded || ContinuousClock.now >= end }
        backup.signal(SIGKILL)
        return backup.wait() == 0
    }

    private func requireIntact(_ id: String, _ moment: String) throws {
        let check = try cairn("check", "--json", "--quiet")
        #expect(check.exitCode == 0, "\(moment): \(check.text) \(check.errorText)")
        let snapshots = try cairn("snapshots", "--json").objects()
        #expect(snapshots.contains { $0["id"] as? String == id }, "\(moment)")
    }

    private func digest(of id: String) throws -> Digest256 {
        let output = try cairn("cat", "killed.data", "--snapshot", id, "--bson")
        #expect(output.exitCode == 0, "\(output.errorText)")
        return SHA256.hash(output.output.rawSpan)
    }
}
