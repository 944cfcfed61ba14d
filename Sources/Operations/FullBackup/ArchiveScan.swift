internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// The scan of a full backup: every range of every collection into a stream of the writer.
struct ArchiveScan {
    let deployment: MongoDeployment
    let writer: ArchiveWriter
    /// The time that plans are made for, and that the scan begins with.
    let time: Timestamp?
    /// How long the server keeps history, in seconds.
    let windowSeconds: Int
    let rangeBytes: Int
    let progress: JobProgress
    let cancellation: Cancellation

    private struct Task: Sendable {
        let collection: CollectionScan
        let range: ScanRange
    }

    /// Reads all documents of `collections`.
    ///
    /// - Returns: the collections that have documents, in the given order, complete.
    func scan(
        _ collections: [CollectionInfo], order: Mongo.ScanOrder, _ plans: ParentPlans, readers: Int
    ) throws -> [CollectionScan] {
        let estimates = collections.compactMap(\.estimate)
        progress.begin(
            phase: "scan", totalCollections: collections.count { $0.hasDocuments },
            totalDocuments: estimates.reduce(0) { $0 + $1.documents }, totalBytes: estimates.reduce(0) { $0 + $1.bytes }
        )
        let scans = try plan(collections, order, plans)
        let tasks = ArchiveScan.inReadingOrder(scans).flatMap { scan in
            scan.plan.ranges.map { Task(collection: scan, range: $0) }
        }
        let crew = RangeCrew<Task, ArchivedRange>(
            deployment: deployment,
            clock: time.map { ReadClock(from: $0, windowSeconds: windowSeconds) } ?? ReadClock(fixed: nil),
            progress: progress, cancellation: cancellation)
        try crew.read(tasks, readers: readers, range: \.range) { task, time, client in
            try task.collection.plan.relocated(task.range, at: time, client)
        } begin: { [writer, progress] task, time, client in
            progress.set(bytesStored: writer.progress.addedBytes)
            return ArchivedRange(
                stream: writer.makeStream(), collection: task.collection, range: task.range, time: time, client: client)
        } end: { [progress] task, consumer in
            try task.collection.take(consumer.stream.wait(), range: task.range.index, at: consumer.time)
            if task.range.end == nil { progress.finishCollection() }
        }
        return scans
    }

    private func plan(
        _ collections: [CollectionInfo], _ order: Mongo.ScanOrder, _ plans: ParentPlans
    ) throws -> [CollectionScan] {
        let planner = RangePlanner(
            client: try deployment.checkOut(), server: deployment.server, at: time, order: order,
            targetBytes: rangeBytes)
        var scans: [CollectionScan] = []
        for info in collections where info.hasDocuments {
            try cancellation.check()
            let plan = try planner.plan(info, parent: plans.plan(of: info))
            scans.append(CollectionScan(info: info, plan: plan, writer: writer))
        }
        return scans
    }

    /// Capped collections first: they cannot be read at the time itself, so they are read as soon after it as
    /// possible. The small ones last, so that no reader is left alone with a large one.
    private static func inReadingOrder(_ scans: [CollectionScan]) -> [CollectionScan] {
        func rank(_ scan: CollectionScan) -> Int { scan.info.isCapped ? .max : scan.info.estimate?.bytes ?? 0 }
        return scans.enumerated().sorted { (rank($0.element), $1.offset) > (rank($1.element), $0.offset) }.map(
            \.element)
    }
}

/// One range's documents on their way into chunks.
private struct ArchivedRange: RangeConsumer {
    let stream: ChunkStream
    let collection: CollectionScan
    let range: ScanRange
    let time: Timestamp?
    let client: MongoClient

    var taken: (documents: Int, bytes: Int) { (stream.documents, stream.rawBytes) }

    func take(_ batch: RawSpan) throws {
        var documents = try DocumentBatch.Array(batch)
        while let document = try documents.next() {
            try stream.append(document: document, identity: DocumentIdentity.idBytes(of: document))
        }
    }

    func finish() throws {
        try stream.finish()
        // Not readable at the scan's time, so it was read at majority: exact only if nothing was written to it since.
        guard let time, !range.readsAtClusterTime else { return }
        if try client.oplogHasEntries(for: range.namespace, after: time) { collection.markChanged() }
    }
}
