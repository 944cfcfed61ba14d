internal import Archive
public import BSON
public import Bytes

/// Proves snapshots by the oplog: what a snapshot holds, with the operations up to the next one applied, must be what
/// the next one holds (design §2, "Self-proof").
///
/// A scan and a fold get to the same bytes by ways that have nothing in common, so that a fault in either shows. No
/// server is needed. Each pair of neighbours on a timeline is compared, which covers all pairs; it costs reading both
/// snapshots whole.
public struct CheckReplay: Sendable {
    /// One comparison.
    public struct Pair: Sendable {
        /// The snapshot that the operations were applied to.
        public var from: RandomID
        /// Its time.
        public var fromTime: Timestamp
        /// The snapshot that it had to become.
        public var to: RandomID
        /// Its time.
        public var toTime: Timestamp
        /// Documents that were compared.
        public var documents: Int
        /// What differs; empty when nothing does.
        public var differences: [Difference]
    }

    /// Something that is not equal.
    public struct Difference: Sendable, Hashable {
        /// `db.coll`.
        public var namespace: String
        /// What of it, in words.
        public var what: String
    }

    /// All comparisons.
    public struct Report: Sendable {
        /// In the order of the timelines.
        public var pairs: [Pair] = []
        /// Whether every pair was equal.
        public var isSound: Bool { pairs.allSatisfy(\.differences.isEmpty) }
    }

    private let access: RepositoryAccess
    private let set: String?
    private let progress: JobProgress
    private let cancellation: Cancellation

    /// Prepares to check all timelines, or that of one replica set.
    public init(
        access: RepositoryAccess, set: String? = nil, progress: JobProgress = JobProgress(),
        cancellation: Cancellation = Cancellation()
    ) {
        self.access = access
        self.set = set
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Compares every snapshot that a timeline leads to with what it leads to.
    ///
    /// - Throws: `.corrupt` for what cannot be read; `.interrupted`.
    public func run() throws -> Report {
        let repository = try access.open()
        let chunks = try repository.loadIndex()
        var report = Report()
        for timeline in try repository.timelines() where set == nil || set == timeline.set {
            for (from, to) in zip(timeline.snapshots, timeline.snapshots.dropFirst()) where from.at < to.at {
                guard timeline.ranges.contains(where: { $0.from <= from.at && to.at <= $0.to }) else { continue }
                try cancellation.check()
                progress.begin(
                    phase: "replay", totalDocuments: 2 * to.totals.documents, totalBytes: 2 * to.totals.rawBytes)
                let route = Timeline.Route(
                    base: from, segments: timeline.segmentsLeading(from: from.at, to: to.at), time: to.at)
                let replayed = try repository.state(route, of: timeline, chunks: chunks)
                let stored = try ArchivedState(
                    SnapshotReader(repository: repository, chunks: chunks, snapshot: to))
                report.pairs.append(try compare(replayed, stored))
            }
        }
        return report
    }

    private func compare(_ replayed: ArchivedState, _ stored: ArchivedState) throws -> Pair {
        let digest = StateDigest(digest: DocumentDigest(), progress: progress, cancellation: cancellation)
        let left = try digest.sums(of: replayed, threads: Machine.processors)
        let right = try digest.sums(of: stored, threads: Machine.processors)
        var replayedSums: [String: (ArchivedCollection, DocumentDigest.Sum)] = [:]
        for (collection, sum) in zip(replayed.collections, left) {
            replayedSums[collection.entry.namespace] = (collection, sum)
        }
        var differences: [Difference] = []
        for (collection, sum) in zip(stored.collections, right) {
            let namespace = collection.entry.namespace
            guard let (other, otherSum) = replayedSums.removeValue(forKey: namespace) else {
                differences.append(Difference(namespace: namespace, what: "only the snapshot has it"))
                continue
            }
            differences += CheckReplay.differences(other, otherSum, collection, sum).map {
                Difference(namespace: namespace, what: $0)
            }
        }
        differences += replayedSums.keys.sorted().map { Difference(namespace: $0, what: "only the oplog leads to it") }
        return Pair(
            from: replayed.snapshot.id, fromTime: replayed.snapshot.at, to: stored.snapshot.id,
            toTime: stored.time, documents: right.reduce(0) { $0 + $1.documents }, differences: differences)
    }

    private static func differences(
        _ replayed: ArchivedCollection, _ replayedSum: DocumentDigest.Sum, _ stored: ArchivedCollection,
        _ storedSum: DocumentDigest.Sum
    ) -> [String] {
        var words: [String] = []
        if replayed.entry.kind != stored.entry.kind { words.append("its kind differs") }
        if replayed.entry.uuid != stored.entry.uuid { words.append("its UUID differs") }
        if replayed.entry.options.asSet != stored.entry.options.asSet { words.append("its options differ") }
        if replayed.entry.indexesByName != stored.entry.indexesByName { words.append("its indexes differ") }
        if replayedSum.documents != storedSum.documents {
            words.append("the snapshot holds \(storedSum.documents) documents, replaying \(replayedSum.documents)")
        } else if replayedSum != storedSum {
            words.append("documents differ")
        }
        return words
    }
}

extension BSONDocument {
    /// The fields without their order, which the server does not keep in options.
    var asSet: [String: BSONValue] {
        Dictionary(fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}

extension CatalogueEntry {
    /// The indexes, whatever their order.
    var indexesByName: [String: [String: BSONValue]] {
        Dictionary(
            indexes.map { index in
                var name = ""
                if case .string(let text)? = index["name"] { name = text }
                return (name, index.asSet)
            }, uniquingKeysWith: { first, _ in first })
    }
}
