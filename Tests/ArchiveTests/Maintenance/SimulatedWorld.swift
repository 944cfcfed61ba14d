import Bytes
import ObjectStore
import Synchronization
import TestSupport

@testable import Archive

/// Jobs that share one store and run one call at a time, in an order that follows from a seed. Between calls, time
/// passes: mostly moments. In some calls a job sleeps, before or after the call takes effect, while the others go on
/// for hundreds of calls and leases end. Some calls fail, or their job dies in them, and what they asked for happens
/// much later all the same.
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
        /// Jobs that sleep in a call, with the number of calls of others until they wake.
        var asleep: [Int: Int] = [:]
        /// What is on its way, with the number of calls until it arrives.
        var late: [(calls: Int, effect: @Sendable () -> Void)] = []
        /// When objects were put, in seconds.
        var modified: [ObjectName: Int64] = [:]
    }

    /// What becomes of a call.
    enum Fate: Sendable { case lives, diesBefore, diesAfter, diesLate, failsLate }

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

    /// Runs the jobs until all are done, and until everything that is on its way has arrived. A job gets its view of
    /// the store and its own clock.
    func run(_ jobs: [@Sendable (_ store: GatedStore, _ clock: Surroundings) -> Void]) {
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
        for (_, effect) in state.withLock({ $0.late }) { effect() }
    }

    /// Waits for the job's turn.
    fileprivate func awaitTurn(_ job: Int) throws -> Fate {
        let next = state.withLock { state in
            state.waiting.insert(job)
            return Self.choose(&state)
        }
        wake(next)
        guard let fate = try turns[job].pop() else { preconditionFailure("turns do not end") }
        arrive()
        return fate
    }

    /// Whether the job sleeps once more, after its call took effect.
    fileprivate func lingers() -> Bool { state.withLock { Int.random(in: 0..<6, using: &$0.random) == 0 } }

    fileprivate func send(_ effect: @escaping @Sendable () -> Void) {
        state.withLock { $0.late.append((Int.random(in: 0..<800, using: &$0.random), effect)) }
    }

    fileprivate func notePut(_ name: ObjectName) { state.withLock { $0.modified[name] = $0.now / 1_000 } }

    fileprivate func dated(_ info: ObjectInfo) -> ObjectInfo {
        ObjectInfo(
            name: info.name, size: info.size, modified: state.withLock { $0.modified[info.name] ?? info.modified })
    }

    private func arrive() {
        let due = state.withLock { state in
            for index in state.late.indices { state.late[index].calls -= 1 }
            let due = state.late.filter { $0.calls <= 0 }
            state.late.removeAll { $0.calls <= 0 }
            return due
        }
        for (_, effect) in due { effect() }
    }

    private func wake(_ next: (job: Int, fate: Fate)?) {
        if let (job, fate) = next { try? turns[job].push(fate) }
    }

    /// The next job, once all that run are at a call.
    private static func choose(_ state: inout State) -> (job: Int, fate: Fate)? {
        guard !state.running.isEmpty, state.waiting == state.running else { return nil }
        state.now += .random(in: 0...500, using: &state.random)
        state.asleep = state.asleep.mapValues { $0 - 1 }.filter { $0.value > 0 && state.running.contains($0.key) }
        if Int.random(in: 0..<150, using: &state.random) == 0 {
            state.now += .random(in: 1_000...200_000, using: &state.random)
        }
        if Int.random(in: 0..<200, using: &state.random) == 0 {
            let sleeper = state.waiting.sorted().randomElement(using: &state.random)
            if let sleeper { state.asleep[sleeper] = .random(in: 1...600, using: &state.random) }
            state.now += .random(in: 200_000...3_000_000, using: &state.random)
        }
        let awake = state.waiting.filter { state.asleep[$0] == nil }.sorted()
        guard let job = awake.randomElement(using: &state.random) ?? state.waiting.min() else { return nil }
        state.waiting.remove(job)
        // The last jobs make many calls, and are to get to their end often enough.
        let odds = job >= 2 ? 800 : 200
        guard Int.random(in: 0..<odds, using: &state.random) == 0 else { return (job, .lives) }
        let fates: [Fate] = [.diesBefore, .diesAfter, .diesLate, .failsLate]
        return (job, fates[Int.random(in: 0..<fates.count, using: &state.random)])
    }
}

/// One job's view of the store. Its threads take turns, so that a job has one call at a time.
final class GatedStore: ObjectStore {
    private let world: SimulatedWorld
    private let job: Int
    private let oneCall = Mutex(())
    private let isDead = Mutex(false)

    fileprivate init(world: SimulatedWorld, job: Int) {
        self.world = world
        self.job = job
    }

    var location: String { "memory" }

    /// Starts the job again after it died: until then, all calls die.
    func restart() { isDead.withLock { $0 = false } }

    private func die() -> SimulatedWorld.Crash {
        isDead.withLock { $0 = true }
        return SimulatedWorld.Crash()
    }

    private func gated<Result>(
        late: (@Sendable () -> Void)? = nil, _ body: () throws -> sending Result
    ) throws -> sending Result {
        try oneCall.withLock { _ in
            if isDead.withLock({ $0 }) { throw SimulatedWorld.Crash() }
            let fate = try world.awaitTurn(job)
            switch fate {
            case .diesBefore: throw die()
            case .diesLate:
                if let late { world.send(late) }
                throw die()
            case .failsLate:
                if let late { world.send(late) }
                throw CairnError(.unreachable, "no answer")
            case .lives, .diesAfter: break
            }
            let result = try body()
            if fate == .diesAfter { throw die() }
            if world.lingers(), try world.awaitTurn(job) != .lives { throw die() }
            return result
        }
    }

    func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        let copy = [UInt8](bytes)
        let effect = { @Sendable [world] in
            try world.store.put(name, copy.rawSpan, mode: mode)
            world.notePut(name)
        }
        try gated(late: { try? effect() }) { try effect() }
    }

    func get(_ name: ObjectName, into buffer: Buffer) throws { try gated { try world.store.get(name, into: buffer) } }

    func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try gated { try world.store.get(name, range: range, into: buffer) }
    }

    func stat(_ name: ObjectName) throws -> ObjectInfo? {
        try gated { try world.store.stat(name).map { world.dated($0) } }
    }

    func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        var found: [ObjectInfo] = []
        try gated { try world.store.list(prefix: prefix) { found.append(world.dated($0)) } }
        try found.forEach(body)
    }

    func delete(_ name: ObjectName) throws {
        let effect = { @Sendable [world] in try world.store.delete(name) }
        try gated(late: { try? effect() }) { try effect() }
    }

    func settle(_ names: [ObjectName]) throws {}
}
