internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// How the parent snapshot's scan cut each collection, for this scan to cut the same ranges and so make the same
/// chunks.
struct ParentPlans {
    /// Plans by the collection's UUID: a collection that was dropped and made again has other record ids.
    private let byUUID: [[UInt8]: BSONDocument]

    /// No parent.
    static let none = ParentPlans(byUUID: [:])

    /// The plans of a snapshot's entries.
    init(_ entries: [CatalogueEntry]) {
        var byUUID: [[UInt8]: BSONDocument] = [:]
        for entry in entries { if let uuid = entry.uuid, let plan = entry.plan { byUUID[uuid] = plan } }
        self.byUUID = byUUID
    }

    private init(byUUID: [[UInt8]: BSONDocument]) { self.byUUID = byUUID }

    /// The plans of `parent`. One that was made on another node is of use too: the planner looks its cuts up anew.
    init(_ parent: Snapshot, _ repository: Repository, _ chunks: ChunkIndex) throws {
        var byUUID: [[UInt8]: BSONDocument] = [:]
        do {
            try SnapshotReader(repository: repository, chunks: chunks, snapshot: parent).forEachEntry { entry in
                if let uuid = entry.uuid, let plan = entry.plan { byUUID[uuid] = plan }
            }
        } catch let error as CairnError where error.code == .corrupt {
            // A damaged parent costs deduplication at the borders of ranges, never the backup.
            byUUID = [:]
        }
        self.byUUID = byUUID
    }

    /// The parent's plan of this collection.
    func plan(of info: CollectionInfo) -> BSONDocument? { info.uuid.flatMap { byUUID[$0] } }
}
