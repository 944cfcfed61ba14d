import BSON
import Bytes
import Foundation
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// The repositories below `Tests/Vectors`, read by this engine and by the independent reader in Python.
/// format-spec.md §14.2.
///
/// `CAIRN_WRITE_VECTORS=1 swift test --filter VectorTests.write` writes those whose folder is missing. What was
/// published stays as it is: it proves that today's program reads what yesterday's wrote.
@Suite(.serialized) struct VectorTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Vectors")
        .standardized
    static let reader = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../reader/cairn_reader.py").standardized
    static let python = "/usr/bin/python3"
    static let hasPython: Bool = {
        let outcome = try? ChildProcess.run(python, ["-c", "import cryptography, zstandard"])
        return outcome?.exitCode == 0
    }()
    static let noPython: Comment =
        "skipped: /usr/bin/python3 with python3-cryptography and python3-zstandard is missing"

    private static func cases() throws -> [VectorCase] {
        let text = try String(contentsOf: folder.appending(path: "manifest.txt"), encoding: .utf8)
        return text.split(separator: "\n").compactMap { VectorCase(line: $0) }
    }

    private static func load(_ name: String) throws -> MemoryStore {
        let store = MemoryStore()
        for (path, bytes) in try files(below: folder.appending(path: name)) {
            guard let object = ObjectName(path) else { continue }
            try store.put(object, bytes.rawSpan, mode: .ifAbsent)
        }
        return store
    }

    private static func files(below folder: URL) throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        let paths = FileManager.default.enumerator(atPath: folder.path)?.allObjects as? [String] ?? []
        for path in paths {
            // A folder has no data.
            guard let data = try? Data(contentsOf: folder.appending(path: path)) else { continue }
            files[path] = [UInt8](data)
        }
        return files
    }

    private static func files(of store: MemoryStore) throws -> [String: [UInt8]] {
        var names: [ObjectName] = []
        try store.list(prefix: "") { names.append($0.name) }
        var files: [String: [UInt8]] = [:]
        for name in names {
            let bytes = Buffer(capacity: 1024)
            try store.get(name, into: bytes)
            files[name.path] = bytes.array
        }
        return files
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["CAIRN_WRITE_VECTORS"] != nil, "writes, checks nothing"))
    func write() throws {
        let manager = FileManager.default
        for recipe in VectorRecipe.all {
            let top = Self.folder.appending(path: recipe.cases[0].folder)
            guard !manager.fileExists(atPath: top.path) else { continue }
            for (path, bytes) in try Self.files(of: try recipe.make()) {
                let file = top.appending(path: path)
                try manager.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(bytes).write(to: file)
            }
        }
        let manifest = VectorRecipe.all.flatMap(\.cases).map { $0.line + "\n" }.joined()
        try Data(manifest.utf8).write(to: Self.folder.appending(path: "manifest.txt"))
    }

    /// The writer still makes the objects that it made when the vectors were written. What is compressed is compared by
    /// reading it: another libzstd, or other parameters, may find other matches.
    @Test func theWriterIsDeterministic() throws {
        for recipe in VectorRecipe.all {
            let folder = recipe.cases[0].folder
            let (made, stored) = (
                try Self.files(of: try recipe.make()), try Self.files(below: Self.folder.appending(path: folder))
            )
            #expect(made.keys.sorted() == stored.keys.sorted(), "\(folder)")
            for (path, bytes) in made where path == "config" || path.hasPrefix("keys/") {
                #expect(bytes == stored[path], "\(folder)/\(path)")
            }
        }
        #expect(try Self.cases().map(\.line) == VectorRecipe.all.flatMap(\.cases).map(\.line))
    }

    @Test func theEngineReadsThem() throws {
        let cases = try Self.cases()
        #expect(cases.count >= 40)
        for vector in cases {
            let source = try #require(vector.source)
            var code: CairnError.Code?
            do {
                let repository = try Repository.open(store: try Self.load(vector.folder), key: source)
                let snapshots = try readEverything(repository)
                let expected = ["layers": 4, "fences": 3, "columns": 4][vector.folder] ?? 2
                #expect(snapshots.count == expected || vector.folder.hasPrefix("segment-") && snapshots.count == 4)
                #expect(snapshots[0]["shop.empty"] == [] && snapshots[0]["big.numbers"] == snapshots[1]["big.numbers"])
            } catch let error as CairnError {
                code = error.code
            }
            #expect(code == vector.expectation.errorCode, "\(vector.line)")
        }
    }

    /// `check --read-data` finds every defect that a holder of the keys can see, and none where there is none.
    @Test func checkFindsTheDefects() throws {
        for vector in try Self.cases() {
            guard let source = vector.source, let store = try? Self.load(vector.folder),
                let repository = try? Repository.open(store: store, key: source)
            else { continue }
            let report = try Check.run(repository, options: CheckOptions(data: .all, workers: 1))
            // A lone defect that costs no reader anything is reported nevertheless.
            let tolerated: Set = ["key-one-damaged"]
            // Whoever reads a collection counts what is live, and meets an `_id` twice; a check joins no layers.
            let unseen: Set = ["run-delta", "run-twice", "run-bare"]
            let isSound =
                vector.expectation == .success && !tolerated.contains(vector.folder) || unseen.contains(vector.folder)
            #expect(report.isSound == isSound, "\(vector.line): \(report.damage)")
        }
    }

    @Test(.enabled(if: PythonReader.isPresent, PythonReader.absence))
    func theReaderInPythonReadsThem() throws {
        let scratch = try TemporaryDirectory()
        for vector in try Self.cases() {
            let outcome = try Self.runReader(vector, ["verify"], scratch)
            #expect(outcome.exitCode == vector.expectation.exitCode, "\(vector.line)\n\(outcome.errorText)")
        }
    }

    /// The same snapshots, namespaces, documents and segments, byte for byte.
    @Test(.enabled(if: PythonReader.isPresent, PythonReader.absence), arguments: ["valid", "layers", "fences"])
    func bothReadersExtractTheSame(folder: String) throws {
        let scratch = try TemporaryDirectory()
        let vector = VectorCase(folder: folder, expectation: .success, text: "")
        let repository = try Repository.open(store: try Self.load(folder), key: try #require(vector.source))
        let expected = try readEverything(repository)
        let listed = try Self.runReader(vector, ["snapshots"], scratch).text.split(separator: "\n")
        let ids = try repository.snapshots().map(\.id.hex)
        #expect(listed.map { String($0.prefix(32)) } == ids)
        for (number, id) in ids.enumerated() {
            let namespaces = try Self.runReader(vector, ["namespaces", id], scratch).text.split(separator: "\n")
            #expect(
                namespaces.compactMap { $0.split(separator: " ").first.map(String.init) }
                    == expected[number].keys.sorted())
            for (namespace, documents) in expected[number] {
                let outcome = try Self.runReader(vector, ["extract", String(id.prefix(8)), namespace], scratch)
                #expect(outcome.exitCode == 0, "\(outcome.errorText)")
                #expect(outcome.output == documents)
            }
        }
        #expect(try Self.runReader(vector, ["extract", "latest", "no.such"], scratch).exitCode == 2)
        let segments = try repository.segments()
        let lines = try Self.runReader(vector, ["segments"], scratch).text.split(separator: "\n")
        #expect(lines.map { String($0.prefix(32)) } == segments.map(\.id.hex))
        for segment in segments {
            let outcome = try Self.runReader(vector, ["oplog", segment.id.hex], scratch)
            #expect(outcome.output == (try SegmentSample.contents(segment, of: repository).entries.flatMap(\.bytes)))
        }
    }

    /// What was committed under a lease that had been fenced off does not count; a prune removes it, and what it took
    /// for its own.
    @Test func voidCommitsAreNotThere() throws {
        let key = try #require(VectorCase(folder: "", expectation: .success, text: "").source)
        let repository = try Repository.open(store: try Self.load("fences"), key: key)
        #expect(try repository.everySnapshot().count == 4 && repository.snapshots().count == 3)
        #expect(try repository.everySegment().count == 2 && repository.segments().count == 1)
        #expect(try repository.snapshots()[2].lease != nil)
        let expected = try readEverything(repository)
        var options = PruneOptions()
        options.grace = 0
        let report = try Prune(repository, options: options).run()
        #expect(report.removedPacks > 0)
        #expect(try repository.snapshotIDs().count == 3 && repository.segmentIDs().count == 1)
        #expect(try repository.condemned().isEmpty && repository.list(.suspects).isEmpty)
        #expect(try readEverything(repository) == expected)
    }

    /// What `LayerTable` makes of the layers is what their definition says, and runs that are no sets stop it.
    @Test func theTableReadsTheLayersOfTheVectors() throws {
        let key = try #require(VectorCase(folder: "", expectation: .success, text: "").source)
        let repository = try Repository.open(store: try Self.load("layers"), key: key)
        let snapshots = try repository.snapshots()
        #expect(snapshots.map(\.kind) == [.full, .full, .incremental, .synthetic])
        #expect(snapshots.map(\.layered) == [false, false, true, false])
        let expected = try readEverything(repository)
        for (snapshot, documents) in zip(snapshots, expected) {
            #expect(try Layers.liveBytes(snapshot, of: repository) == documents)
        }
        func sorted(_ bytes: [UInt8]?) throws -> [[UInt8]] {
            var all: [[UInt8]] = []
            let bytes = bytes ?? []
            try DocumentBatch.forEachDocument(inChunk: bytes.rawSpan) { all.append([UInt8]($0)) }
            return all.sorted { $0.lexicographicallyPrecedes($1) }
        }
        for namespace in expected[2].keys {
            let (runs, folded) = (try sorted(expected[2][namespace]), try sorted(expected[3][namespace]))
            #expect(runs == folded, "\(namespace)")
        }
        for folder in ["run-twice", "run-bare"] {
            let repository = try Repository.open(store: try Self.load(folder), key: key)
            expectError(.corrupt) { _ = try Layers.liveBytes(try repository.snapshots()[2], of: repository) }
        }
    }

    private static func runReader(
        _ vector: VectorCase, _ command: [String], _ scratch: TemporaryDirectory
    ) throws -> ChildProcess.Outcome {
        let reader = PythonReader(
            repository: folder.appending(path: vector.folder).path, source: try #require(vector.source),
            scratch: scratch)
        return try reader.run(command)
    }
}
