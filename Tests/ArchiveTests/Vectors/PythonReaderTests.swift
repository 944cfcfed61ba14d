import BSON
import Bytes
import Foundation
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// What the engine writes, somebody who has only format-spec.md can read: format-spec.md §9.4, §12.1.
@Suite struct PythonReaderTests {
    private let scratch: TemporaryDirectory
    private let path: String
    private let repository: Repository

    init() throws {
        scratch = try TemporaryDirectory()
        path = scratch.appending("repository")
        repository = try Engine.makeRepository(try LocalStore.create(path: path))
    }

    private func reader(_ source: KeySource = Engine.key) -> PythonReader {
        PythonReader(repository: path, source: source, scratch: scratch)
    }

    /// Snapshots, namespaces and every document, byte for byte; collections of many leaf lists among them.
    @Test(.enabled(if: PythonReader.isPresent, PythonReader.absence))
    func itReadsWhatTheEngineWrites() throws {
        let later: SampleData = [
            "shop.orders": [Engine.documents(0..<400)], "größe.x y\u{1F980}": [Engine.documents(0..<9)],
        ]
        let snapshots = [
            try Engine.backUp(Engine.sample, to: repository, at: 1), try Engine.backUp(later, to: repository, at: 2),
        ]
        let listed = try reader().lines(["snapshots"])
        #expect(listed.map { String($0.prefix(32)) } == snapshots.map(\.id.hex))
        for (snapshot, data) in zip(snapshots, [Engine.sample, later]) {
            let namespaces = try reader().lines(["namespaces", snapshot.id.hex])
            #expect(namespaces.count == data.count)
            for (namespace, documents) in Engine.expected(data) {
                #expect(namespaces.contains { $0.hasPrefix(namespace + " collection \(documents.count) ") })
                let outcome = try reader().run(["extract", snapshot.id.hex, namespace])
                #expect(outcome.exitCode == 0, "\(outcome.errorText)")
                #expect(outcome.output == documents.flatMap(\.bytes))
            }
        }
        #expect(try reader().run(["verify"]).exitCode == 0)
    }

    /// Runs of several leaves and leaf lists, and segments.
    @Test(.enabled(if: PythonReader.isPresent, PythonReader.absence))
    func itReadsLayersAndSegments() throws {
        var random = SeededGenerator(seed: 20_261_123)
        let writer = ArchiveWriter(
            repository: repository, index: try .load(repository), options: Engine.options)
        let changes = (1...3).map { LayeredCollection.randomChange(&random, limit: 700, version: $0) }
        let collection = try LayeredCollection.write("a.a", base: 600, changes, with: writer)
        let snapshot = try Layers.commit([collection], with: writer)
        let segment = try SegmentSample.write(from: 100, to: 400, prelude: [7, 9], to: repository)
        let namespaces = try reader().lines(["namespaces", "latest"])
        #expect(namespaces.first?.hasPrefix("a.a collection \(collection.expected.count) ") == true)
        let extracted = try reader().run(["extract", "latest", "a.a"])
        #expect(extracted.exitCode == 0, "\(extracted.errorText)")
        #expect(extracted.output == (try Layers.liveBytes(snapshot, of: repository)["a.a"]))
        #expect(try reader().lines(["segments"]) == ["\(segment.id.hex) 100.1 400.1 301 "])
        let oplog = try reader().run(["oplog", String(segment.id.hex.prefix(6))])
        #expect(oplog.output == (100...400).flatMap { SegmentSample.entry($0).bytes })
        #expect(try reader().run(["verify"]).exitCode == 0)
    }

    /// [K-13] [I-3] [H-5]: a rotation that was interrupted left the old key objects, so that one secret opens two; with
    /// packs of both epochs, and after everything was compressed and encrypted anew.
    @Test(.enabled(if: PythonReader.isPresent, PythonReader.absence))
    func itReadsWhatWasRotatedAndWrittenAnew() throws {
        let first = try Engine.backUp(Engine.sample, to: repository, at: 1)
        // Several old key objects, so that by the order of their names the new one comes first and last in turn.
        for _ in 0..<6 { _ = try repository.addKey(Engine.key, label: "again", cost: .cheap) }
        let deletions = FaultInjectingStore(repository.store) { $0.operation == .delete ? .stop : nil }
        let rotating = try Repository.open(store: deletions, key: Engine.key)
        let lease = try Lease.acquire(.maintenance, in: rotating, note: "rotation", renewing: false)
        #expect(throws: CairnError.self) {
            try rotating.rotateKeys(keeping: [Engine.key], revokesOthers: true, under: lease)
        }
        let rotated = try Repository.open(store: repository.store, key: Engine.key)
        #expect(rotated.keys.currentEpoch == 1)
        try rotated.unlock(force: true)
        let second = try Engine.backUp(["a.b": [Engine.documents(0..<300)]], to: rotated, at: 2)
        let expected = [(first, Engine.sample), (second, ["a.b": [Engine.documents(0..<300)]])]
        try expectRead(expected)
        _ = try Recompression(rotated, options: RecompressionOptions(level: 15, workers: 1)).run()
        try expectRead(expected)
        _ = try Reencryption(rotated).run()
        try expectRead(expected)
    }

    private func expectRead(_ snapshots: [(Snapshot, SampleData)]) throws {
        for (snapshot, data) in snapshots {
            for (namespace, documents) in Engine.expected(data) {
                let outcome = try reader().run(["extract", snapshot.id.hex, namespace])
                #expect(outcome.exitCode == 0, "\(outcome.errorText)")
                #expect(outcome.output == documents.flatMap(\.bytes))
            }
        }
        #expect(try reader().run(["verify"]).exitCode == 0)
    }

    /// [B-1]: types that the metadata never use do not stop it.
    @Test(.enabled(if: PythonReader.isPresent, PythonReader.absence))
    func documentsOfEveryTypePass() throws {
        var random = RandomDocuments(seed: 20_261_122)
        let documents = (0..<300).map { random.document(id: .int32(Int32($0))) }
        try Engine.backUp(["all.types": [documents]], to: repository)
        let outcome = try reader().run(["extract", "latest", "all.types"])
        #expect(outcome.exitCode == 0, "\(outcome.errorText)")
        #expect(outcome.output == documents.flatMap(\.bytes))
    }

    @Test(.enabled(if: PythonReader.isPresent, PythonReader.absence))
    func exitCodes() throws {
        try Engine.backUp(Engine.sample, to: repository)
        #expect(try reader(.keyFile(8)).run(["verify"]).exitCode == 12)
        #expect(try reader(.passphrase("guess")).run(["verify"]).exitCode == 12)
        #expect(try reader().run(["extract", "latest", "no.such"]).exitCode == 2)
        #expect(try reader().run(["extract", "ffff", "shop.users"]).exitCode == 2)
        let nowhere = PythonReader(repository: scratch.appending("nowhere"), source: Engine.key, scratch: scratch)
        #expect(try nowhere.run(["verify"]).exitCode == 10)
        var packs: [ObjectName] = []
        try repository.store.list(prefix: "packs/") { packs.append($0.name) }
        let file = URL(filePath: path).appending(path: try #require(packs.first).path)
        var bytes = [UInt8](try Data(contentsOf: file))
        bytes[bytes.count / 2] ^= 1
        try Data(bytes).write(to: file)
        #expect(try reader().run(["verify"]).exitCode == 13)
    }
}
