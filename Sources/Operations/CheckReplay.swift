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
        /// `db.coll`; empty when the operations could not be applied at all.
        public var namespace: String
        /// What of it, in words.
        public var what: String
        /// Some of the documents: the change that leads from what replaying gives to what the snapshot holds, and the
        /// `_id` (`DocumentIdentity`).
        public var documents: [Document] = []
    }

    /// A document that differs.
    public struct Document: Sendable, Hashable {
        /// `added`: only the snapshot has it; `removed`: only replaying leads to it.
        public var change: Diff.Change
        /// Type byte and value of its `_id`.
        public var identity: [UInt8]
    }

    /// All comparisons.
    public struct Report: Sendable {
        /// In the order of the timelines.
        public var pairs: [Pair] = []
        /// Whether every pair was equal.
        public var isSound: Bool { pairs.allSatisfy(\.differences.isEmpty) }
    }

    /// Errors that are the archive's fault.
    private static let faults: Set<CairnError.Code> = [.corrupt, .unsupportedFormat, .incomplete]
    /// Documents that a difference names.
    private static let documentsShown = 10

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
    /// - Throws: `.corrupt` for snapshot and segment objects that cannot be read, and for the index; `.interrupted`.
    public func run() throws -> Report {
        let repository = try access.open()
        let chunks = try repository.loadIndex()
        var report = Report()
        for timeline in try repository.timelines() where set == nil || set == timeline.set {
            for (from, to) in CheckReplay.pairs(of: timeline) {
                try cancellation.check()
                progress.begin(
                    phase: "replay", totalDocuments: 2 * to.totals.documents, totalBytes: 2 * to.totals.rawBytes)
                let route = timeline.route(from: from, to: to.at)
                report.pairs.append(try compare(route, of: timeline, to, repository, chunks))
            }
        }
        return report
    }

    /// Each snapshot with the newest one before it that holds the same selection of namespaces, if segments lead from
    /// there to it.
    private static func pairs(of timeline: Timeline) -> [(from: Snapshot, to: Snapshot)] {
        var newest: [[[String]]: Snapshot] = [:]
        var pairs: [(from: Snapshot, to: Snapshot)] = []
        for to in timeline.snapshots {
            let from = newest.updateValue(to, forKey: [to.include, to.exclude])
            guard let from, from.at < to.at,
                timeline.ranges.contains(where: { $0.from <= from.at && to.at <= $0.to })
            else { continue }
            pairs.append((from, to))
        }
        return pairs
    }

    /// What cannot be read or applied is a difference, too: the other pairs are looked at all the same.
    private func compare(
        _ route: Timeline.Route, of timeline: Timeline, _ to: Snapshot, _ repository: Repository, _ chunks: ChunkIndex
    ) throws -> Pair {
        var pair = Pair(
            from: route.base.id, fromTime: route.base.at, to: to.id, toTime: to.at, documents: 0, differences: [])
        do {
            let replayed = try repository.state(route, of: timeline, chunks: chunks)
            let stored = try ArchivedState(SnapshotReader(repository: repository, chunks: chunks, snapshot: to))
            try compare(replayed, stored, &pair)
        } catch let error as CairnError where CheckReplay.faults.contains(error.code) {
            pair.differences.append(Difference(namespace: error.object ?? "", what: error.message))
        }
        return pair
    }

    private func compare(_ replayed: ArchivedState, _ stored: ArchivedState, _ pair: inout Pair) throws {
        let digest = StateDigest(digest: DocumentDigest(), progress: progress, cancellation: cancellation)
        let left = try digest.sums(of: replayed, threads: Machine.processors)
        let right = try digest.sums(of: stored, threads: Machine.processors)
        pair.documents = right.reduce(0) { $0 + $1.documents }
        var replayedSums: [String: (ArchivedCollection, DocumentDigest.Sum)] = [:]
        for (collection, sum) in zip(replayed.collections, left) {
            replayedSums[collection.entry.namespace] = (collection, sum)
        }
        for (collection, sum) in zip(stored.collections, right) {
            let namespace = collection.entry.namespace
            guard let (other, otherSum) = replayedSums.removeValue(forKey: namespace) else {
                pair.differences.append(Difference(namespace: namespace, what: "only the snapshot has it"))
                continue
            }
            pair.differences += CheckReplay.differences(other, collection).map {
                Difference(namespace: namespace, what: $0)
            }
            if otherSum != sum {
                pair.differences.append(try documents(other, replayed, collection, stored))
            }
        }
        pair.differences += replayedSums.keys.sorted().map {
            Difference(namespace: $0, what: "only the oplog leads to it")
        }
    }

    /// The second look, at what a digest tells apart: which documents.
    private func documents(
        _ replayed: ArchivedCollection, _ replayedState: ArchivedState, _ stored: ArchivedCollection,
        _ storedState: ArchivedState
    ) throws -> Difference {
        var found: [Document] = []
        let diff = StateDiff(from: replayedState, to: storedState) { _, change, identity in
            if found.count < CheckReplay.documentsShown {
                found.append(Document(change: change, identity: [UInt8](identity)))
            }
        }
        let result = try diff.compare(stored.entry.namespace, replayed, stored)
        let words = [
            (result.added, "only in the snapshot"), (result.removed, "only by replaying"), (result.changed, "unlike"),
        ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return Difference(
            namespace: stored.entry.namespace, what: "documents differ: " + words.joined(separator: ", "),
            documents: found)
    }

    private static func differences(
        _ replayed: ArchivedCollection, _ stored: ArchivedCollection
    ) -> [String] {
        var words: [String] = []
        if replayed.entry.kind != stored.entry.kind { words.append("its kind differs") }
        if replayed.entry.uuid != stored.entry.uuid { words.append("its UUID differs") }
        if replayed.entry.options.asSet != stored.entry.options.asSet { words.append("its options differ") }
        if replayed.entry.indexesByName != stored.entry.indexesByName { words.append("its indexes differ") }
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
