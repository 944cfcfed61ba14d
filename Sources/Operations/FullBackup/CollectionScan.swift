internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// One collection on its way into the snapshot: its ranges come in from several readers in any order, its leaves go
/// on in the order of the documents, so that they are never in memory together.
final class CollectionScan: Sendable {
    let info: CollectionInfo
    let plan: ScanPlan
    private let state: Mutex<State>

    private struct State {
        var list: LeafListWriter
        /// The range whose leaves are next.
        var next = 0
        /// Ranges that were finished before their turn.
        var waiting: [Int: StoredStream] = [:]
        var documents = 0
        var rawBytes = 0
        var changedDuringScan = false
        /// The earliest and the latest time at which a range was read.
        var times: (first: Timestamp, last: Timestamp)?
    }

    init(info: CollectionInfo, plan: ScanPlan, writer: ArchiveWriter) {
        self.info = info
        self.plan = plan
        state = Mutex(State(list: writer.makeLeafList()))
    }

    /// Takes the stored documents of one range, which was read at `time`.
    func take(_ stream: StoredStream, range: Int, at time: Timestamp?) throws {
        try state.withLock { state in
            if let time {
                state.times = (min(state.times?.first ?? time, time), max(state.times?.last ?? time, time))
            }
            state.waiting[range] = stream
            while let ready = state.waiting.removeValue(forKey: state.next) {
                try state.list.append(ready.leaves)
                state.documents += ready.documents
                state.rawBytes += ready.rawBytes
                state.next += 1
            }
        }
    }

    /// Says that what was read is not what the collection held at the scan's time.
    func markChanged() { state.withLock { $0.changedDuringScan = true } }

    /// The earliest and the latest time at which a range was read; nil on a standalone server.
    var times: (first: Timestamp, last: Timestamp)? { state.withLock { $0.times } }

    /// Whether `markChanged` was called.
    var hasChanged: Bool { state.withLock { $0.changedDuringScan } }

    /// The catalogue entry, once every range was taken.
    func finish() throws -> CatalogueEntry {
        try state.withLock { state in
            precondition(state.waiting.isEmpty && state.next == plan.ranges.count, "a range is missing")
            return CatalogueEntry(
                info, plan: plan.memory, documents: state.documents, rawBytes: state.rawBytes,
                leafCount: state.list.count,
                leaves: try state.list.finish())
        }
    }
}

extension CatalogueEntry {
    init(
        _ info: CollectionInfo, plan: BSONDocument?, documents: Int, rawBytes: Int, leafCount: Int,
        leaves: CatalogueEntry.Leaves
    ) {
        let kind: Kind =
            switch info.kind {
            case .collection: .collection
            case .view: .view
            case .timeseries: .timeseries
            }
        self.init(
            database: info.db, collection: info.name, kind: kind, uuid: info.uuid, options: info.options,
            indexes: info.indexes,
            documents: documents, rawBytes: rawBytes, plan: plan, leafCount: leafCount, leaves: leaves)
    }

    /// A view: nothing but its definition.
    init(view info: CollectionInfo) {
        self.init(info, plan: nil, documents: 0, rawBytes: 0, leafCount: 0, leaves: .inline([]))
    }
}
