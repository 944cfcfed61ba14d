public import BSON
import Bytes
import Synchronization

/// Several clients that write and define at once, by a seed; what they do depends on each other, so a seed repeats the
/// kind of a run, not the run.
public final class Workload: Sendable {
    private let uri: String
    private let databases: [String]
    private let seed: UInt64
    private let clients: Int

    private struct State {
        var phase: UInt64 = 0
        var times: [Timestamp] = []
        var done = 0
        var refused = 0
        var failure: (any Error)?
    }

    private let state = Mutex(State())

    /// A workload on databases of its own.
    public init(uri: String, databases: [String], seed: UInt64, clients: Int = 3) {
        self.uri = uri
        self.databases = databases
        self.seed = seed
        self.clients = clients
    }

    /// What was done and what the server refused so far.
    public var summary: String { state.withLock { "\($0.done) commands done, \($0.refused) refused" } }

    /// Runs `steps` steps on each client at once, a transaction of more than 16 MB among them, and waits for them.
    ///
    /// - Returns: cluster times in the phase, in order.
    /// - Throws: `.unreachable` when the server goes away.
    public func run(steps: Int) throws -> [Timestamp] {
        let phase = state.withLock { state in
            state.phase += 1
            state.times = []
            return state.phase
        }
        let threads = (0..<clients).map { number in
            OwnedThread(name: "workload") { [self] in work(number, phase, steps) }
        }
        for thread in threads { thread.join() }
        return try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.times.sorted()
        }
    }

    /// Brings about what no restore can: updates may leave a capped collection larger than its cap until the next
    /// insert, and the last view leaves an empty `system.views`.
    ///
    /// - Throws: `.server` or `.unreachable` when the server does not do it.
    public func settle() throws {
        let client = try WireClient(uri: uri)
        for db in databases {
            for entry in try client.documents(of: ["listCollections": 1, "filter": ["options.capped": true]], db: db) {
                let name: String = try entry.require("name", in: "listCollections")
                // Indexes of the workload want `g` to be of one document only.
                let id = BSONValue.binary(subtype: 4, RandomID.random().bytes)
                let document: BSONDocument = ["_id": id, "g": id]
                try client.insert(sequence: document.bytes, db: db, collection: name)
            }
            try client.run(["create": "settled", "viewOn": "c0", "pipeline": []], db: db)
        }
    }

    private func work(_ number: Int, _ phase: UInt64, _ steps: Int) {
        do {
            let own = seed &+ phase &* 1_000 &+ UInt64(number)
            let client = try WorkloadClient(uri: uri, databases: databases, seed: own, ownsSeries: number == 0)
            if number == 0 { try client.prepare() }
            for step in 0..<steps {
                try client.step()
                if number == 0, step == steps / 2 { try client.largeTransaction() }
                if step % 10 == 9, let time = client.time { state.withLock { $0.times.append(time) } }
            }
            state.withLock { state in
                state.done += client.done
                state.refused += client.refused
            }
        } catch { state.withLock { $0.failure = error } }
    }
}
