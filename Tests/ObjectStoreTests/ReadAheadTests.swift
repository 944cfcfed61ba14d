import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@Suite("Read ahead")
struct ReadAheadTests {
    private let name = ObjectName(trusted: "packs/ab/abcd")
    private let memory = MemoryStore()

    /// Made once: it is large.
    private static let content: [UInt8] = {
        var random = SeededGenerator(seed: 5)
        let some = random.bytes(65_521)
        var content: [UInt8] = []
        while content.count < size { content += some }
        return Array(content[..<size])
    }()

    init() throws { try memory.put(name, Self.content.rawSpan, mode: .ifAbsent) }

    /// Three windows and a rest.
    private static let size = 3 * ReadAheadStore.windowSize + 12_344
    private static let part = 300_000

    private func parts() -> [Range<Int>] {
        stride(from: 0, to: Self.size, by: Self.part).map { $0..<min($0 + Self.part, Self.size) }
    }

    /// Counts the calls for parts, and those that ask for a size.
    private final class Calls: Sendable {
        private let counts = Mutex((gets: 0, stats: 0))
        var gets: Int { counts.withLock { $0.gets } }
        var stats: Int { counts.withLock { $0.stats } }

        func add(_ call: FaultInjectingStore.Call) {
            counts.withLock { counts in
                if call.operation == .getRange { counts.gets += 1 }
                if call.operation == .stat { counts.stats += 1 }
            }
        }
    }

    private func expect(_ range: Range<Int>, _ store: ReadAheadStore) throws {
        let buffer = Buffer(copying: [7])
        try store.get(name, range: range, into: buffer)
        #expect(buffer.array == [7] + Self.content[range], "\(range)")
    }

    @Test("parts that follow each other come in windows")
    func inOrder() throws {
        let calls = Calls()
        let store = ReadAheadStore(
            FaultInjectingStore(memory) { call in
                calls.add(call); return nil
            })
        for part in parts() { try expect(part, store) }
        // The first part alone, the size, then windows.
        #expect(calls.gets == 4 && calls.stats == 1, "\(calls.gets), \(calls.stats)")
    }

    @Test("parts here and there are read as they are")
    func hereAndThere() throws {
        let calls = Calls()
        let store = ReadAheadStore(
            FaultInjectingStore(memory) { call in
                calls.add(call); return nil
            })
        let starts = [9 << 20, 1 << 20, 5 << 20, 0, 11 << 20, 3 << 20]
        for start in starts { try expect(start..<(start + 1_000), store) }
        #expect(calls.gets == starts.count && calls.stats == 0)
    }

    @Test("threads that share the parts fetch windows at once, none twice")
    func threads() throws {
        let calls = Calls()
        let counting = FaultInjectingStore(memory) { call in
            calls.add(call)
            return nil
        }
        let store = ReadAheadStore(Distant(counting))
        let next = Atomic(0)
        let parts = parts()
        let threads = (0..<4).map { _ in
            OwnedThread(name: "reader") {
                while true {
                    let number = next.add(1, ordering: .relaxed).oldValue
                    guard number < parts.count else { return }
                    do { try expect(parts[number], store) } catch { Issue.record(error) }
                }
            }
        }
        for thread in threads { thread.join() }
        // Up to four parts before the first window, by the order in which the threads come; then four windows.
        #expect(calls.gets <= 8, "\(calls.gets)")
        #expect(calls.stats == 1)
    }

    @Test("any order, on any threads", arguments: 0..<6)
    func anyOrder(seed: Int) throws {
        let store = ReadAheadStore(memory)
        let threads = (0..<4).map { number in
            OwnedThread(name: "reader") {
                var random = SeededGenerator(seed: UInt64(seed * 10 + number))
                var place = 0
                for _ in 0..<60 {
                    if random.integer(0..<5) == 0 { place = random.integer(0..<Self.size) }
                    let end = min(place + random.integer(0..<600_000), Self.size)
                    do { try expect(place..<end, store) } catch { Issue.record(error) }
                    place = end == Self.size ? 0 : min(end + random.integer(0..<3) * 20_000, Self.size)
                }
            }
        }
        for thread in threads { thread.join() }
    }

    @Test("a window that fails costs a request, not the part")
    func failingWindows() throws {
        let store = ReadAheadStore(
            FaultInjectingStore(memory) { call in
                call.operation == .getRange && call.number % 2 == 0 ? .fail(CairnError(.unreachable, "injected")) : nil
            })
        var failures = 0
        for part in parts() {
            do { try expect(part, store) } catch let error as CairnError where error.code == .unreachable {
                failures += 1
            }
        }
        #expect(failures < parts().count)
    }

    @Test("what is replaced, or gone, is not known any more")
    func replaced() throws {
        let store = ReadAheadStore(memory)
        for part in parts().prefix(4) { try expect(part, store) }
        let other = [UInt8](repeating: 1, count: Self.size)
        try store.put(name, other.rawSpan, mode: .replace)
        let buffer = Buffer(capacity: 0)
        try store.get(name, range: parts()[2], into: buffer)
        #expect(buffer.array.allSatisfy { $0 == 1 })
        try store.delete(name)
        expectError(.notFound) { try store.get(name, range: parts()[3], into: buffer) }
        expectError(.notFound) { try store.get(name, range: parts()[4], into: buffer) }
    }

    @Test("a part beyond the end is an error, and the buffer as before")
    func beyondTheEnd() throws {
        let store = ReadAheadStore(memory)
        for part in parts() { try expect(part, store) }
        let buffer = Buffer(copying: [7])
        expectError(.corrupt) { try store.get(name, range: (Self.size - 10)..<(Self.size + 1), into: buffer) }
        #expect(buffer.array == [7])
    }
}

/// A store to which four calls go at once.
private final class Distant: ObjectStore {
    private let base: any ObjectStore
    var location: String { base.location }
    var parallelism: Int { 4 }

    init(_ base: any ObjectStore) { self.base = base }

    func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws { try base.put(name, bytes, mode: mode) }
    func get(_ name: ObjectName, into buffer: Buffer) throws { try base.get(name, into: buffer) }
    func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try base.get(name, range: range, into: buffer)
    }
    func stat(_ name: ObjectName) throws -> ObjectInfo? { try base.stat(name) }
    func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws { try base.list(prefix: prefix, body) }
    func delete(_ name: ObjectName) throws { try base.delete(name) }
    func settle(_ names: [ObjectName]) throws { try base.settle(names) }
}
