internal import BSON
internal import Bytes
internal import Mongo

/// Everything of the target but its documents: collections before them, indexes and fences after.
struct TargetDefinitions: Sendable {
    let target: MongoDeployment
    let options: Restore.Options
    let progress: JobProgress
    let cancellation: Cancellation

    /// Connections that create collections or build indexes at once. The server builds the indexes of one collection
    /// in one thread.
    private static let connections = 4

    /// Drops what is in the way if that was asked for, and creates the collections and views.
    func create(_ items: [RestoreItem]) throws {
        progress.begin(phase: "create", totalCollections: items.count)
        _ = try forEach(items) { restorer, item in
            if options.drop || item.isUsersOrRoles {
                guard try restorer.drop(item.target) else { return }
            }
            try restorer.create(
                item.info, preservingUUID: options.preserveUUID, uncapped: isUncapped(item))
        }
    }

    /// Builds the indexes that leave documents alone.
    ///
    /// - Returns: what could not be built.
    func buildIndexes(_ items: [RestoreItem]) throws -> [RestoreReport.Failure] {
        options.noIndexes ? [] : try build(items) { CatalogueRestorer.buildOrder(of: $0).first }
    }

    /// Builds the unique and the expiring indexes, then lifts the fences: from here on the server may remove documents.
    ///
    /// - Returns: what could not be built or set.
    func finish(_ items: [RestoreItem]) throws -> [RestoreReport.Failure] {
        var failures: [RestoreReport.Failure] = []
        if !options.noIndexes { failures += try build(items) { CatalogueRestorer.buildOrder(of: $0).last } }
        failures += try forEach(items) { restorer, item -> RestoreReport.Failure? in
            do {
                try restorer.liftFences(item.info)
                return nil
            } catch let error as CairnError where error.code == .server {
                return RestoreReport.Failure(
                    namespace: item.target.description, subject: "expiry", reason: error.message)
            }
        }.compactMap(\.self)
        return try failures + limit(items.filter(isUncapped))
    }

    /// Whether a capped collection must have no cap until all is in. A collection may hold more than its cap, for
    /// updates can make documents grow; an insert would drop what is too much. And operations that are replayed on a
    /// server bring the deletes of the source's own cap.
    private func isUncapped(_ item: RestoreItem) -> Bool {
        guard item.info.isCapped, (target.server.versionNumbers.first ?? 0) >= 6 else { return false }
        return options.replay == .server || item.mayExceedCap
    }

    private func limit(_ items: [RestoreItem]) throws -> [RestoreReport.Failure] {
        guard !items.isEmpty else { return [] }
        return try forEach(items) { restorer, item -> RestoreReport.Failure? in
            do {
                try restorer.limit(item.info)
                return nil
            } catch let error as CairnError where error.code == .server || error.code == .privilege {
                return RestoreReport.Failure(
                    namespace: item.target.description, subject: "cap",
                    reason: "it has none now; collMod with cappedSize and cappedMax sets it: " + error.message)
            }
        }.compactMap(\.self)
    }

    private func build(
        _ items: [RestoreItem], _ select: @escaping @Sendable (CollectionInfo) -> [BSONDocument]
    ) throws -> [RestoreReport.Failure] {
        let concerned = items.filter { !select($0.info).isEmpty }
        progress.begin(phase: "indexes", totalCollections: concerned.count)
        return try forEach(concerned) { restorer, item in
            progress.enter(collection: item.target.description)
            let failed = try restorer.buildIndexes(select(item.info), on: item.target)
            return failed.map {
                RestoreReport.Failure(
                    namespace: item.target.description, subject: "index \($0.name)", reason: $0.error.message)
            }
        }.flatMap(\.self)
    }

    /// Puts users and roles in force. Those of the target that are not among them are removed only when every one of
    /// the archive arrived.
    func mergeUsersAndRoles(_ items: [RestoreItem], isComplete: Bool) throws {
        let targets = Set(items.map(\.target))
        let restorer = CatalogueRestorer(client: try target.checkOut(), writeConcern: options.writeConcernDocument)
        try restorer.mergeUsersAndRoles(
            users: targets.contains(CatalogueRestorer.temporaryUsers),
            roles: targets.contains(CatalogueRestorer.temporaryRoles), replacing: options.drop && isComplete)
    }

    private func forEach<Output: Sendable>(
        _ items: [RestoreItem], _ body: @escaping @Sendable (CatalogueRestorer, RestoreItem) throws -> Output
    ) throws -> [Output] {
        try Parallel.map(items, threads: TargetDefinitions.connections, name: "cairn-ddl") {
            CatalogueRestorer(client: try target.checkOut(), writeConcern: options.writeConcernDocument)
        } each: { restorer, item in
            try cancellation.check()
            let output = try body(restorer, item)
            progress.finishCollection()
            return output
        }
    }
}

extension Restore.Options {
    /// The write concern as the server takes it: a number of nodes, or `majority`, or a tag set's name.
    var writeConcernDocument: BSONDocument {
        ["w": Int32(writeConcern).map { .int32($0) } ?? .string(writeConcern)]
    }
}
