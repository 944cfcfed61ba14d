internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// Brings collections, each stored as of some time, to one common time E (design §2, step 3).
///
///     ┌─▶ catalogue at E ─▶ scan what is new ─▶ pass: oplog up to E ─▶ which `_id`s changed ─▶ read them at E ─▶ runs
///     │                                           └── again for the parts of the `_id`s that are left ◀─────────┘
///     └── E left the server's history window, or definitions changed around it: a newer E
///
/// What is in runs counts up to the time of its pass, so a newer E costs the changes since then. Memory is bounded
/// by the budget of a pass (`ChangeParts`), time by how much changes while a pass is read back.
final class CatchUp {
    private let context: BackupContext
    private let window: OplogWindow
    private let plans: ParentPlans
    /// Decides nothing but places in tables and parts.
    private let hash = SipHash(key: .random(16))

    /// The time, and what there is at it.
    private(set) var catalogue: ExactCatalogue
    /// By index, which stays; nil when the collection is gone or to be scanned.
    private var collections: [TrackedCollection?] = []
    private var wanted: [(info: CollectionInfo, reason: ScanReason)] = []
    private var parts: ChangeParts
    /// Collections that were read from their start, and why.
    private(set) var scanned: [(namespace: Namespace, reason: ScanReason)] = []
    /// Passes over the oplog.
    private(set) var passes = 0
    /// Capped collections that were written to while they were read, and could not be made exact.
    private(set) var inexact: Set<Namespace> = []
    /// Capped collections that were made exact by their own operations.
    private(set) var folded: [Namespace] = []
    private var cappedScans: [Namespace: Int] = [:]

    /// Newer times in a row without any progress before the job gives up.
    private static let retakesMax = 10
    /// Scans of one capped collection whose operations do not fit the memory.
    private static let cappedScansMax = 2

    /// - Parameters:
    ///   - stored: what is stored of collections and since when their changes count, in any order.
    ///   - start: nothing before it counts for any collection.
    init(
        _ context: BackupContext, _ window: OplogWindow, catalogue: ExactCatalogue, stored: [StoredCollection],
        start: Timestamp, plans: ParentPlans
    ) {
        self.context = context
        self.window = window
        self.catalogue = catalogue
        self.plans = plans
        parts = ChangeParts(from: start)
        var byUUID: [[UInt8]: StoredCollection] = [:]
        for collection in stored { if let uuid = collection.entry.uuid { byUUID[uuid] = collection } }
        for info in catalogue.collections where info.hasDocuments {
            guard let found = info.uuid.flatMap({ byUUID[$0] }) else {
                wanted.append((info, .new))
                continue
            }
            collections.append(TrackedCollection(info: info, found))
        }
    }

    private var time: Timestamp { catalogue.time ?? Timestamp(rawValue: 0) }

    /// Brings everything to one time.
    ///
    /// - Throws: `.oplogGap`; `.snapshotTooOld` and `.snapshotUnavailable` when newer times did not help.
    func run() throws {
        var retakes = 0
        while true {
            do {
                try scanWanted()
                if collections.contains(where: { $0?.until ?? time > time }) {
                    try retake()
                    continue
                }
                guard isBehind else { break }
                try pass()
                retakes = 0
            } catch let error as CairnError where error.code == .snapshotTooOld || error.code == .snapshotUnavailable {
                retakes += 1
                guard retakes < Self.retakesMax else { throw error }
                if error.code == .snapshotTooOld, parts.earliest != nil { try parts.halvePasses() }
                try context.deployment.repin()
                try retake()
            }
        }
        if try !foldCapped() { return try run() }
        for index in collections.indices where collections[index]?.needsCount ?? false {
            try collections[index]?.count(context)
        }
    }

    /// The catalogue entries of everything that has documents.
    func entries() -> [CatalogueEntry] { collections.compactMap { $0?.entry } }

    private var isBehind: Bool {
        !parts.areSettled(at: time) && collections.contains { $0?.since ?? time < time }
    }

    private func pass() throws {
        parts.begin(upTo: time)
        let earliest = collections.compactMap { $0?.since }.min() ?? time
        var collector = ChangeCollector(
            collections: collections, parts: parts, hash: hash, budget: context.tuning.changeBytes)
        context.progress.begin(phase: "oplog")
        try window.collect(after: max(parts.earliest ?? time, earliest), through: time, into: &collector)
        collector.note(in: &collections)
        parts = collector.parts
        collector.drop(wantScans(collector))
        context.progress.begin(phase: "changes", totalDocuments: collector.changes.count)
        let readBack = ReadBack(
            deployment: context.deployment, writer: context.writer, time: time, readers: context.readers,
            progress: context.progress, cancellation: context.cancellation)
        for (index, run) in try readBack.run(collector.changes, of: collections) {
            collections[index]?.runs.append(run)
            collections[index]?.changed += collector.changes.count(of: index)
        }
        parts.settle(at: time)
        passes += 1
    }

    /// Which collections are cheaper, or only possible, to scan.
    private func wantScans(_ collector: ChangeCollector) -> Set<Int> {
        var dropped: Set<Int> = []
        for (index, tracked) in collections.enumerated() {
            guard let tracked else { continue }
            // The first of several passes tells for all of them; later ones add to what is known.
            let found =
                tracked.changed == 0 ? collector.estimate(of: index) : collector.changes.count(of: index)
            guard let reason = CatchUp.reason(tracked, changed: found) else { continue }
            collections[index] = nil
            wanted.append((tracked.info, reason))
            dropped.insert(index)
        }
        return dropped
    }

    private static func reason(_ tracked: TrackedCollection, changed: Int) -> ScanReason? {
        if tracked.isTouched, !tracked.info.isCapped { return tracked.hasRuns ? .unfindable : .unindexed }
        guard changed > 0 else { return nil }
        if ScanReason.isExceeded(changed: tracked.changed + changed, of: tracked.stored.liveDocuments) {
            return .changed
        }
        return tracked.stored.runs.count + tracked.runs.count >= FormatLimits.runsMax ? .runs : nil
    }
}

/// Scans and newer times.
extension CatchUp {
    private func scanWanted() throws {
        guard !wanted.isEmpty else { return }
        let scans = try context.makeScan(at: time).scan(
            wanted.map(\.info), order: context.order, plans, readers: context.readers)
        for (scan, reason) in zip(scans, wanted.map(\.reason)) {
            let stored = try StoredCollection(scan, at: time, newest: scan.hasChanged ? newest() : time)
            collections.append(TrackedCollection(info: scan.info, stored))
            scanned.append((scan.info.namespace, reason))
        }
        wanted = []
    }

    /// A newer time, and what there is at it.
    private func retake() throws {
        catalogue = try context.takeCatalogue()
        var present: [[UInt8]: CollectionInfo] = [:]
        for info in catalogue.collections where info.hasDocuments { if let uuid = info.uuid { present[uuid] = info } }
        for (index, tracked) in collections.enumerated() {
            guard let uuid = tracked?.info.uuid else { continue }
            guard let info = present.removeValue(forKey: uuid) else {
                collections[index] = nil
                continue
            }
            collections[index]?.info = info
        }
        wanted = wanted.compactMap { info, reason in
            info.uuid.flatMap { present.removeValue(forKey: $0) }.map { ($0, reason) }
        }
        wanted += catalogue.collections.filter { info in info.uuid.map { present[$0] != nil } ?? false }
            .map { ($0, .new) }
    }

    private func newest() throws -> Timestamp {
        try context.deployment.checkOut().lastWrite().newest.timestamp
    }

    /// Capped collections that were written to get new leaves, by their own operations.
    ///
    /// - Returns: false when some cannot, and are to be scanned again.
    private func foldCapped() throws -> Bool {
        let touched = collections.indices.filter { collections[$0]?.isTouched ?? false }
        guard !touched.isEmpty else { return true }
        context.progress.begin(phase: "capped")
        var fold = CappedFold(context, window)
        for index in touched {
            guard let tracked = collections[index] else { continue }
            if let entry = try fold.fold(tracked, to: time) {
                let stored = StoredCollection(entry: entry, since: time, until: time)
                collections[index] = TrackedCollection(info: tracked.info, stored)
                folded.append(tracked.info.namespace)
            } else if cappedScans[tracked.info.namespace, default: 0] < Self.cappedScansMax {
                cappedScans[tracked.info.namespace, default: 0] += 1
                collections[index] = nil
                wanted.append((tracked.info, .capped))
            } else {
                collections[index]?.isTouched = false
                inexact.insert(tracked.info.namespace)
            }
        }
        return wanted.isEmpty
    }
}
