import BSON
import Bytes
import Foundation
import Glibc
import TestSupport
import Testing

/// Followers as processes: stopped, killed and started again.
@Suite(.serialized, .enabled(if: ThrowawayServer.isAvailable, "needs a mongod: CAIRN_MONGOD, PATH or `make setup`"))
struct FollowerTests {
    private let sample: SampleRepository
    private let source: ThrowawayServer
    private let errors: String

    init() throws {
        sample = try SampleRepository()
        source = try ThrowawayServer()
        errors = sample.folder.appending("errors")
        try insert(0)
        #expect(try cairn("backup", "--quiet").exitCode == 0)
    }

    private var environment: [String: String] { sample.environment.merging(["CAIRN_URI": source.uri]) { $1 } }

    private func cairn(_ arguments: String...) throws -> ChildProcess.Outcome {
        try Command.run(arguments, environment: environment)
    }

    private func follow() throws -> ChildProcess {
        try Command.start(
            ["follow", "--every", "1s", "--quiet"], environment: environment, errorPath: errors)
    }

    private func insert(_ id: Int) throws {
        try source.connect().run(
            ["insert": "c", "documents": [["_id": BSONValue(id)]], "writeConcern": ["w": "majority"]], db: "kept")
    }

    private func segments() throws -> Int { try sample.objects("segments").count }

    private func insertAndAwait(_ id: Int, _ follower: ChildProcess) throws {
        let before = try segments()
        try insert(id)
        try ThrowawayReplicaSet.wait(for: "a segment") { try follower.hasEnded || segments() > before }
        #expect(!follower.hasEnded, "\(String(decoding: readWholeFile(errors), as: UTF8.self))")
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func aSignalSavesWhatIsThere(signal: Int32) throws {
        let follower = try follow()
        try insertAndAwait(1, follower)
        try insert(2)
        let before = try segments()
        // Read, but not a second old.
        usleep(700_000)
        follower.signal(signal)
        #expect(follower.wait() == 130)
        #expect(try segments() > before)
        #expect(try sample.objects("leases").isEmpty)
        #expect(try cairn("check", "--read-data").exitCode == 0)
    }

    @Test func afterAKillTheNextOneGoesOn() throws {
        let follower = try follow()
        try insertAndAwait(1, follower)
        follower.signal(SIGKILL)
        _ = follower.wait()
        try insert(2)
        // Its lease has to run out first, or somebody who knows that it is dead removes it.
        #expect(try cairn("follow").exitCode == 11)
        #expect(try cairn("unlock", "--force").exitCode == 0)
        let next = try follow()
        try insertAndAwait(3, next)
        #expect(try cairn("follow").exitCode == 11)
        next.signal(SIGINT)
        #expect(next.wait() == 130)
        try #expect(cairn("check", "--read-data").exitCode == 0)
        // Every document of the three can be had at the end of the timeline.
        let documents = try cairn("cat", "--at", "latest", "kept.c").text
        for id in 0...3 { #expect(documents.contains("\"\(id)\""), "\(documents)") }
    }

    @Test func refusesWhatMakesNoSense() throws {
        #expect(try cairn("follow", "--every", "0s").exitCode == 2)
        #expect(try cairn("follow", "--every", "soon").exitCode == 2)
        #expect(try cairn("follow", "--bytes", "12").exitCode == 2)
        #expect(try cairn("restore", "--at", "latest", "--replay", "magic").exitCode == 2)
    }
}
