internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// Reads collections of a server whole, in parallel ranges, and says what is in them: a digest of each. Costs the
/// server one scan and this machine about 1 s of CPU a GiB.
struct ServerDigest {
    let deployment: MongoDeployment
    let digest: DocumentDigest
    /// The cluster time that is read; nil reads what there is now.
    let time: Timestamp?
    /// Whether the order of the documents of capped collections counts.
    let ordersCapped: Bool
    let progress: JobProgress
    let cancellation: Cancellation

    private struct Task: Sendable {
        let number: Int
        let range: ScanRange
    }

    /// The digests of `collections`, in their order. Capped ones are read as they are now before MongoDB 8.0.
    ///
    /// - Throws: as `RangeScanner.scan`.
    func sums(of collections: [CollectionInfo], readers: Int) throws -> [DocumentDigest.Sum] {
        let planner = RangePlanner(client: try deployment.checkOut(), server: deployment.server, at: time)
        let tasks = try collections.enumerated().flatMap { number, info in
            try planner.plan(info).ranges.map { Task(number: number, range: $0) }
        }
        let shared = SharedSums(count: collections.count)
        let crew = RangeCrew<Task, DigestedRange>(
            deployment: deployment, clock: ReadClock(fixed: time), progress: progress, cancellation: cancellation)
        try crew.read(tasks, readers: readers, range: \.range) { task, _, _ in
            DigestedRange(digest: digest, isOrdered: ordersCapped && task.range.isCapped)
        } end: { task, consumer in
            shared.add(consumer.sum, task.number)
        }
        return shared.sums.withLock { $0 }
    }
}

/// Sums that closures can capture.
private final class SharedSums: Sendable {
    let sums: Mutex<[DocumentDigest.Sum]>

    init(count: Int) { sums = Mutex(Array(repeating: DocumentDigest.Sum(), count: count)) }

    func add(_ sum: DocumentDigest.Sum, _ number: Int) { sums.withLock { $0[number].add(sum) } }
}

/// One range's documents on their way into a digest.
private struct DigestedRange: RangeConsumer {
    let digest: DocumentDigest
    let isOrdered: Bool
    var sum = DocumentDigest.Sum()
    var bytes = 0

    init(digest: DocumentDigest, isOrdered: Bool) {
        self.digest = digest
        self.isOrdered = isOrdered
    }

    var taken: (documents: Int, bytes: Int) { (sum.documents, bytes) }

    mutating func take(_ batch: RawSpan) throws {
        bytes += batch.byteCount
        try digest.add(batch: batch, to: &sum, ordered: isOrdered)
    }

    mutating func finish() {}
}
