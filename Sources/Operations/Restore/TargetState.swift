internal import BSON
internal import Bytes
internal import Mongo

/// What stands in the target where the plan wants to write.
struct TargetState {
    private let options: Restore.Options
    private let taken: [Namespace]

    /// Looks at the target. Nothing is written.
    init(_ target: MongoDeployment, _ plan: RestorePlan, _ options: Restore.Options) throws {
        self.options = options
        guard !options.drop else {
            taken = []
            return
        }
        // What an interrupted restore left of users and roles on their way is dropped anyway.
        let wanted = Set(plan.items.filter { !$0.isUsersOrRoles }.map(\.target))
        let client = try target.checkOut()
        var names: [Namespace] = []
        for db in wanted.databases {
            names += try client.collectionNames(of: db).map { Namespace(db, $0) }
        }
        taken = names.filter { wanted.contains($0) || wanted.contains($0.withoutBucketsPrefix) }.sorted()
    }

    /// Refuses to write over what is there.
    ///
    /// - Throws: `.alreadyExists` naming the namespaces.
    func requireNoConflict() throws {
        guard !taken.isEmpty else { return }
        let shown = taken.prefix(20).map(\.description).joined(separator: ", ") + (taken.count > 20 ? ", …" : "")
        throw CairnError(
            .alreadyExists,
            "the target has \(taken.count) of these namespaces already: \(shown). Nothing was written. Drop them, "
                + "restore under other names "
                + "(--ns-from, --ns-to), leave them out (--ns-exclude), or let the restore replace them with --drop",
            object: taken[0].description)
    }
}

extension Namespace {
    /// The time series that these buckets belong to, or the namespace itself.
    fileprivate var withoutBucketsPrefix: Namespace {
        collection.dropping("system.buckets.").map { Namespace(db, $0) } ?? self
    }
}
