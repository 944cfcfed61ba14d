internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// The threads that write operations to the target. Operations on one document go to one thread, in order; those on
/// others go beside them.
final class ReplayCrew: Sendable {
    private enum Work: Sendable {
        case operations([ReplayOperation], isRepeated: Bool)
        /// Write everything and say so.
        case settle
    }

    private let queues: [BoundedQueue<Work>]
    private let settled: BoundedQueue<Bool>
    private let threads: Mutex<[OwnedThread]>
    private let failure = Mutex<(any Error)?>(nil)

    /// Batches that wait for a thread.
    private static let queueCapacity = 4

    init(
        target: MongoDeployment, targets: [ReplayTarget], writeConcern: BSONDocument, workers: Int,
        progress: JobProgress
    ) {
        queues = (0..<workers).map { _ in BoundedQueue(capacity: ReplayCrew.queueCapacity) }
        settled = BoundedQueue(capacity: workers)
        threads = Mutex([])
        let started = queues.enumerated().map { number, queue in
            OwnedThread(name: "cairn-replay-\(number)") { [self] in
                do {
                    let writer = try DocumentWriter(client: target.checkOut(), writeConcern: writeConcern)
                    var thread = ReplayThread(writer: writer, targets: targets, progress: progress)
                    try run(&thread, queue)
                } catch { fail(error) }
            }
        }
        threads.withLock { $0 = started }
    }

    var workers: Int { queues.count }

    private func run(_ thread: inout ReplayThread, _ queue: BoundedQueue<Work>) throws {
        while let work = try queue.pop() {
            switch work {
            case .operations(let operations, let isRepeated): try thread.take(operations, isRepeated: isRepeated)
            case .settle:
                try thread.settle()
                try settled.push(true)
            }
        }
    }

    /// Hands a run of operations to one thread; waits while it is behind.
    func give(_ operations: [ReplayOperation], to worker: Int, isRepeated: Bool) throws {
        try rethrowing { try queues[worker].push(.operations(operations, isRepeated: isRepeated)) }
    }

    /// Waits until everything that was given is written.
    func settle() throws {
        try rethrowing {
            for queue in queues { try queue.push(.settle) }
            for _ in queues { _ = try settled.pop() }
        }
    }

    /// Ends the threads. What was not settled may or may not be written.
    func end() {
        for queue in queues { queue.finish() }
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in running { thread.join() }
    }

    private func fail(_ error: any Error) {
        failure.withLock { if $0 == nil { $0 = error } }
        for queue in queues { queue.fail(error) }
        settled.fail(error)
    }

    private func rethrowing(_ body: () throws -> Void) throws {
        do { try body() } catch { throw failure.withLock { $0 } ?? error }
    }
}

/// One of the threads.
private struct ReplayThread {
    let writer: DocumentWriter
    let targets: [ReplayTarget]
    let progress: JobProgress
    private var groups: [Int: ReplayGroup] = [:]
    private var missing = ReplayMissing()

    init(writer: DocumentWriter, targets: [ReplayTarget], progress: JobProgress) {
        self.writer = writer
        self.targets = targets
        self.progress = progress
    }

    mutating func take(_ operations: [ReplayOperation], isRepeated: Bool) throws {
        missing.isRepeating = isRepeated
        for operation in operations {
            var group = groups.removeValue(forKey: operation.target) ?? ReplayGroup(targets[operation.target])
            if !group.take(operation) {
                try group.write(writer, &missing)
                let taken = group.take(operation)
                precondition(taken, "an empty group takes every operation")
            }
            if group.isFull { try group.write(writer, &missing) }
            groups[operation.target] = group
        }
        progress.add(documents: operations.count, bytesIn: operations.reduce(0) { $0 + $1.payload.count })
    }

    mutating func settle() throws {
        for (target, var group) in groups where !group.isEmpty {
            try group.write(writer, &missing)
            groups[target] = group
        }
        try missing.requireNone()
    }
}
