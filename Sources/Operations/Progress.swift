internal import Synchronization

/// What a running job has done so far: fed by its stages batch by batch, read by a render thread at any time.
///
/// The counters only grow and are read without a common lock, so a reading may be some batches apart between its
/// fields; it is for eyes, and the reports carry the exact figures. (Not called `Progress`, which Foundation has.)
public final class JobProgress: Sendable {
    /// One look at the counters. All byte counts are bytes, all rates are left to the reader.
    public struct Reading: Sendable {
        /// What the job is doing: `connect`, `scan`, `commit`, `restore`, `indexes`, `verify`, `check`, ….
        public var phase: String
        /// The namespace that a stage last reported, empty before the first.
        public var collection: String
        /// Documents read from the source so far.
        public var documents: Int
        /// Raw bytes read from the source so far.
        public var bytesIn: Int
        /// Bytes stored in (backup) or written to the target (restore) so far.
        public var bytesStored: Int
        /// Collections finished so far.
        public var collections: Int
        /// Expected totals of the phase; 0 when unknown. Server estimates, so they may be passed.
        public var totalDocuments: Int
        /// Expected raw bytes of the phase; 0 when unknown.
        public var totalBytes: Int
        /// Expected collections of the phase; 0 when unknown.
        public var totalCollections: Int
    }

    private struct Labels {
        var phase = ""
        var collection = ""
    }

    private let labels = Mutex(Labels())
    private let documents = Atomic<Int>(0)
    private let bytesIn = Atomic<Int>(0)
    private let bytesStored = Atomic<Int>(0)
    private let collections = Atomic<Int>(0)
    private let totalDocuments = Atomic<Int>(0)
    private let totalBytes = Atomic<Int>(0)
    private let totalCollections = Atomic<Int>(0)

    /// Creates counters that stand at zero.
    public init() {}

    /// Starts a phase: its name, its expected totals (0 when unknown), and every counter back to zero.
    public func begin(phase: String, totalCollections: Int = 0, totalDocuments: Int = 0, totalBytes: Int = 0) {
        labels.withLock { $0 = Labels(phase: phase, collection: "") }
        documents.store(0, ordering: .relaxed)
        bytesIn.store(0, ordering: .relaxed)
        bytesStored.store(0, ordering: .relaxed)
        collections.store(0, ordering: .relaxed)
        self.totalCollections.store(totalCollections, ordering: .relaxed)
        self.totalDocuments.store(totalDocuments, ordering: .relaxed)
        self.totalBytes.store(totalBytes, ordering: .relaxed)
    }

    /// Names the namespace that is worked on now; with several readers the last one to start wins.
    public func enter(collection: String) {
        labels.withLock { $0.collection = collection }
    }

    /// Adds what one batch brought: documents, and their raw bytes.
    public func add(documents count: Int, bytesIn bytes: Int) {
        documents.add(count, ordering: .relaxed)
        bytesIn.add(bytes, ordering: .relaxed)
    }

    /// Adds bytes that reached the repository (backup) or the target (restore).
    public func add(bytesStored bytes: Int) {
        bytesStored.add(bytes, ordering: .relaxed)
    }

    /// Replaces the stored bytes by a total that another component counts.
    public func set(bytesStored bytes: Int) {
        bytesStored.store(bytes, ordering: .relaxed)
    }

    /// Counts one collection as finished.
    public func finishCollection() {
        collections.add(1, ordering: .relaxed)
    }

    /// The counters as they stand.
    public func reading() -> Reading {
        let named = labels.withLock { $0 }
        return Reading(
            phase: named.phase, collection: named.collection,
            documents: documents.load(ordering: .relaxed),
            bytesIn: bytesIn.load(ordering: .relaxed),
            bytesStored: bytesStored.load(ordering: .relaxed),
            collections: collections.load(ordering: .relaxed),
            totalDocuments: totalDocuments.load(ordering: .relaxed),
            totalBytes: totalBytes.load(ordering: .relaxed),
            totalCollections: totalCollections.load(ordering: .relaxed))
    }
}
