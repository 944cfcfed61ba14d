import Bytes
import ObjectStore
import Synchronization
import TestSupport

@testable import Archive

/// Jobs that share one store and run one call at a time, in an order that follows from a seed. Between calls, time
/// passes: mostly moments, sometimes so long that leases end while their holders still believe in them.
final class SimulatedWorld: Sendable {
    /// Thrown into a job that dies. What it was doing may have taken effect.
    struct Crash: Error {}

    private struct State {
        var random: SeededGenerator
        var now: Int64 = 1_795_000_000_000
        /// Jobs that are not done.
        var running: Set<Int> = []
        /// Jobs that wait at a call.
        var waiting: Set<Int> = []
    }

    /// Whether a call dies, and if so whether before or after it took effect.
    enum Fate: Sendable { case lives, diesBefore, diesAfter }

    let store = MemoryStore()
    private let state: Mutex<State>
    private let turns: [BoundedQueue<Fate>]

    init(seed: UInt64, jobs: Int) {
        state = Mutex(State(random: SeededGenerator(seed: seed)))
        turns = (0..<jobs).map { _ in BoundedQueue(capacity: 1) }
    }

    var now: Int64 { state.withLock { $0.now } }

    /// Lets time pass for everybody.
    func pass(milliseconds: Int64) { state.withLock { $0.now += milliseconds } }

    /// Runs the jobs until all are done. A job gets its view of the store and its own clock.
    func run(_ jobs: [@Sendable (_ store: any ObjectStore, _ clock: Surroundings) -> Void]) {
        precondition(jobs.count == turns.count)
        state.withLock { $0.running = Set(jobs.indices) }
        let threads = jobs.enumerated().map { number, job in
            let skew = state.withLock { Int64.random(in: -60_000...60_000, using: &$0.random) }
            let surroundings = Surroundings(random: Surroundings.system.random, now: { [self] in now + skew })
            return OwnedThread(name: "job-\(number)") { [self] in
                job(GatedStore(world: self, job: number), surroundings)
                let next = state.withLock { state in
                    state.running.remove(number)
                    return Self.choose(&state)
                }
                wake(next)
            }
        }
        for thread in threads { thread.join() }
    }

    /// Waits for the job's turn.
    fileprivate func awaitTurn(_ job: Int) throws -> Fate {
        let next = state.withLock { state in
            state.waiting.insert(job)
            return Self.choose(&state)
        }
        wake(next)
        guard let fate = try turns[job].pop() else { preconditionFailure("turns do not end") }
        return fate
    }

    private func wake(_ next: (job: Int, fate: Fate)?) {
        if let (job, fate) = next { try? turns[job].push(fate) }
    }

    /// The next job, once all that run are at a call.
    private static func choose(_ state: inout State) -> (job: Int, fate: Fate)? {
        guard !state.running.isEmpty, state.waiting == state.running else { return nil }
        let pause: Int64 =
            // A job makes some fifty calls: most shall get to their end, or nothing would be committed nor removed.
            switch Int.random(in: 0..<1_000, using: &state.random) {
            case 0..<985: .random(in: 0...500, using: &state.random)
            case 985..<995: .random(in: 1_000...200_000, using: &state.random)
            default: .random(in: 200_000...4_000_000, using: &state.random)
            }
        state.now += pause
        let order = state.waiting.sorted()
        let job = order[Int.random(in: 0..<order.count, using: &state.random)]
        state.waiting.remove(job)
        // The last job makes many calls, and is to get to its end often enough.
        let odds = job == 2 ? 1_000 : 250
        guard Int.random(in: 0..<odds, using: &state.random) == 0 else { return (job, .lives) }
        return (job, Bool.random(using: &state.random) ? .diesBefore : .diesAfter)
    }
}

/// One job's view of the store. Its threads take turns, so that a job has one call at a time.
private final class GatedStore: ObjectStore {
    private let world: SimulatedWorld
    private let job: Int
    private let oneCall = Mutex(())

    init(world: SimulatedWorld, job: Int) {
        self.world = world
        self.job = job
    }

    var location: String { "memory" }

    private func gated<Result>(_ body: () throws -> sending Result) throws -> sending Result {
        try oneCall.withLock { _ in
            let fate = try world.awaitTurn(job)
            if fate == .diesBefore { throw SimulatedWorld.Crash() }
            let result = try body()
            if fate == .diesAfter { throw SimulatedWorld.Crash() }
            return result
        }
    }

    func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        let copy = [UInt8](bytes)
        try gated { try world.store.put(name, copy.rawSpan, mode: mode) }
    }

    func get(_ name: ObjectName, into buffer: Buffer) throws { try gated { try world.store.get(name, into: buffer) } }

    func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try gated { try world.store.get(name, range: range, into: buffer) }
    }

    func stat(_ name: ObjectName) throws -> ObjectInfo? { try gated { try world.store.stat(name) } }

    func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        var found: [ObjectInfo] = []
        try gated { try world.store.list(prefix: prefix) { found.append($0) } }
        try found.forEach(body)
    }

    func delete(_ name: ObjectName) throws { try gated { try world.store.delete(name) } }

    func settle(_ names: [ObjectName]) throws {}
}
