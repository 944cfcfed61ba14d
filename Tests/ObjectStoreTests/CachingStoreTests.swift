import Bytes
import Foundation
import ObjectStore
import TestSupport
import Testing

/// Copies of objects nearby: what they save, and that nothing rests on them.
@Suite struct CachingStoreTests {
    private let folder: TemporaryDirectory
    private let base = MemoryStore()
    private let counter: FaultInjectingStore

    init() throws {
        folder = try TemporaryDirectory("cairn-cache")
        counter = FaultInjectingStore(base)
    }

    private func makeStore(sizeMax: Int = 1 << 30) throws -> CachingStore {
        CachingStore(
            counter, cache: try ObjectCache(path: folder.appending("cache"), sizeMax: sizeMax),
            folders: ["indexes/", "snapshots/"])
    }

    private func name(_ path: String) -> ObjectName { ObjectName(trusted: path) }

    /// The files of the cache but for unfinished ones.
    private func entries() throws -> [String] { try LocalStore.open(path: folder.appending("cache")).names("") }

    private func rewrite(_ entry: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.appending("cache/\(entry)")))
    }

    /// How many calls of the base store `body` makes.
    private func calls(_ body: () throws -> Void) rethrows -> Int {
        let before = counter.calls
        try body()
        return counter.calls - before
    }

    private func part(_ store: any ObjectStore, _ path: String, _ range: Range<Int>) throws -> String {
        let buffer = Buffer(copying: Array(">".utf8))
        try store.getOften(name(path), range: range, into: buffer)
        return String(decoding: buffer.array, as: UTF8.self)
    }

    @Test func itIsAStore() throws {
        var number = 0
        try StoreConformance {
            number += 1
            let cache = try ObjectCache(path: folder.appending("conformance\(number)"), sizeMax: 1 << 30)
            return CachingStore(
                MemoryStore(), cache: cache, folders: ["indexes/", "snapshots/", "packs/", "leases/", "audit/"])
        }.run()
    }

    @Test func whatWasReadOnceIsReadNearby() throws {
        try base.put(name("snapshots/a"), "first")
        try base.put(name("leases/l"), "lease")
        try base.put(name("packs/ab/ab1"), "0123456789")
        let store = try makeStore()
        #expect(try store.names("snapshots/") == ["snapshots/a"])
        _ = try store.text(name("snapshots/a"))
        #expect(try part(store, "packs/ab/ab1", 2..<5) == ">234")
        // Another process.
        let other = try makeStore()
        #expect(try other.names("") == ["leases/l", "packs/ab/ab1", "snapshots/a"])
        let saved = try calls { () throws in
            #expect(try other.text(name("snapshots/a")) == "first")
            #expect(try part(other, "packs/ab/ab1", 2..<5) == ">234")
        }
        #expect(saved == 0)
        let needed = try calls { () throws in
            #expect(try other.text(name("leases/l")) == "lease")
            #expect(try part(other, "packs/ab/ab1", 2..<6) == ">2345")
        }
        #expect(needed > 0)
        #expect(try entries() == ["packs/ab/ab1.2-5", "packs/ab/ab1.2-6", "snapshots/a"])
    }

    /// A copy never brings back what somebody else has removed.
    @Test func whatExistsIsTheStoresToSay() throws {
        let store = try makeStore()
        try store.put(name("indexes/i"), "index")
        #expect(try store.text(name("indexes/i")) == "index")
        try base.delete(name("indexes/i"))
        #expect(try store.names("indexes/").isEmpty)
        expectError(.notFound) { _ = try store.text(name("indexes/i")) }
        #expect(try store.stat(name("indexes/i")) == nil)
        // One that did not list the folder asks the store.
        expectError(.notFound) { _ = try makeStore().text(name("indexes/i")) }
        try store.put(name("indexes/j"), "index")
        try store.delete(name("indexes/j"))
        expectError(.notFound) { _ = try store.text(name("indexes/j")) }
        #expect(try entries() == ["indexes/i"])
    }

    @Test func aCopyOfAnotherSizeIsDropped() throws {
        try base.put(name("snapshots/a"), "first")
        try base.put(name("packs/ab/ab1"), "0123456789")
        for damage in ["", "firs", "first and more"] {
            let store = try makeStore()
            _ = try store.names("")
            _ = try store.text(name("snapshots/a"))
            _ = try part(store, "packs/ab/ab1", 0..<5)
            for entry in try entries() { try rewrite(entry, damage) }
            #expect(try store.text(name("snapshots/a")) == "first")
            #expect(try part(store, "packs/ab/ab1", 0..<5) == ">01234")
        }
    }

    @Test func whatAReaderFindsDamagedIsForgotten() throws {
        try base.put(name("snapshots/a"), "first")
        try base.put(name("packs/ab/ab1"), "0123456789")
        let store = try makeStore()
        _ = try store.names("")
        _ = try store.text(name("snapshots/a"))
        for start in 0..<3 { _ = try part(store, "packs/ab/ab1", start..<5) }
        try rewrite("snapshots/a", "wrong")
        #expect(try store.text(name("snapshots/a")) == "wrong")
        #expect(store.forget(name("snapshots/a")) && !store.forget(name("snapshots/a")))
        #expect(try store.text(name("snapshots/a")) == "first")
        #expect(store.forget(name("packs/ab/ab1")) && !store.forget(name("packs/ab/ab1")))
        #expect(try entries() == ["snapshots/a"])
    }

    /// What is used stays, the rest makes room.
    @Test func itIsBounded() throws {
        let text = String(repeating: "x", count: 4_000)
        for number in 0..<200 { try base.put(name("snapshots/\(1_000 + number)"), text) }
        let store = try makeStore(sizeMax: 100_000)
        _ = try store.names("")
        for number in 0..<200 {
            // All but the one that is read again and again were used long ago.
            for entry in try entries() {
                try FileManager.default.setAttributes(
                    [.modificationDate: Date(timeIntervalSinceNow: -100_000)],
                    ofItemAtPath: folder.appending("cache/\(entry)"))
            }
            _ = try store.text(name("snapshots/1000"))
            _ = try store.text(name("snapshots/\(1_000 + number)"))
        }
        let kept = try entries()
        #expect(kept.contains("snapshots/1000"))
        #expect((15...26).contains(kept.count), "\(kept.count) entries of 4 kB")
        try base.put(name("snapshots/large"), String(repeating: "x", count: 50_000))
        _ = try store.names("")
        _ = try store.text(name("snapshots/large"))
        #expect(try !entries().contains("snapshots/large"))
    }

    @Test func severalShareIt() throws {
        let content = { (number: Int) in String(repeating: "\(number) ", count: 500) }
        for number in 0..<50 { try base.put(name("snapshots/\(number)"), content(number)) }
        // Small enough that they push each other's entries out all the time.
        let stores = try (0..<4).map { _ in try makeStore(sizeMax: 30_000) }
        let wrong = try Parallel.map(stores, threads: 4, name: "sharing", context: {}) { _, store in
            var wrong = 0
            for round in 0..<4 {
                _ = try store.names("")
                for number in 0..<50
                where try store.text(ObjectName(trusted: "snapshots/\(number)"))
                    != String(repeating: "\(number) ", count: 500)
                {
                    wrong += round + 1
                }
            }
            return wrong
        }
        #expect(wrong == [0, 0, 0, 0])
    }

    /// A disk that is full or closed costs nothing but what the cache would save.
    @Test func aCacheThatCannotBeWrittenIsDoneWithout() throws {
        try base.put(name("snapshots/a"), "first")
        let store = try makeStore()
        try FileManager.default.removeItem(atPath: folder.appending("cache"))
        _ = try store.names("")
        #expect(try store.text(name("snapshots/a")) == "first")
        #expect(try store.text(name("snapshots/a")) == "first")
        #expect(!store.forget(name("snapshots/a")))
    }
}
