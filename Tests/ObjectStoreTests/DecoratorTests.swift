import Bytes
import Glibc
import ObjectStore
import Synchronization
import TestSupport
import Testing

@Suite("Decorators")
struct DecoratorTests {
    private let name = ObjectName(trusted: "packs/ab/abcd")

    /// Collects waits instead of waiting.
    private final class Waits: Sendable {
        private let list = Mutex<[Duration]>([])
        var all: [Duration] { list.withLock { $0 } }
        func add(_ duration: Duration) { list.withLock { $0.append(duration) } }
    }

    @Test("passing errors are tried again with growing waits, up to the bound")
    func backoff() throws {
        let waits = Waits()
        let failing = FaultInjectingStore(MemoryStore()) { _ in .fail(CairnError(.unreachable, "injected")) }
        let policy = RetryPolicy(
            triesMax: 8, firstDelay: .seconds(1), delayMax: .seconds(10), wait: { waits.add($0) })
        let store = RetryingStore(failing, policy: policy)
        expectError(.unreachable) { _ = try store.stat(name) }
        #expect(failing.calls == 8)
        let bounds = [1, 2, 4, 8, 10, 10, 10].map { Duration.seconds($0) }
        #expect(waits.all.count == bounds.count)
        for (wait, bound) in zip(waits.all, bounds) { #expect(wait >= bound / 2 && wait <= bound) }
    }

    @Test(
        "answers are not tried again",
        arguments: [
            CairnError(.notFound, "x"), CairnError(.alreadyExists, "x"), CairnError(.noSpace, "x"),
            CairnError(.corrupt, "x"), CairnError(.authentication, "x"), CairnError(.privilege, "x"),
            CairnError(.io, "x", underlying: SystemError("open", EACCES)),
            CairnError(.io, "x", underlying: SystemError("open", EROFS)),
        ])
    func permanent(_ error: CairnError) throws {
        let failing = FaultInjectingStore(MemoryStore()) { _ in .fail(error) }
        let store = RetryingStore(failing, policy: RetryPolicy(wait: { _ in Issue.record("no wait is due") }))
        expectError(error.code) { try store.put(name, "x") }
        #expect(failing.calls == 1)
    }

    @Test("what is no CairnError is not tried again")
    func foreignErrors() {
        struct Foreign: Error {}
        #expect(!RetryPolicy.isTransient(Foreign()))
        #expect(RetryPolicy.isTransient(CairnError(.io, "x", underlying: SystemError("read", EIO))))
        #expect(RetryPolicy.isTransient(CairnError(.server, "x")))
    }

    @Test("a put whose answer was lost succeeds, over another's object it does not")
    func lostAnswers() throws {
        let memory = MemoryStore()
        let failing = FaultInjectingStore(memory) { call in
            call.operation == .put && call.number % 2 == 1 ? .loseAnswer(CairnError(.unreachable, "injected")) : nil
        }
        let store = RetryingStore(failing, policy: RetryPolicy(wait: { _ in }))
        try store.put(name, "mine")
        #expect(try memory.text(name) == "mine")

        let other = ObjectName(trusted: "packs/ab/other")
        try memory.put(other, "hers")
        let failingFirst = FaultInjectingStore(memory) { call in
            call.operation == .put && call.number == 1 ? .fail(CairnError(.unreachable, "injected")) : nil
        }
        expectError(.alreadyExists) {
            try RetryingStore(failingFirst, policy: RetryPolicy(wait: { _ in })).put(other, "mine")
        }
        #expect(try memory.text(other) == "hers")
    }

    @Test("a listing that is tried again names each object once; the caller's error is its own")
    func listing() throws {
        let memory = MemoryStore()
        for number in 0..<10 { try memory.put(ObjectName(trusted: "a/\(number)"), "x") }
        let failing = FaultInjectingStore(memory) { call in
            call.number < 3 ? .loseAnswer(CairnError(.unreachable, "injected")) : nil
        }
        let store = RetryingStore(failing, policy: RetryPolicy(wait: { _ in }))
        #expect(try store.names("a/").count == 10)
        let before = failing.calls
        expectError(.unreachable) { try store.list(prefix: "") { _ in throw CairnError(.unreachable, "mine") } }
        #expect(failing.calls == before + 1)
    }

    @Test("throttling waits as long as the bytes before are due")
    func throttle() throws {
        let waits = Waits()
        let store = ThrottledStore(
            MemoryStore(), uploadRate: 1000, downloadRate: 100, wait: { waits.add($0) })
        let content = [UInt8](repeating: 1, count: 100_000)
        try store.put(name, content.rawSpan, mode: .ifAbsent)
        #expect(waits.all.isEmpty)
        try store.put(ObjectName(trusted: "b"), "x")
        #expect(waits.all.count == 1)
        #expect(waits.all[0] > .seconds(90) && waits.all[0] <= .seconds(100))
        try store.get(name, into: Buffer(capacity: 0))
        #expect(waits.all.count == 1)
        try store.get(name, range: 0..<1, into: Buffer(capacity: 0))
        #expect(waits.all.count == 2)
        #expect(waits.all[1] > .seconds(900) && waits.all[1] <= .seconds(1000))
    }

    @Test("waiting takes at least the time asked for")
    func waiting() {
        let start = ContinuousClock.now
        pause(.milliseconds(3))
        #expect(ContinuousClock.now - start >= .milliseconds(3))
        pause(.zero)
        pause(.seconds(-5))
    }
}
