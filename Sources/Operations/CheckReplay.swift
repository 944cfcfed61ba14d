internal import Archive
public import BSON
public import Bytes
internal import Mongo

/// Proves snapshots by the oplog: what a snapshot holds, with the operations up to the next one applied, must be what
/// the next one holds (design §2, "Self-proof").
///
/// A scan and a fold get to the same bytes by ways that have nothing in common, so that a fault in either shows. No
/// server is needed.
///
///     S1 ──▶ S2 ──▶ S3 ──▶ … ──▶ Sn       neighbours
///      └───────────────────────▶ Sn       the jump
///
/// Why neighbours nearly suffice: if fold(S1 → t2) is S2 and fold(S2 → t3) is S3, then fold(S1 → t3) is S3, provided
/// that folding two windows one after the other gives what folding them as one gives. That is a property of the fold
/// and not of the archive, and random histories test it; but what could break it is in the archive too: transactions
/// that are open at a snapshot's time, operations that cancel each other, a window so large that it is folded in parts,
/// segments that overlap. So the oldest snapshot of each stretch is carried to the newest as well: that one fold takes
/// every operation of the stretch across all borders between snapshots. `.every` relies on no argument at all.
///
/// What no pair can show: incrementals share their parent's leaves, so what a scan got wrong in a document that nothing
/// touched since is equal on both sides, until a full snapshot is the later one of a pair.
///
/// Cost, for n snapshots of one selection on a stretch: every snapshot is read once as it is, but the first, and once
/// with the operations behind it for each pair: 2n - 1 readings for neighbours and jump, about n²/2 for every pair.
/// Memory is that of one fold (`ArchivedState.foldBudget`), the chunks that threads work on, and two catalogues,
/// however many pairs there are.
public struct CheckReplay: Sendable {
    /// Which snapshots are compared.
    public enum Pairs: Sendable {
        /// Each with the one before it, and the newest of each stretch with the oldest.
        case neighbours
        /// Each with all before it.
        case every
    }

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
        /// Why nothing can be said about it; nil when it was compared. A first snapshot that was taken while `$out`
        /// filled a collection does not hold that, and no earlier one knows how it came to be.
        public var unproved: String?
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
        /// Stretch by stretch, in the order of the later snapshots; the jump last.
        public var pairs: [Pair] = []
        /// Documents that were read for it, each as often as it was.
        public var documentsRead = 0
        /// Their raw bytes.
        public var rawBytesRead = 0
        /// Whether no pair differs.
        public var isSound: Bool { pairs.allSatisfy(\.differences.isEmpty) }
        /// Whether every pair was compared.
        public var isComplete: Bool { pairs.allSatisfy { $0.unproved == nil } }
    }

    /// Errors that are the archive's fault.
    private static let faults: Set<CairnError.Code> = [.corrupt, .unsupportedFormat]
    /// Documents that a difference names.
    private static let documentsShown = 10

    private let access: RepositoryAccess
    private let set: String?
    private let pairs: Pairs
    private let progress: JobProgress
    private let cancellation: Cancellation

    /// Prepares to check all timelines, or that of one replica set.
    public init(
        access: RepositoryAccess, set: String? = nil, pairs: Pairs = .neighbours,
        progress: JobProgress = JobProgress(), cancellation: Cancellation = Cancellation()
    ) {
        self.access = access
        self.set = set
        self.pairs = pairs
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Compares every snapshot that a timeline leads to with what it leads to.
    ///
    /// - Throws: `.corrupt` for snapshot and segment objects that cannot be read, and for the index; `.interrupted`.
    public func run() throws -> Report {
        let repository = try access.open()
        let chunks = try repository.loadIndex()
        let timelines = try repository.timelines().filter { set == nil || set == $0.set }
        let stretches = timelines.flatMap { timeline in
            ReplayStretch.all(of: timeline).map { (timeline: timeline, stretch: $0) }
        }
        let totals = stretches.map { $0.stretch.readings(pairs) }
        progress.begin(
            phase: "replay", totalDocuments: totals.reduce(0) { $0 + $1.documents },
            totalBytes: totals.reduce(0) { $0 + $1.rawBytes })
        let digest = StateDigest(digest: DocumentDigest(), progress: progress, cancellation: cancellation)
        var report = Report()
        for (timeline, stretch) in stretches {
            for number in stretch.snapshots.indices.dropFirst() {
                let to = stretch.snapshots[number]
                let stored = try outcome {
                    let reader = SnapshotReader(repository: repository, chunks: chunks, snapshot: to)
                    return try Digested(ArchivedState(reader), digest)
                }
                for from in stretch.bases(of: number, pairs) {
                    let replayed = try outcome {
                        let route = timeline.route(from: from, to: to.at)
                        return try Digested(repository.state(route, of: timeline, chunks: chunks), digest)
                    }
                    report.pairs.append(try compare(from, replayed, to, stored))
                }
            }
        }
        let reading = progress.reading()
        (report.documentsRead, report.rawBytesRead) = (reading.documents, reading.bytesIn)
        return report
    }

    /// A state and the digests of its collections, in their order.
    private struct Digested {
        let state: ArchivedState
        let sums: [DocumentDigest.Sum]

        init(_ state: ArchivedState, _ digest: StateDigest) throws {
            self.state = state
            sums = try digest.sums(of: state, threads: Machine.processors)
        }
    }

    /// What cannot be read or applied is a difference, too: the other pairs are looked at all the same.
    private func outcome(_ body: () throws -> Digested) throws -> Result<Digested, CairnError> {
        try cancellation.check()
        do { return .success(try body()) } catch let error as CairnError
            where CheckReplay.faults.contains(error.code) || error.code == .incomplete
        {
            return .failure(error)
        }
    }

    private func compare(
        _ from: Snapshot, _ replayed: Result<Digested, CairnError>, _ to: Snapshot,
        _ stored: Result<Digested, CairnError>
    ) throws -> Pair {
        var pair = Pair(from: from.id, fromTime: from.at, to: to.id, toTime: to.at, documents: 0, differences: [])
        do {
            let (replayed, stored) = (try replayed.get(), try stored.get())
            // Where a collection of the base was still being filled, an earlier snapshot had to be taken.
            (pair.from, pair.fromTime) = (replayed.state.snapshot.id, replayed.state.snapshot.at)
            try compare(replayed, stored, &pair)
        } catch let error as CairnError where CheckReplay.faults.contains(error.code) {
            pair.differences.append(Difference(namespace: error.object ?? "", what: error.message))
        } catch let error as CairnError where error.code == .incomplete {
            pair.unproved = "\(error)"
        }
        return pair
    }

    private func compare(_ replayed: Digested, _ stored: Digested, _ pair: inout Pair) throws {
        pair.documents = stored.sums.reduce(0) { $0 + $1.documents }
        var replayedSums: [Namespace: (ArchivedCollection, DocumentDigest.Sum)] = [:]
        for (collection, sum) in zip(replayed.state.collections, replayed.sums) {
            replayedSums[Namespace(of: collection.entry)] = (collection, sum)
        }
        for (collection, sum) in zip(stored.state.collections, stored.sums) {
            let namespace = collection.entry.namespace
            if let claimed = collection.documents, claimed != sum.documents {
                let what = "its catalogue counts \(claimed) documents, it holds \(sum.documents)"
                pair.differences.append(Difference(namespace: namespace, what: what))
            }
            guard let (other, otherSum) = replayedSums.removeValue(forKey: Namespace(of: collection.entry)) else {
                pair.differences.append(Difference(namespace: namespace, what: "only the snapshot has it"))
                continue
            }
            pair.differences += other.entry.differences(from: collection.entry).map {
                Difference(namespace: namespace, what: $0)
            }
            if otherSum != sum {
                pair.differences.append(try documents(other, replayed.state, collection, stored.state))
            }
        }
        pair.differences += replayedSums.keys.sorted().map {
            Difference(namespace: $0.description, what: "only the oplog leads to it")
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
}
