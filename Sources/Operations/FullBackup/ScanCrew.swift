internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// The reader threads of a scan. Each takes the next range that nobody has taken, so that all end within one range of each other.
final class ScanCrew: Sendable {
    private let deployment: MongoDeployment
    private let writer: ArchiveWriter
    private let time: Timestamp?
    private let progress: JobProgress
    private let cancellation: Cancellation
    private let state = Mutex(State())

    private struct State {
        var next = 0
        var failure: (any Error)?
    }

    private struct Task: Sendable {
        let collection: CollectionScan
        let range: ScanRange
    }

    init(
        deployment: MongoDeployment, writer: ArchiveWriter, time: Timestamp?, progress: JobProgress,
        cancellation: Cancellation
    ) {
        self.deployment = deployment
        self.writer = writer
        self.time = time
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Reads all documents of `collections`.
    ///
    /// - Returns: the collections that have documents, in the given order, complete.
    func scan(
        _ collections: [CollectionInfo], order: Mongo.ScanOrder, _ plans: ParentPlans, readers: Int
    ) throws -> [CollectionScan] {
        let estimates = collections.compactMap(\.estimate)
        progress.begin(
            phase: "scan", totalCollections: collections.count,
            totalDocuments: estimates.reduce(0) { $0 + $1.documents },
            totalBytes: estimates.reduce(0) { $0 + $1.bytes })
        let scans = try plan(collections, order, plans)
        let tasks = ScanCrew.inReadingOrder(scans).flatMap { scan in
            scan.plan.ranges.map { Task(collection: scan, range: $0) }
        }
        let threads = (0..<max(1, min(readers, tasks.count))).map { number in
            OwnedThread(name: "cairn-scan-\(number)") {
                do { try self.read(tasks) } catch { self.fail(error) }
            }
        }
        for thread in threads { thread.join() }
        if let failure = state.withLock({ $0.failure }) { throw failure }
        return scans
    }

    private func plan(
        _ collections: [CollectionInfo], _ order: Mongo.ScanOrder, _ plans: ParentPlans
    ) throws -> [CollectionScan] {
        let planner = RangePlanner(client: try deployment.checkOut(), server: deployment.server, at: time, order: order)
        var scans: [CollectionScan] = []
        for info in collections where info.hasDocuments {
            try cancellation.check()
            let plan = try planner.plan(info, parent: plans.plan(of: info))
            scans.append(CollectionScan(info: info, plan: plan, writer: writer))
        }
        return scans
    }

    /// Capped collections first: they cannot be read at the time itself, so they are read as soon after it as possible. The small ones
    /// last, so that no reader is left alone with a large one.
    private static func inReadingOrder(_ scans: [CollectionScan]) -> [CollectionScan] {
        func rank(_ scan: CollectionScan) -> Int { scan.info.isCapped ? .max : scan.info.estimate?.bytes ?? 0 }
        return scans.enumerated().sorted { (-rank($0.element), $0.offset) < (-rank($1.element), $1.offset) }.map(
            \.element)
    }

    private func fail(_ error: any Error) { state.withLock { if $0.failure == nil { $0.failure = error } } }

    private func nextTask(of tasks: [Task]) -> Task? {
        state.withLock { state in
            guard state.failure == nil, state.next < tasks.count else { return nil }
            state.next += 1
            return tasks[state.next - 1]
        }
    }

    /// The life of one reader. The range read before is settled after the next one was read, so that the reader never waits for the
    /// workers while the server could be reading.
    private func read(_ tasks: [Task]) throws {
        let client = try deployment.checkOut()
        let scanner = RangeScanner(client: client)
        var previous: (task: Task, stream: ChunkStream)?
        while let task = nextTask(of: tasks) {
            progress.enter(collection: task.range.namespace.description)
            let stream = try readWhole(task, scanner)
            if task.range.isCapped, try changedSince(task, client) { task.collection.markChanged() }
            if let previous { try settle(previous.task, previous.stream) }
            previous = (task, stream)
        }
        if let previous, state.withLock({ $0.failure == nil }) { try settle(previous.task, previous.stream) }
    }

    /// How often a range is started again from nothing after the scanner could not resume it.
    private static let startsMax = 3

    private func readWhole(_ task: Task, _ scanner: RangeScanner) throws -> ChunkStream {
        var starts = 1
        while true {
            let stream = writer.makeStream()
            do {
                try read(task, scanner, into: stream)
                try stream.finish()
                return stream
            } catch let error as CairnError where error.code == .cursorLost && starts < ScanCrew.startsMax {
                // The stream is dropped; what it stored already is found again by content.
                starts += 1
                progress.add(documents: -stream.documents, bytesIn: -stream.rawBytes)
            }
        }
    }

    private func read(_ task: Task, _ scanner: RangeScanner, into stream: ChunkStream) throws {
        var counted = (documents: 0, bytes: 0)
        try scanner.scan(task.range, at: time) { batch in
            try cancellation.check()
            if let failure = state.withLock({ $0.failure }) { throw failure }
            var documents = try DocumentBatch.Array(batch)
            while let document = try documents.next() {
                try stream.append(document: document, identity: DocumentIdentity.idBytes(of: document))
            }
            progress.add(documents: stream.documents - counted.documents, bytesIn: stream.rawBytes - counted.bytes)
            progress.set(bytesStored: writer.progress.addedBytes)
            counted = (stream.documents, stream.rawBytes)
        }
    }

    private func settle(_ task: Task, _ stream: ChunkStream) throws {
        try task.collection.take(stream.wait(), range: task.range.index)
        if task.range.end == nil { progress.finishCollection() }
    }

    /// Whether a collection that could only be read at majority was written to after the scan's time.
    private func changedSince(_ task: Task, _ client: MongoClient) throws -> Bool {
        guard let time, !task.range.readsAtClusterTime else { return false }
        return try client.oplogHasEntries(for: task.range.namespace, after: time)
    }
}
