internal import Archive
internal import Bytes
internal import ObjectStore

/// What a replica lacks of its source, what it has besides, and what is there in another size.
///
/// Made from listings alone: every object but a lease is put once and never changed, so a name and a size tell whether
/// it is there. Leases, condemned lists and suspects belong to the writers and the maintenance of one store and stay
/// there: in a replica nothing is condemned.
struct ReplicationPlan {
    /// Objects to copy, in the order of the stages; a stage must be complete before the next begins.
    var stages: [[ObjectInfo]] = []
    /// Objects that the source has no more, in an order that keeps the replica whole: what refers goes first.
    var extra: [ObjectInfo] = []
    /// Objects that are there in another size: one of the two is damaged.
    var differing: [ObjectName] = []
    /// Objects of the source.
    var sourceObjects = 0
    /// Bytes of the source.
    var sourceBytes = 0
    /// Bytes of the replica.
    var replicaBytes = 0
    /// When the source got its newest snapshot, and the newest of those that the replica has too; seconds since 1970 by
    /// the source's clock, 0 for none.
    var newestSnapshot: Int64 = 0
    /// See `newestSnapshot`.
    var newestReplicated: Int64 = 0

    /// The folders in the order of copying: what is referred to before what refers to it (format-spec.md §11 [W-1] to
    /// [W-3], [W-8]), and fences before the snapshots and segments that they may declare void.
    static let order = [
        Names.keys, "", ObjectKind.chunk.folder, ObjectKind.index.folder, ObjectKind.fence.folder,
        ObjectKind.segment.folder, ObjectKind.snapshot.folder, ObjectKind.audit.folder,
    ]

    /// Compares two stores.
    ///
    /// The source is listed in the reverse order of copying: whatever a snapshot needs that was listed is listed after
    /// it, unless maintenance removes it meanwhile.
    init(source: any ObjectStore, replica: any ObjectStore) throws {
        var listed: [String: [ObjectInfo]] = [:]
        for folder in Self.order.reversed() { listed[folder] = try Self.objects(of: source, folder) }
        var there: [ObjectName: ObjectInfo] = [:]
        // One listing: what order the replica's objects are seen in does not matter, for nobody else writes there.
        let folders = Set(Self.order)
        try replica.list(prefix: "") { info in
            let folder = Self.folder(of: info.name)
            if folders.contains(folder), !folder.isEmpty || info.name == Names.config { there[info.name] = info }
        }

        replicaBytes = there.values.reduce(0) { $0 + $1.size }
        for folder in Self.order {
            var missing: [ObjectInfo] = []
            for info in listed[folder] ?? [] {
                sourceObjects += 1
                sourceBytes += info.size
                let copy = there.removeValue(forKey: info.name)
                if let copy, copy.size != info.size { differing.append(info.name) }
                if copy == nil { missing.append(info) }
                guard folder == ObjectKind.snapshot.folder else { continue }
                newestSnapshot = max(newestSnapshot, info.modified)
                if copy != nil { newestReplicated = max(newestReplicated, info.modified) }
            }
            stages.append(missing)
        }
        let rank = Dictionary(uniqueKeysWithValues: Self.order.enumerated().map { ($1, $0) })
        extra = there.values.sorted {
            let left = rank[Self.folder(of: $0.name)] ?? 0, right = rank[Self.folder(of: $1.name)] ?? 0
            return left == right ? $0.name < $1.name : left > right
        }
    }

    /// What is to be copied: objects and bytes.
    var missing: (objects: Int, bytes: Int) {
        let all = stages.joined()
        return (all.count, all.reduce(0) { $0 + $1.size })
    }

    /// The one object without a folder that counts is `config`.
    private static func objects(of store: any ObjectStore, _ folder: String) throws -> [ObjectInfo] {
        if folder.isEmpty { return try store.stat(Names.config).map { [$0] } ?? [] }
        var found: [ObjectInfo] = []
        try store.list(prefix: folder) { found.append($0) }
        return found
    }

    private static func folder(of name: ObjectName) -> String {
        name.path.firstIndex(of: "/").map { String(name.path[...$0]) } ?? ""
    }
}
