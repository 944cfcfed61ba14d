import BSON
import Bytes
import Foundation
import ObjectStore
import Remote
import TestSupport
import Testing

/// Repositories in a replica set of three whose primary goes away while they are written, twice: it steps down, and the
/// next one is killed.
@Suite(.enabled(if: ThrowawayServer.isAvailable, "skipped: no mongod on PATH or in CAIRN_MONGOD"), .serialized)
struct MongoReplicaTests {
    private static let database = "archive"
    private let set: ThrowawayReplicaSet
    private let place: String
    private let sample: SampleRepository

    init() throws {
        set = try ThrowawayReplicaSet(nodes: 3)
        place = set.plainURI.replacing("/?", with: "/\(Self.database)?")
        sample = try SampleRepository()
    }

    /// How many documents that collection has on any node that answers; 0 while none does.
    private func count(_ collection: String) -> Int {
        for node in set.hosts.indices {
            guard let client = try? set.connect(node),
                let reply = try? client.exchange(
                    ["count": .string(collection), "$readPreference": ["mode": "secondaryPreferred"]],
                    db: Self.database),
                case .int32(let count)? = reply["n"]
            else { continue }
            return Int(count)
        }
        return 0
    }

    private func primary(except old: Int?) -> Int? {
        set.hosts.indices.first { node in
            node != old
                && (try? set.connect(node).exchange(["hello": 1], db: "admin"))?["isWritablePrimary"] == .bool(true)
        }
    }

    /// Lets the primary step down when the copying is under way, and kills the one that follows.
    private func disturb(_ child: ChildProcess) throws {
        try ThrowawayReplicaSet.wait(for: "parts to arrive") { count("cairn.parts") >= 4 || child.hasEnded }
        #expect(!child.hasEnded)
        try set.connect(0).run(["replSetStepDown": 60, "secondaryCatchUpPeriodSecs": 10, "force": true], db: "admin")
        var next: Int?
        try ThrowawayReplicaSet.wait(for: "another primary") {
            next = primary(except: 0)
            return next != nil
        }
        let before = count("cairn.parts")
        try ThrowawayReplicaSet.wait(for: "more parts") { count("cairn.parts") > before || child.hasEnded }
        #expect(!child.hasEnded)
        set.kill(try #require(next))
    }

    /// What nothing compresses, so that there is something to send; what it is does not matter.
    private func noise(megabytes: Int) throws -> [BSONDocument] {
        let source = try #require(FileHandle(forReadingAtPath: "/dev/urandom"))
        return (0..<megabytes * 16).map { id in
            ["_id": .int32(Int32(id)), "noise": .binary(subtype: 0, Array(source.readData(ofLength: 64 << 10)))]
        }
    }

    @Test func aCopyOutlivesItsPrimary() throws {
        for number in 0..<12 {
            try sample.snapshot(noise(megabytes: 3), at: UInt32(1_700_000_000 + number))
        }
        let log = sample.folder.appending("log")
        let environment = ["CAIRN_REPOSITORY": sample.path, "CAIRN_CONFIG": ""]
        let child = try Command.start(
            ["replicate", "--to", place, "--verify", "--limit-upload", "3MiB"], environment: environment,
            errorPath: log)
        try disturb(child)
        #expect(child.wait() == 0, "\(String(decoding: readWholeFile(log), as: UTF8.self))")

        let source = try LocalStore.open(path: sample.path), copy = try MongoStore.open(uri: place)
        var objects = 0
        var parts = 0
        try source.list(prefix: "") { info in
            guard !info.name.path.hasPrefix("leases/") else { return }
            objects += 1
            if info.size > 16 << 10 { parts += (info.size + (1 << 20) - 1) >> 20 }
            let ours = Buffer(capacity: 0), theirs = Buffer(capacity: 0)
            try source.get(info.name, into: ours)
            try copy.get(info.name, into: theirs)
            let isSame = spansEqual(ours.bytes, theirs.bytes)
            #expect(isSame, "\(info.name)")
        }
        #expect(objects > 36)
        let names = try copy.names("").filter { $0 != "leases/replica" }
        #expect(names.count == objects)
        #expect(count("cairn.parts") == parts)
        let status = try Command.run("replicas", "--to", place, environment: environment)
        #expect(status.exitCode == 0, "\(status.text)\(status.errorText)")
        let check = try Command.run(
            "check", "--read-data", environment: ["CAIRN_REPOSITORY": place, "CAIRN_KEY_FILE": sample.keyFile])
        #expect(check.exitCode == 0, "\(check.text)\(check.errorText)")
    }

    @Test func aBackupOutlivesItsPrimary() throws {
        let server = try ThrowawayServer.shared()
        let db = "failover"
        for document in try noise(megabytes: 40) {
            try server.connect().insert(sequence: document.bytes, db: db, collection: "noise")
        }
        let environment = [
            "CAIRN_REPOSITORY": place, "CAIRN_KEY_FILE": sample.keyFile, "CAIRN_URI": server.uri,
            "CAIRN_LIMIT_UPLOAD": "4MiB",
        ]
        let made = try Command.run("init", environment: environment)
        #expect(made.exitCode == 0, "\(made.errorText)")
        let log = sample.folder.appending("log")
        let child = try Command.start(
            ["backup", "full", "--ns-include", db + ".*"], environment: environment, errorPath: log)
        try disturb(child)
        #expect(child.wait() == 0, "\(String(decoding: readWholeFile(log), as: UTF8.self))")
        let check = try Command.run("check", "--read-data", environment: environment)
        #expect(check.exitCode == 0, "\(check.text)\(check.errorText)")
        let compared = try Command.run("check", "--against", environment: environment)
        #expect(compared.exitCode == 0, "\(compared.text)\(compared.errorText)")
        #expect(try Command.run("snapshots", "--json", environment: environment).objects().count == 1)
    }
}
