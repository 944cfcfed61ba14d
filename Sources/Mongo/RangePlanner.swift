public import BSON
internal import Bytes
internal import Synchronization

/// Cuts a collection into ranges of about `targetBytes`, so that readers share the work and none is left alone with a
/// big rest.
///
/// Cuts are documents: sampled at random (a random cursor, cheap while the sample is at most 5 % of the collection),
/// ordered, and taken at even distances. A later plan on the same node takes over the cuts of its parent that still
/// exist, for a range that begins elsewhere would begin its chunks elsewhere, and a second backup of unchanged data
/// must make the same chunks again.
public struct RangePlanner {
    /// Raw bytes of a range, about: 0.1 s of reading, and three reply batches a worker can be ahead.
    public static let targetBytes = 64 << 20
    /// Ranges of one collection at most; bounds what the snapshot must remember.
    public static let rangesMax = 4_096
    /// Samples taken for each range that is wanted. Ten put three ranges of four within a third of the target.
    static let samplesPerRange = 10
    /// Samples of a collection at least: the random cursor of the storage engine is uneven on new data, and these cost
    /// some milliseconds.
    static let samplesMin = 500
    /// A stretch between cuts is cut again only beyond this multiple of the target: chance must not add cuts to
    /// unchanged data.
    static let unevenFactor = 2.5
    /// `_id`s asked for in one command: bounds in number and bytes.
    private static let lookupMax = (ids: 1_000, bytes: 1 << 20)

    let client: MongoClient
    let server: MongoDeployment.ServerFacts
    let time: Timestamp?
    let order: ScanOrder
    /// Raw bytes of a range, about.
    let targetBytes: Int

    /// A planner for one deployment and time.
    ///
    /// - Parameters:
    ///   - time: the cluster time that will be read; nil on a standalone.
    ///   - order: the wanted order; a collection without an `_id` index is read in natural order whatever is wanted.
    ///   - targetBytes: raw bytes of a range, about.
    public init(
        client: MongoClient, server: MongoDeployment.ServerFacts, at time: Timestamp?, order: ScanOrder = .natural,
        targetBytes: Int = RangePlanner.targetBytes
    ) {
        self.targetBytes = targetBytes
        self.client = client
        self.server = server
        self.time = time
        self.order = order
    }

    /// Plans one collection.
    ///
    /// - Parameter parent: the `memory` of an earlier plan of this collection made on the same node (natural order),
    ///   if any.
    /// - Throws: what commands throw; `.snapshotUnavailable` and `.snapshotTooOld` when the collection cannot be read
    ///   at that time.
    public func plan(_ info: CollectionInfo, parent: BSONDocument? = nil) throws -> ScanPlan {
        try MongoClient.retrying(readsWithCursors: true) { try planOnce(info, parent: parent) }
    }

    private func planOnce(_ info: CollectionInfo, parent: BSONDocument?) throws -> ScanPlan {
        precondition(info.hasDocuments)
        let isCapped = info.isCapped
        let order = info.hasIDIndex && !isCapped ? self.order : .natural
        var memory = Memory(order: order, bytes: info.estimate?.bytes ?? 0, cuts: [])
        var kept = 0
        let remembered = parent.flatMap { Memory($0, order: order) }
        if !isCapped, info.hasIDIndex {
            let survivors = try remembered.map { try surviving($0.cuts, of: info, order) } ?? []
            kept = survivors.count
            memory.cuts = survivors
            if let remembered, !needsNewCuts(info, remembered, kept: kept) {
                memory.bytes = remembered.bytes
            } else {
                memory.cuts = try cut(info, order, around: survivors)
            }
        }
        let ranges = self.ranges(of: info, order, memory.cuts)
        return ScanPlan(ranges: ranges, memory: memory.document, reusedCuts: (kept, remembered?.cuts.count ?? 0))
    }

    private func needsNewCuts(_ info: CollectionInfo, _ remembered: Memory, kept: Int) -> Bool {
        guard let bytes = info.estimate?.bytes else { return false }
        return bytes > remembered.bytes + targetBytes || kept * 5 < remembered.cuts.count * 4
    }

    private func ranges(of info: CollectionInfo, _ order: ScanOrder, _ cuts: [ScanRange.Bound]) -> [ScanRange] {
        let estimate = info.estimate
        let average = estimate.map { $0.documents > 0 ? $0.bytes / $0.documents : 0 } ?? 0
        let snapshots = time != nil && (!info.isCapped || (server.versionNumbers.first ?? 0) >= 8)
        let node = order == .natural ? client.pool.identity.withLock { $0 } : nil
        return (0...cuts.count).map { index in
            ScanRange(
                namespace: info.dataNamespace, uuid: info.uuid, order: order, readsAtClusterTime: snapshots,
                isCapped: info.isCapped,
                index: index, start: index > 0 ? cuts[index - 1] : nil, end: index < cuts.count ? cuts[index] : nil,
                averageBytes: average,
                node: node)
        }
    }
}

extension RangePlanner {
    /// Cuts for `info`: those given, and new ones wherever a stretch is much larger than the target.
    private func cut(
        _ info: CollectionInfo, _ order: ScanOrder, around cuts: [ScanRange.Bound]
    ) throws -> [ScanRange.Bound] {
        guard let estimate = info.estimate, estimate.bytes > targetBytes * 3 / 2 else { return cuts }
        let target = max(targetBytes, estimate.bytes / RangePlanner.rangesMax)
        let wanted = max(2, (estimate.bytes + target / 2) / target)
        let count = max(wanted * RangePlanner.samplesPerRange, RangePlanner.samplesMin)
        let sampled = try sample(info, count: count, of: estimate.documents)
        let points = try locate(sampled + cuts.map(\.id), in: info, order)
        let places = try self.places(of: points, info, order, estimate)
        let isCut = Set(cuts.map(\.id))
        let factor = cuts.isEmpty ? 1.5 : RangePlanner.unevenFactor
        var result: [ScanRange.Bound] = []
        var stretch = Stretch(start: 0)
        for (point, place) in zip(points, places) {
            if isCut.contains(point.id) {
                result += stretch.cuts(until: place, target: Double(target), factor: factor)
                result.append(point)
                stretch = Stretch(start: place)
            } else {
                stretch.samples.append((point, place))
            }
        }
        return result + stretch.cuts(until: Double(estimate.bytes), target: Double(target), factor: factor)
    }

    /// How many bytes of the collection stand before each point, about.
    ///
    /// Record ids are given out one by one, so where few documents were deleted they tell positions almost exactly.
    /// Otherwise each sample stands for an equal share, which is less good: the storage engine's random cursor favours
    /// small pages.
    private func places(
        of points: [ScanRange.Bound], _ info: CollectionInfo, _ order: ScanOrder, _ estimate: CollectionInfo.Estimate
    ) throws -> [Double] {
        let bytes = Double(estimate.bytes)
        if order == .natural, case .int64(let first)? = try edge(1, of: info),
            case .int64(let last)? = try edge(-1, of: info), last > first,
            Double(last - first) < 1.5 * Double(estimate.documents)
        {
            return points.map { point in
                guard case .int64(let record) = point.recordID else { return 0 }
                return Double(record - first) / Double(last - first) * bytes
            }
        }
        return points.indices.map { (Double($0) + 0.5) / Double(points.count) * bytes }
    }

    /// The record id of the first (1) or last (-1) document in natural order; nil in an empty collection.
    private func edge(_ direction: Int, of info: CollectionInfo) throws -> BSONValue? {
        let command = BSONDocument { command in
            command.append("find", .string(info.dataCollection))
            command.append("hint", ["$natural": BSONValue(direction)])
            command.append("limit", 1)
            command.append("projection", ["_id": 1])
            command.append("showRecordId", true)
            command.append("readConcern", ifPresent: readConcern)
        }
        var record: BSONValue?
        try client.forEachDocument(of: command, db: info.db, namespace: info.dataNamespace.description) { document in
            if let value = try document.first(named: "$recordId") { record = try BSONValue(value) }
        }
        return record
    }

    /// Random `_id`s. Where the sample is a large part of the collection, its whole `_id` index is read instead:
    /// `$sample` would then sort all documents, and the index is small.
    private func sample(_ info: CollectionInfo, count: Int, of documents: Int) throws -> [BSONValue] {
        var ids: [BSONValue] = []
        let command = BSONDocument { command in
            let collection = info.dataCollection
            if count * 20 > documents, !info.isClustered {
                command.append("find", .string(collection))
                command.append("hint", ["_id": 1])
                command.append("projection", ["_id": 1])
            } else {
                command.append("aggregate", .string(collection))
                command.append("pipeline", [["$sample": ["size": BSONValue(count)]], ["$project": ["_id": 1]]])
                command.append("cursor", .document(BSONDocument()))
            }
            command.append("readConcern", ifPresent: readConcern)
        }
        try client.forEachDocument(of: command, db: info.db, namespace: info.dataNamespace.description) { document in
            if let id = try document.first(named: "_id") { ids.append(try BSONValue(id)) }
        }
        return Array(Set(ids))
    }

    /// The documents of those `_id`s that exist at the read time and can be asked for, with their record ids, in scan
    /// order.
    private func locate(
        _ ids: [BSONValue], in info: CollectionInfo, _ order: ScanOrder
    ) throws -> [ScanRange.Bound] {
        var found: [ScanRange.Bound] = []
        for batch in batches(of: ids.filter(IdentityReader.canFind)) {
            let command = BSONDocument { command in
                command.append("find", .string(info.dataCollection))
                command.append("filter", ["_id": ["$in": .array(batch)]])
                command.append("projection", ["_id": 1])
                command.append("showRecordId", true)
                command.append("batchSize", BSONValue(batch.count))
                command.append("readConcern", ifPresent: readConcern)
            }
            try client.forEachDocument(of: command, db: info.db, namespace: info.dataNamespace.description) {
                guard let id = try $0.first(named: "_id"), let record = try $0.first(named: "$recordId") else { return }
                found.append(ScanRange.Bound(id: try BSONValue(id), recordID: try BSONValue(record)))
            }
        }
        switch order {
        case .natural: return found.sorted { RecordID.precedes($0.recordID, $1.recordID) }
        case .id: return try orderedByID(found, info)
        }
    }

    /// The server orders `_id`s, because only it knows the collection's collation.
    private func orderedByID(_ bounds: [ScanRange.Bound], _ info: CollectionInfo) throws -> [ScanRange.Bound] {
        let byID = Dictionary(bounds.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let command = BSONDocument { command in
            command.append("find", .string(info.dataCollection))
            command.append("filter", ["_id": ["$in": .array(bounds.map(\.id))]])
            command.append("projection", ["_id": 1])
            command.append("sort", ["_id": 1])
            command.append("readConcern", ifPresent: readConcern)
        }
        var ordered: [ScanRange.Bound] = []
        try client.forEachDocument(of: command, db: info.db, namespace: info.dataNamespace.description) { document in
            guard let id = try document.first(named: "_id"), let bound = byID[try BSONValue(id)] else { return }
            ordered.append(bound)
        }
        return ordered
    }

    /// The cuts that can be used again. In `_id` order all, for a bound need not exist there. In natural order those
    /// whose document exists, with the record ids of today: after a crash, a resync or on another node they have other
    /// numbers, but mostly the same order. If the order is another too, only those with the same number.
    private func surviving(
        _ cuts: [ScanRange.Bound], of info: CollectionInfo, _ order: ScanOrder
    ) throws -> [ScanRange.Bound] {
        if order == .id || cuts.isEmpty { return cuts }
        let present = try locate(cuts.map(\.id), in: info, order)
        let remembered = Set(cuts)
        let stillThere = Set(present.map(\.id))
        if cuts.lazy.map(\.id).filter(stillThere.contains).elementsEqual(present.lazy.map(\.id)) { return present }
        return present.filter(remembered.contains)
    }

    private func batches(of ids: [BSONValue]) -> [[BSONValue]] {
        var batches: [[BSONValue]] = []
        var bytes = 0
        for id in ids {
            let size = BSONDocument([("", id)]).bytes.count
            if batches.isEmpty || batches[batches.count - 1].count == RangePlanner.lookupMax.ids
                || bytes + size > RangePlanner.lookupMax.bytes
            {
                batches.append([])
                bytes = 0
            }
            batches[batches.count - 1].append(id)
            bytes += size
        }
        return batches
    }

    private var readConcern: BSONValue? { ReadConcern.snapshot(at: time) }
}

/// The samples between two cuts, and where they stand in bytes.
private struct Stretch {
    let start: Double
    var samples: [(point: ScanRange.Bound, place: Double)] = []

    init(start: Double) { self.start = start }

    /// Samples that cut the stretch into pieces of about `target` bytes; none when it is not `factor` times as long.
    func cuts(until end: Double, target: Double, factor: Double) -> [ScanRange.Bound] {
        guard end - start > factor * target else { return [] }
        let pieces = max(2, Int(((end - start) / target).rounded()))
        var cuts: [ScanRange.Bound] = []
        var next = 1
        for (index, sample) in samples.enumerated() where next < pieces {
            let wanted = start + (end - start) * Double(next) / Double(pieces)
            let isNearest =
                index + 1 == samples.count || abs(samples[index + 1].place - wanted) >= abs(sample.place - wanted)
            guard isNearest else { continue }
            cuts.append(sample.point)
            while next < pieces, start + (end - start) * Double(next) / Double(pieces) <= sample.place { next += 1 }
            if sample.place < wanted { next += 1 }
        }
        return cuts
    }
}

/// What a plan leaves for the next one of the same collection.
private struct Memory {
    var order: ScanOrder
    /// Raw bytes of the collection when its cuts were made.
    var bytes: Int
    var cuts: [ScanRange.Bound]

    init(order: ScanOrder, bytes: Int, cuts: [ScanRange.Bound]) {
        self.order = order
        self.bytes = bytes
        self.cuts = cuts
    }

    /// Nil when the document was made for another order or by another version.
    init?(_ document: BSONDocument, order: ScanOrder) {
        guard document["order"] == .string(order.rawValue), case .array(let stored)? = document["cuts"],
            let bytes = try? document.require("bytes", as: Int.self, in: "plan")
        else { return nil }
        self.order = order
        self.bytes = bytes
        cuts = []
        for case .document(let cut) in stored {
            guard let id = cut["_id"], let record = cut["r"] else { return nil }
            cuts.append(ScanRange.Bound(id: id, recordID: record))
        }
    }

    var document: BSONDocument {
        [
            "order": .string(order.rawValue), "bytes": .int64(Int64(bytes)),
            "cuts": .array(cuts.map { ["_id": $0.id, "r": $0.recordID] }),
        ]
    }
}

/// The order of record ids: numbers, or in clustered collections bytes (key strings, whose byte order is the order of
/// the keys).
enum RecordID {
    static func precedes(_ left: BSONValue, _ right: BSONValue) -> Bool {
        switch (left, right) {
        case (.int64(let left), .int64(let right)): left < right
        case (.binary(_, let left), .binary(_, let right)): left.lexicographicallyPrecedes(right)
        case (.int64, _): true
        default: false
        }
    }
}

enum ReadConcern {
    /// Snapshot at `time`; nil (the server's default, local) without a time.
    static func snapshot(at time: Timestamp?) -> BSONValue? {
        time.map { ["level": "snapshot", "atClusterTime": .timestamp($0)] }
    }

    static let majority: BSONValue = ["level": "majority"]
}
