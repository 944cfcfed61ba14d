internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// Applies the operations of an oplog to documents that are on a server already.
///
///     operations ── by UUID to the collections of the end ── by hash of `_id` ──▶ threads ── by collection:
///       in commit order                                                          read, apply, write in bulk
///
/// The collections have the names, options and validators of the *end* of the history from the beginning, and their
/// indexes are built behind it. So no command of the oplog is replayed: a rename changes no document, a collection that
/// is dropped on the way is not restored at all, and a build that made a passing state unique cannot fail. What
/// `mongorestore` does instead, run each command where it stood, needs a barrier at each and breaks on index builds and
/// on filters and renames of namespaces.
///
/// After every `stretchOperations` the place is noted on the target (`ReplayRecord`), so an interrupted replay goes on
/// with the stretch that it was in: applying that one twice leads to the same documents.
struct ServerReplay {
    /// Operations between two notes on the target.
    static let stretchOperations = 50_000
    /// Their bytes at most, about.
    static let stretchBytes = 64 << 20
    /// Operations handed to a thread at once.
    private static let batchOperations = 256
    private static let batchBytes = 1 << 20

    private let crew: ReplayCrew
    private let targets: [UUIDKey: Int]
    private let collections: [ReplayTarget]
    private let record: ReplayRecord?
    private let cancellation: Cancellation
    private var batches: [[ReplayOperation]]
    private var batchSizes: [Int]
    /// Operations up to this entry are applied for good.
    private var done: Timestamp
    /// The operations of this stretch may be applied already: it is the one that an interruption met. Stretches end
    /// where they did the first time, for that depends on the operations alone.
    private var isRepeated: Bool
    private var stretch = (operations: 0, bytes: 0)
    /// Documents inserted less those deleted, by target.
    private(set) var deltas: [Int]
    /// Operations applied.
    private(set) var operations = 0

    /// - Parameters:
    ///   - targets: the collections with the UUID that they have in the oplog; views have none.
    ///   - start: the time of the base.
    ///   - isResumed: go on where the record says.
    ///   - record: where progress is kept; nil keeps none.
    init(
        target: MongoDeployment, targets: [(UUIDKey?, ReplayTarget)], after start: Timestamp, isResumed: Bool,
        writeConcern: BSONDocument, workers: Int, record: ReplayRecord?, progress: JobProgress,
        cancellation: Cancellation
    ) throws {
        let state = isResumed ? try record?.load() : nil
        collections = targets.map(\.1)
        var numbers: [UUIDKey: Int] = [:]
        for (number, target) in targets.enumerated() { if let uuid = target.0 { numbers[uuid] = number } }
        self.targets = numbers
        crew = ReplayCrew(
            target: target, targets: collections, writeConcern: writeConcern, workers: workers, progress: progress)
        self.record = record
        self.cancellation = cancellation
        batches = Array(repeating: [], count: workers)
        batchSizes = Array(repeating: 0, count: workers)
        done = max(start, state?.done ?? start)
        isRepeated = state != nil
        deltas = state?.deltas ?? Array(repeating: 0, count: targets.count)
    }

    /// Takes the next operation, which the entry at `position` made visible.
    mutating func take(_ operation: borrowing Operation, position: Timestamp) throws {
        guard position > done else { return }
        guard operation.kind != .command else {
            if let uuid = operation.entry.uuid, targets[uuid] != nil {
                try ReplayOperation.requireReplayable(operation)
            }
            return
        }
        guard let uuid = operation.entry.uuid else {
            throw CairnError(
                .unsupportedFormat, "the operation at \(operation.time) names no collection by UUID",
                object: operation.entry.namespaceText)
        }
        guard let target = targets[uuid] else { return }
        let copy = try ReplayOperation(operation, target: target)
        if copy.kind == .insert { deltas[target] += 1 }
        if copy.kind == .delete { deltas[target] -= 1 }
        let key = collections[target].isSerial(copy) ? target : copy.hash &+ target
        let worker = Int(UInt(bitPattern: key) % UInt(batches.count))
        batches[worker].append(copy)
        batchSizes[worker] += copy.byteCount
        stretch.operations += 1
        stretch.bytes += copy.byteCount
        operations += 1
        if batches[worker].count >= Self.batchOperations || batchSizes[worker] >= Self.batchBytes {
            try send(worker)
        }
    }

    /// All operations that the entry at `position` makes visible were given.
    mutating func endEntry(_ position: Timestamp) throws {
        guard stretch.operations >= Self.stretchOperations || stretch.bytes >= Self.stretchBytes else { return }
        try cancellation.check()
        try settle(position)
    }

    /// Writes everything. Nothing may be given afterwards.
    mutating func finish(_ position: Timestamp) throws {
        try settle(position)
        crew.end()
    }

    /// Ends the threads after an error.
    func abandon() { crew.end() }

    private mutating func send(_ worker: Int) throws {
        guard !batches[worker].isEmpty else { return }
        try crew.give(batches[worker], to: worker, isRepeated: isRepeated)
        batches[worker].removeAll(keepingCapacity: true)
        batchSizes[worker] = 0
    }

    private mutating func settle(_ position: Timestamp) throws {
        for worker in batches.indices { try send(worker) }
        try crew.settle()
        done = max(done, position)
        stretch = (0, 0)
        isRepeated = false
        try record?.save(ReplayRecord.State(done: done, deltas: deltas))
    }
}
