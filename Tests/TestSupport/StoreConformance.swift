public import Bytes
public import ObjectStore
import Synchronization
public import Testing

/// What every object store must do, as code: all tests take a store that is empty at first.
///
/// Each store's test target calls `run` with a factory; a decorator passes when the suite passes over it.
public struct StoreConformance {
    private let make: () throws -> any ObjectStore

    /// `make` returns an empty store each time.
    public init(make: @escaping () throws -> any ObjectStore) {
        self.make = make
    }

    /// Runs the whole suite.
    public func run() throws {
        try putsIfAbsent(make())
        try replaces(make())
        try getsRanges(make())
        try getsNoMoreThanAskedFor(make())
        try lists(make())
        try listsSeveralFolders(make())
        try stats(make())
        try deletes(make())
        try settles(make())
        try keepsBigObjects(make())
        try keepsOddNames(make())
        try letsOneOfConcurrentWritersWin(make())
        try showsReplacementsWhole(make())
        try readsAfterWriting(make())
        try restoresBuffersAfterErrors(make())
    }

    private func putsIfAbsent(_ store: any ObjectStore) throws {
        let name = ObjectName(trusted: "config")
        try store.put(name, "first")
        expectError(.alreadyExists) { try store.put(name, "second") }
        #expect(try store.text(name) == "first")
        try store.delete(name)
        try store.put(name, "third")
        #expect(try store.text(name) == "third")
    }

    private func replaces(_ store: any ObjectStore) throws {
        let name = ObjectName(trusted: "leases/a")
        try store.put(name, "first and long", mode: .replace)
        try store.put(name, "second", mode: .replace)
        #expect(try store.text(name) == "second")
        #expect(try store.stat(name)?.size == 6)
    }

    private func getsRanges(_ store: any ObjectStore) throws {
        let name = ObjectName(trusted: "packs/ab/abcd")
        try store.put(name, "0123456789")
        for (range, expected) in [(0..<10, "0123456789"), (0..<1, "0"), (9..<10, "9"), (3..<7, "3456"), (4..<4, "")] {
            let buffer = Buffer(copying: Array(">".utf8))
            try store.get(name, range: range, into: buffer)
            #expect(String(decoding: buffer.array, as: UTF8.self) == ">" + expected)
        }
        for range in [0..<11, 10..<11, 100..<101, 0..<Int.max] {
            expectError(.corrupt) { try store.get(name, range: range, into: Buffer(capacity: 0)) }
        }
        expectError(.notFound) {
            try store.get(ObjectName(trusted: "packs/ab/none"), range: 0..<1, into: Buffer(capacity: 0))
        }
        expectError(.notFound) {
            try store.get(ObjectName(trusted: "elsewhere/none"), into: Buffer(capacity: 0))
        }
        // A name that is a directory in a local store is no object in any.
        expectError(.notFound) { try store.get(ObjectName(trusted: "packs/ab"), into: Buffer(capacity: 0)) }
        expectError(.notFound) { try store.get(ObjectName(trusted: "packs/ab/abcd/ef"), into: Buffer(capacity: 0)) }
    }

    private func getsNoMoreThanAskedFor(_ store: any ObjectStore) throws {
        let name = ObjectName(trusted: "snapshots/s")
        let large = ObjectName(trusted: "snapshots/large")
        try store.put(name, "0123456789")
        try store.put(large, String(repeating: "x", count: 200_000))
        for sizeMax in [10, 11, 1 << 30] {
            let buffer = Buffer(copying: Array(">".utf8))
            try store.get(name, sizeMax: sizeMax, into: buffer)
            #expect(String(decoding: buffer.array, as: UTF8.self) == ">0123456789")
        }
        for (name, sizeMax) in [(name, 9), (name, 0), (large, 9), (large, 199_999)] {
            let buffer = Buffer(copying: Array(">".utf8))
            expectError(.corrupt) { try store.get(name, sizeMax: sizeMax, into: buffer) }
            #expect(buffer.count == 1)
        }
        expectError(.notFound) {
            try store.get(ObjectName(trusted: "snapshots/none"), sizeMax: 1, into: Buffer(capacity: 0))
        }
    }

    private func listsSeveralFolders(_ store: any ObjectStore) throws {
        let folders = ["audit/", "condemned/", "fences/", "keys/", "packs/", "packs.d/", "snapshots/"]
        var expected: Set<String> = []
        for folder in folders {
            for number in 0..<(folder == "packs/" ? 2_500 : 3) { expected.insert("\(folder)\(number)") }
        }
        for path in expected.union(["config"]) { try store.put(ObjectName(trusted: path), path) }
        for wanted in [
            folders, ["audit/", "snapshots/"], ["fences/", "keys/"], ["packs/"], ["packs.d/", "packs/"], ["x/", "y/"],
            ["audit/", "keys/", "packs/"],
        ] {
            var names: [String] = []
            try store.list(prefixes: wanted) { info in
                names.append(info.name.path)
                #expect(info.size == info.name.path.utf8.count)
            }
            #expect(Set(names) == expected.filter { path in wanted.contains { path.hasPrefix($0) } }, "\(wanted)")
            #expect(Set(names).count == names.count, "an object is named once")
        }
    }

    private func lists(_ store: any ObjectStore) throws {
        #expect(try store.names("").isEmpty)
        #expect(try store.names("packs/").isEmpty)
        var expected: Set<String> = ["config", "configuration", "packs.d/a"]
        for number in 0..<1500 {
            let group = String(number % 50 + 16, radix: 16)
            expected.insert("packs/\(group)/\(group)\(number)")
        }
        for path in expected { try store.put(ObjectName(trusted: path), path) }

        for prefix in [
            "", "packs/", "packs", "packs/1", "packs/10/", "packs/10/101", "config", "p", "x", "packs/zz/", "A",
        ] {
            let names = try store.names(prefix)
            #expect(Set(names) == expected.filter { $0.hasPrefix(prefix) }, "prefix \(prefix)")
            #expect(Set(names).count == names.count, "an object is named once")
        }
        try store.list(prefix: "") { info in
            #expect(info.size == info.name.path.utf8.count)
        }
        struct Stop: Error {}
        var seen = 0
        #expect(throws: Stop.self) {
            try store.list(prefix: "packs/") { _ in
                seen += 1
                if seen == 3 { throw Stop() }
            }
        }
        #expect(seen == 3)
    }

    private func stats(_ store: any ObjectStore) throws {
        let name = ObjectName(trusted: "snapshots/s")
        #expect(try store.stat(name) == nil)
        try store.put(name, "12345")
        let info = try #require(try store.stat(name))
        #expect(info.name == name)
        #expect(info.size == 5)
        #expect(info.modified > 1_700_000_000)
        #expect(try store.stat(ObjectName(trusted: "snapshots")) == nil)
        #expect(try store.stat(ObjectName(trusted: "snapshots/s/t")) == nil)
    }

    private func deletes(_ store: any ObjectStore) throws {
        let name = ObjectName(trusted: "indexes/i")
        try store.delete(name)
        try store.put(name, "x")
        try store.put(ObjectName(trusted: "indexes/j"), "y")
        try store.delete(name)
        #expect(try store.stat(name) == nil)
        #expect(try store.names("indexes/") == ["indexes/j"])
        expectError(.notFound) { try store.get(name, into: Buffer(capacity: 0)) }
        try store.delete(name)
    }

    private func settles(_ store: any ObjectStore) throws {
        try store.settle([])
        let names = ["config", "packs/ab/1", "packs/ab/2", "packs/cd/3"].map { ObjectName(trusted: $0) }
        for name in names { try store.put(name, "x") }
        try store.settle(names)
        #expect(try store.names("").count == 4)
    }

    private func keepsBigObjects(_ store: any ObjectStore) throws {
        let name = ObjectName(trusted: "packs/00/big")
        let count = 37 << 20 | 5
        let content = Buffer(capacity: count)
        var word: UInt64 = 1
        while content.count + 8 <= count {
            word = word &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            content.append(littleEndian: word)
        }
        while content.count < count { content.append([0xA5]) }
        try store.put(name, content.bytes, mode: .ifAbsent)
        let back = Buffer(capacity: 0)
        try store.get(name, into: back)
        // A span cannot pass through the macro.
        let isSame = spansEqual(back.bytes, content.bytes)
        #expect(isSame)
        let part = Buffer(capacity: 0)
        try store.get(name, range: 12_345_678..<30_000_001, into: part)
        let isSamePart = spansEqual(part.bytes, content.bytes.extracting(12_345_678..<30_000_001))
        #expect(isSamePart)

        let empty = ObjectName(trusted: "packs/00/empty")
        try store.put(empty, "")
        #expect(try store.text(empty) == "")
        #expect(try store.stat(empty)?.size == 0)
    }

    private func keepsOddNames(_ store: any ObjectStore) throws {
        let longSegment = String(repeating: "x", count: ObjectName.lengthMax)
        let paths = [
            "a", "-", "_", "a.", "a..b", "-rf", "0", "tmp-", "temp/tmp", "b/tmp/b", "lost", "1/2/3/4/5/6/7/8",
            longSegment,
        ]
        for path in paths { try store.put(ObjectName(trusted: path), path) }
        for path in paths { #expect(try store.text(ObjectName(trusted: path)) == path) }
        #expect(Set(try store.names("")) == Set(paths))
    }

    private func letsOneOfConcurrentWritersWin(_ store: any ObjectStore) throws {
        let writers = 6
        for round in 0..<10 {
            let name = ObjectName(trusted: "packs/\(round)/same")
            let winners = Mutex<[Int]>([])
            let threads = (0..<writers).map { writer in
                OwnedThread(name: "writer-\(writer)") {
                    do {
                        try store.put(name, "writer \(writer)")
                        winners.withLock { $0.append(writer) }
                    } catch let error as CairnError where error.code == .alreadyExists {
                    } catch {
                        Issue.record(error)
                    }
                }
            }
            for thread in threads { thread.join() }
            let won = winners.withLock { $0 }
            #expect(won.count == 1)
            #expect(try store.text(name) == "writer \(won.first ?? -1)")
        }
        #expect(try store.names("").count == 10)
    }

    private func showsReplacementsWhole(_ store: any ObjectStore) throws {
        let name = ObjectName(trusted: "leases/l")
        @Sendable func content(_ version: UInt8) -> [UInt8] {
            [UInt8](repeating: version, count: 10_000 + Int(version))
        }
        try store.put(name, content(0).rawSpan, mode: .replace)
        let writer = OwnedThread(name: "replacing") {
            for version in UInt8(1)...50 {
                do { try store.put(name, content(version).rawSpan, mode: .replace) } catch { Issue.record(error) }
            }
        }
        for _ in 0..<50 {
            let buffer = Buffer(capacity: 0)
            try store.get(name, into: buffer)
            let bytes = buffer.array
            #expect(bytes == content(bytes.first ?? 255))
        }
        writer.join()
        let buffer = Buffer(capacity: 0)
        try store.get(name, into: buffer)
        #expect(buffer.array == content(50))
    }

    private func readsAfterWriting(_ store: any ObjectStore) throws {
        let threads = (0..<4).map { writer in
            OwnedThread(name: "writer-\(writer)") {
                do {
                    for number in 0..<25 {
                        let name = ObjectName(trusted: "packs/\(number % 7)/\(writer)-\(number)")
                        try store.put(name, "\(writer) \(number)")
                        #expect(try store.text(name) == "\(writer) \(number)")
                        #expect(try store.stat(name) != nil)
                        #expect(try store.names("packs/\(number % 7)/").contains(name.path))
                    }
                } catch { Issue.record(error) }
            }
        }
        for thread in threads { thread.join() }
        #expect(try store.names("packs/").count == 100)
    }

    private func restoresBuffersAfterErrors(_ store: any ObjectStore) throws {
        let name = ObjectName(trusted: "packs/ab/short")
        try store.put(name, "short")
        let buffer = Buffer(copying: Array("kept".utf8))
        expectError(.corrupt) { try store.get(name, range: 2..<9, into: buffer) }
        expectError(.notFound) { try store.get(ObjectName(trusted: "none"), into: buffer) }
        #expect(buffer.array == Array("kept".utf8))
    }
}

extension ObjectStore {
    /// Stores the UTF-8 bytes of `text`.
    public func put(_ name: ObjectName, _ text: String, mode: PutMode = .ifAbsent) throws {
        try put(name, Array(text.utf8).rawSpan, mode: mode)
    }

    /// The whole object as text.
    public func text(_ name: ObjectName) throws -> String {
        let buffer = Buffer(capacity: 0)
        try get(name, into: buffer)
        return String(decoding: buffer.array, as: UTF8.self)
    }

    /// The paths of all objects that begin with `prefix`, sorted.
    public func names(_ prefix: String) throws -> [String] {
        var names: [String] = []
        try list(prefix: prefix) { names.append($0.name.path) }
        return names.sorted()
    }
}

/// Expects that `body` throws a `CairnError` of `code`, and returns it.
@discardableResult
public func expectError(
    _ code: CairnError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> CairnError? {
    do {
        try body()
        Issue.record("nothing was thrown, \(code) was expected", sourceLocation: sourceLocation)
    } catch let error as CairnError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
    return nil
}
