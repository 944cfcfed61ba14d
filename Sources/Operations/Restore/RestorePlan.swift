internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// One namespace that is restored: what it was, and what it will be called.
struct RestoreItem: Sendable {
    let collection: ArchivedCollection
    /// The description under its new name.
    let info: CollectionInfo
    /// Whether the documents go into temporary collections, to be merged into the server's users and roles.
    let isUsersOrRoles: Bool

    /// What it was.
    var entry: CatalogueEntry { collection.entry }
    /// The name that users see in the target.
    var target: Namespace { info.namespace }
    /// Indexes besides that on `_id` and the clustering one.
    var secondaryIndexCount: Int {
        let order = CatalogueRestorer.buildOrder(of: info)
        return order.first.count + order.last.count
    }

    /// Whether it may hold more than its cap. Of a folded one nobody knows before.
    var mayExceedCap: Bool {
        func exceeds(_ count: Int, _ limit: String) -> Bool {
            (try? info.options.optional(limit, as: Int.self, in: entry.namespace)).map { count > $0 } ?? false
        }
        return collection.isFolded || exceeds(entry.totalRawBytes, "size")
            || exceeds(entry.liveDocuments, "max")
    }

    /// The report's line of a dry run.
    func planned(indexes: Bool) -> RestoreReport.Namespace {
        RestoreReport.Namespace(
            source: entry.namespace, target: target.description, type: entry.kind.rawValue,
            documents: collection.documents ?? 0,
            rawBytes: entry.totalRawBytes, indexes: indexes ? secondaryIndexCount : 0)
    }

    /// The report's line of what was restored.
    func restored(_ outcome: InsertOutcome, indexes: Int) -> RestoreReport.Namespace {
        RestoreReport.Namespace(
            source: entry.namespace, target: target.description, type: entry.kind.rawValue,
            documents: outcome.documents,
            rawBytes: outcome.rawBytes, indexes: indexes)
    }
}

/// Which namespaces of the snapshot go where.
struct RestorePlan {
    /// Sorted by the name in the snapshot.
    private(set) var items: [RestoreItem] = []
    /// What a person should know before.
    private(set) var warnings: [String] = []
    /// Whether users or roles are among the items.
    var restoresUsersAndRoles: Bool { items.contains(where: \.isUsersOrRoles) }

    /// - Throws: `.usage` for a rename that cannot be, or two namespaces that would get one name; `.notFound` when
    ///   nothing is selected.
    init(_ state: ArchivedState, _ options: Restore.Options) throws {
        let filter = NamespaceFilter(include: options.include, exclude: options.exclude)
        let renames = try options.renames.map { rename in
            guard let rule = NamespaceRename(from: rename.from, to: rename.to) else {
                throw CairnError(
                    .usage, "--ns-from \(rename.from) and --ns-to \(rename.to) must hold the same number of `*`")
            }
            return rule
        }
        var omitted = 0
        for collection in state.collections {
            let entry = collection.entry
            let source = Namespace(entry.database, entry.collection)
            guard filter.admits(source) else { continue }
            if RestorePlan.isUsersOrRoles(source) {
                guard options.usersAndRoles else {
                    omitted += collection.documents ?? 0
                    continue
                }
                let temporary =
                    source.collection == "system.users"
                    ? CatalogueRestorer.temporaryUsers : CatalogueRestorer.temporaryRoles
                items.append(
                    RestoreItem(collection: collection, info: CollectionInfo(plain: temporary), isUsersOrRoles: true))
                continue
            }
            let target = renames.lazy.compactMap { $0.apply(to: source) }.first ?? source
            items.append(
                RestoreItem(
                    collection: collection, info: CollectionInfo(entry, as: target), isUsersOrRoles: false))
        }
        if omitted > 0 {
            warnings.append("\(omitted) users and roles of the snapshot are left out: --users-and-roles restores them")
        }
        if case .time = options.moment { warnings += RestorePlan.selection(of: state.snapshot) }
        try requireDistinctTargets()
        guard !items.isEmpty || omitted > 0 else {
            throw CairnError(
                .notFound,
                "no namespace of \(state.description) is selected: `cairn show` lists them")
        }
    }

    /// Who asks for a time does not see which snapshot it is restored from, and that one may not hold everything.
    private static func selection(of snapshot: Snapshot) -> [String] {
        let patterns =
            snapshot.include.map { "--ns-include \($0)" } + snapshot.exclude.map { "--ns-exclude \($0)" }
        guard !patterns.isEmpty else { return [] }
        return [
            "snapshot \(snapshot.id.hex.prefix(8)), the newest before that time, was taken with "
                + patterns.joined(separator: " ") + " and holds nothing else"
        ]
    }

    private static func isUsersOrRoles(_ namespace: Namespace) -> Bool {
        namespace.db == "admin" && (namespace.collection == "system.users" || namespace.collection == "system.roles")
    }

    private func requireDistinctTargets() throws {
        var sources: [Namespace: String] = [:]
        for item in items {
            if let other = sources.updateValue(item.entry.namespace, forKey: item.target) {
                throw CairnError(
                    .usage,
                    "\(other) and \(item.entry.namespace) would both be restored to this namespace: change --ns-to",
                    object: item.target.description)
            }
        }
    }
}

extension CollectionInfo {
    /// What a catalogue entry describes, under another name. A view keeps its definition: what it reads from is not
    /// renamed.
    init(_ entry: CatalogueEntry, as target: Namespace) {
        let kind: Kind =
            switch entry.kind {
            case .collection: .collection
            case .view: .view
            case .timeseries: .timeseries
            }
        self.init(
            namespace: target, kind: kind, uuid: entry.uuid, options: entry.options, indexes: entry.indexes,
            estimate: Estimate(documents: entry.liveDocuments, bytes: entry.totalRawBytes))
    }

    /// A collection without options.
    init(plain namespace: Namespace) {
        self.init(namespace: namespace, kind: .collection, uuid: nil, options: [:], indexes: [])
    }
}
