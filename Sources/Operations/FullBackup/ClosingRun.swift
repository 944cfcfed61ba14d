internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// What a scan read, and the catalogue that it went by.
struct CatalogueScan {
    let catalogue: ExactCatalogue
    let scans: [CollectionScan]
}

/// The end of a full backup: what was read at several times is brought to one, and the oplog up to there is stored.
struct ClosingRun {
    private let context: BackupContext
    private let plans: ParentPlans

    init(_ context: BackupContext, _ plans: ParentPlans) {
        self.context = context
        self.plans = plans
    }

    /// The entries, exact at one time.
    ///
    /// - Throws: as `CatchUp.run`; `.oplogGap` when the oplog does not reach back to the start of the scan.
    func close(_ scan: CatalogueScan, _ join: TimelineJoin?, _ draft: inout SnapshotDraft) throws -> [CatalogueEntry] {
        guard let optime = scan.catalogue.optime, let set = context.deployment.server.setName else {
            draft.use(scan.catalogue)
            draft.warn(about: [], in: scan.catalogue)
            return try scan.scans.map { try $0.finish() }
        }
        let isAtOneTime = scan.scans.allSatisfy { scan in
            !scan.hasChanged && scan.times?.last ?? optime.timestamp == optime.timestamp
        }
        guard !isAtOneTime else {
            draft.use(scan.catalogue)
            try finish(join, set, reading: optime.timestamp, lostUpTo: optime, &draft)
            return try scan.scans.map { try $0.finish() }
        }
        let now = try context.deployment.checkOut().lastWrite().majority.timestamp
        try finish(join, set, reading: max(now, optime.timestamp), lostUpTo: optime, &draft)
        return try catchUp(scan, from: optime, set, &draft)
    }

    private func catchUp(
        _ scan: CatalogueScan, from start: OpTime, _ set: String, _ draft: inout SnapshotDraft
    ) throws -> [CatalogueEntry] {
        let reader = OplogReader(client: try context.deployment.checkOut())
        let segments = try context.repository.segments(damaged: { _, _ in })
        let chain = SegmentChain(from: start, segments, set: set)
        let recorder = SegmentRecorder(
            repository: context.repository, writer: context.writer, lease: context.lease, set: set, from: chain.tip,
            bytesMax: context.tuning.segmentBytes)
        let window = OplogWindow(context, chain, reader, recorder)
        let newest = try context.deployment.checkOut().lastWrite().newest.timestamp
        let stored = try scan.scans.map { try StoredCollection($0, at: start.timestamp, newest: newest) }
        let catalogue = try context.takeCatalogue(reaching: chain.tip)
        let catchUp = CatchUp(
            context, window, catalogue: catalogue, stored: stored, start: start.timestamp, plans: plans)
        try catchUp.run()
        draft.use(catchUp.catalogue)
        draft.warn(about: catchUp.inexact.sorted(), in: catchUp.catalogue)
        if let end = draft.optime { try window.record(through: end.timestamp) }
        try window.finish()
        return catchUp.entries()
    }

    /// The oplog from what the repository has up to `end` is stored, or else the gap before the scan.
    private func finish(
        _ join: TimelineJoin?, _ set: String, reading last: Timestamp, lostUpTo end: OpTime,
        _ draft: inout SnapshotDraft
    ) throws {
        guard let join else { return }
        do {
            try join.finish(through: last)
        } catch let error as CairnError where error.code == .oplogGap {
            guard let tip = join.tip else { throw error }
            try LostStretch.record(context, set: set, from: tip, to: end, reason: error.message)
            draft.warn(
                "no time between \(tip.timestamp) and \(end.timestamp) can be restored, for the oplog does not "
                    + "continue what is stored: \(error.message)", needsPerson: true)
        }
    }
}
