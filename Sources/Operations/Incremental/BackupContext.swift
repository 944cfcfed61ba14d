internal import Archive
internal import BSON
internal import Bytes
internal import Glibc
internal import Mongo
internal import ObjectStore

/// What the parts of a backup share: the repository that it writes to, the node that it reads, and how.
struct BackupContext: Sendable {
    let options: FullBackup.Options
    let repository: Repository
    let entry: WriterEntry
    let deployment: MongoDeployment
    /// What the repository holds, and what the writer adds to it.
    let chunks: ChunkIndex
    let writer: ArchiveWriter
    let readers: Int
    let progress: JobProgress
    let cancellation: Cancellation
    let tuning: BackupTuning

    var lease: Lease { entry.lease }
    /// Which namespaces the backup takes.
    var filter: NamespaceFilter { NamespaceFilter(include: options.include, exclude: options.exclude) }
    /// The order in which it scans.
    var order: Mongo.ScanOrder { options.scanOrder == .natural ? .natural : .id }

    /// A writer with a stream for each reader and two for the oplog, its threads started.
    static func makeWriter(_ repository: Repository, _ index: WriterIndex, _ options: FullBackup.Options)
        -> (writer: ArchiveWriter, readers: Int)
    {
        let readers = options.readers > 0 ? options.readers : Machine.processors
        let workers = options.workers > 0 ? options.workers : Machine.processors
        // A reader holds the chunk it fills; the range before may still be with the workers, but holds no buffer of
        // the stream any more.
        let writer = ArchiveWriter(
            repository: repository, index: index,
            options: WriterOptions(
                workers: workers, level: options.level, streams: readers + 2,
                puts: repository.store.parallelism))
        return (writer, readers)
    }

    /// Connects to a node, the one that `parent` was read from if it can be used: natural order repeats on the same
    /// node only, and with it the chunks of unchanged data.
    static func connect(_ options: FullBackup.Options, preferring parent: Snapshot?) throws -> MongoDeployment {
        var mongo = MongoOptions(access: .read)
        mongo.readPreference = options.source.readPreference
        mongo.allowStandalone = options.allowStandalone
        mongo.serverSelectionTimeoutMilliseconds = options.source.serverSelectionTimeoutSeconds * 1_000
        mongo.preferredHost = parent?.source.host
        return try MongoDeployment.connect(uri: options.source.uri, options: mongo)
    }

    /// How long the server keeps history, in seconds; its default where it does not say.
    var windowSeconds: Int { tuning.windowSeconds ?? deployment.server.snapshotWindowSeconds ?? 300 }

    /// A scan that begins at `time`.
    func makeScan(at time: Timestamp?) -> ArchiveScan {
        ArchiveScan(
            deployment: deployment, writer: writer, time: time, windowSeconds: windowSeconds,
            rangeBytes: tuning.rangeBytes, progress: progress, cancellation: cancellation)
    }

    /// The catalogue as of now, and its time.
    func takeCatalogue() throws -> ExactCatalogue { try ExactCatalogue.take(deployment, filter, cancellation) }

    /// The catalogue at a time that is not before `stored`: a follower may have read further, from another member.
    ///
    /// - Throws: `.oplogGap` when the node does not get there: it lives another history.
    func takeCatalogue(reaching stored: OpTime) throws -> ExactCatalogue {
        let client = try deployment.checkOut()
        for _ in 0..<300 {
            try cancellation.check()
            if try client.lastWrite().majority.timestamp >= stored.timestamp { return try takeCatalogue() }
            usleep(100_000)
        }
        throw CairnError(
            .oplogGap,
            "what is stored reaches to \(stored.timestamp), and \(deployment.host) is behind that: it was restored to "
                + "an earlier state, or it does not replicate.", object: "local.oplog.rs")
    }
}

/// Sizes that tests make small.
struct BackupTuning: Sendable {
    /// Raw bytes of a range of a scan, about.
    var rangeBytes = RangePlanner.targetBytes
    /// Memory for the `_id`s of changed documents, in bytes.
    var changeBytes = ChangeSet.standardBudget
    /// How long the server is taken to keep history, in seconds; nil asks it.
    var windowSeconds: Int?
    /// Raw bytes at which an oplog segment is cut.
    var segmentBytes = SegmentRecorder.bytesMax
}

/// A sentence of a report.
struct BackupNote: Sendable {
    let text: String
    let needsPerson: Bool
}
