internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// What becomes of one range's documents. Confined to the reader's thread.
protocol RangeConsumer: SendableMetatype {
    /// Takes one batch, a BSON array of whole documents, valid inside the call only.
    mutating func take(_ batch: RawSpan) throws
    /// The range is complete.
    mutating func finish() throws
    /// Documents and raw bytes taken so far, for progress.
    var taken: (documents: Int, bytes: Int) { get }
}

/// The reader threads of a scan. Each takes the next range that nobody has taken, so that all end within one range of
/// each other.
///
/// A range whose connection could not be resumed is started again with a fresh consumer, a few times.
final class RangeCrew<Task: Sendable, Consumer: RangeConsumer>: Sendable {
    private let deployment: MongoDeployment
    private let clock: ReadClock
    private let progress: JobProgress
    private let cancellation: Cancellation
    private let state = Mutex(CrewState())

    /// How often a range is started from nothing.
    private static var startsMax: Int { 4 }

    /// - Parameter clock: gives each range its time. With one that moves, a range that cannot be read any more at its
    ///   time costs that range: it is read from its start at a newer one.
    init(deployment: MongoDeployment, clock: ReadClock, progress: JobProgress, cancellation: Cancellation) {
        self.deployment = deployment
        self.clock = clock
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Reads every task's range.
    ///
    /// - Parameters:
    ///   - range: the range of a task.
    ///   - relocate: the range at a time when the document at its start is gone.
    ///   - begin: makes a consumer for reading at a time, on the reader's thread.
    ///   - end: takes a complete consumer. The consumer of the range before is handed over after the next
    ///     range was read, so that a reader does not wait for the stages behind it while the server could be reading.
    /// - Throws: the first error of any reader; all have stopped then.
    func read(
        _ tasks: [Task], readers: Int, range: @escaping @Sendable (Task) -> ScanRange,
        relocate: @escaping @Sendable (Task, Timestamp?, MongoClient) throws -> ScanRange? = { _, _, _ in nil },
        begin: @escaping @Sendable (Task, Timestamp?, MongoClient) throws -> Consumer,
        end: @escaping @Sendable (Task, Consumer) throws -> Void
    ) throws {
        let threads = (0..<max(1, min(readers, tasks.count))).map { number in
            OwnedThread(name: "cairn-scan-\(number)") {
                do { try self.run(tasks, range, relocate, begin, end) } catch { self.state.withLock { $0.fail(error) } }
            }
        }
        for thread in threads { thread.join() }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    private func run(
        _ tasks: [Task], _ range: (Task) -> ScanRange,
        _ relocate: (Task, Timestamp?, MongoClient) throws -> ScanRange?,
        _ begin: (Task, Timestamp?, MongoClient) throws -> Consumer, _ end: (Task, Consumer) throws -> Void
    ) throws {
        let client = try deployment.checkOut()
        let scanner = RangeScanner(client: client)
        var previous: (task: Task, consumer: Consumer)?
        while let index = state.withLock({ $0.take(of: tasks.count) }) {
            try cancellation.check()
            let task = tasks[index]
            progress.enter(collection: range(task).namespace.description)
            let consumer = try readWhole(range(task), client, scanner) {
                try relocate(task, $0, client)
            } begin: {
                try begin(task, $0, client)
            }
            if let previous { try end(previous.task, previous.consumer) }
            previous = (task, consumer)
        }
        if let previous, state.withLock({ $0.failure == nil }) { try end(previous.task, previous.consumer) }
    }

    private func readWhole(
        _ planned: ScanRange, _ client: MongoClient, _ scanner: RangeScanner,
        relocate: (Timestamp?) throws -> ScanRange?, begin: (Timestamp?) throws -> Consumer
    ) throws -> Consumer {
        var range = planned
        var time = try clock.time(client)
        var starts = 0
        while true {
            starts += 1
            var consumer = try begin(time)
            do {
                try read(range, at: time, scanner, into: &consumer)
                try consumer.finish()
                return consumer
            } catch let error as CairnError where starts < Self.startsMax {
                switch error.code {
                case .cursorLost: break
                case .snapshotTooOld where clock.moves: time = try clock.time(behind: time, client)
                case .notFound where clock.moves:
                    guard let moved = try relocate(time) else { throw error }
                    range = moved
                default: throw error
                }
                progress.add(documents: -consumer.taken.documents, bytesIn: -consumer.taken.bytes)
            }
        }
    }

    private func read(
        _ range: ScanRange, at time: Timestamp?, _ scanner: RangeScanner, into consumer: inout Consumer
    ) throws {
        try scanner.scan(range, at: time) { batch in
            try cancellation.check()
            if let failure = state.withLock({ $0.failure }) { throw failure }
            let before = consumer.taken
            try consumer.take(batch)
            let after = consumer.taken
            progress.add(documents: after.documents - before.documents, bytesIn: after.bytes - before.bytes)
        }
    }
}

/// Which tasks are taken, and what went wrong first.
private struct CrewState {
    var next = 0
    var failure: (any Error)?

    mutating func take(of count: Int) -> Int? {
        guard failure == nil, next < count else { return nil }
        next += 1
        return next - 1
    }

    mutating func fail(_ error: any Error) { if failure == nil { failure = error } }
}
