internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// Whether the target holds what the archive holds: counts and catalogue always, every document when asked.
struct TargetComparison {
    let target: MongoDeployment
    let options: Restore.Options
    let progress: JobProgress
    let cancellation: Cancellation

    /// Compares the documents: their number, with a digest each of them.
    ///
    /// - Returns: everything that differs; nil when the user may not read them.
    func documents(
        of items: [RestoreItem], _ outcomes: [InsertOutcome], _ digest: DocumentDigest?, readers: Int
    ) throws -> [RestoreReport.Failure]? {
        let concerned = zip(items, outcomes).map { Subject(item: $0, outcome: $1) }
            .filter { !$0.item.isUsersOrRoles && $0.item.info.hasDocuments }
        let unaccounted = concerned.compactMap(unaccounted)
        if let digest { return try unaccounted + digests(concerned, digest, readers: readers) }
        do {
            return try unaccounted + counts(concerned)
        } catch let error as CairnError where error.code == .privilege {
            return unaccounted.isEmpty ? nil : unaccounted
        }
    }

    private struct Subject: Sendable {
        let item: RestoreItem
        let outcome: InsertOutcome
    }

    // MARK: Catalogue

    /// Compares options and indexes.
    ///
    /// - Returns: everything that differs; nil when the user may not list them.
    func catalogue(of items: [RestoreItem]) throws -> [RestoreReport.Failure]? {
        do {
            return try catalogueDifferences(items)
        } catch let error as CairnError where error.code == .privilege {
            return nil
        }
    }

    private func catalogueDifferences(_ items: [RestoreItem]) throws -> [RestoreReport.Failure] {
        let subjects = items.filter { !$0.isUsersOrRoles }
        progress.begin(phase: "compare", totalCollections: subjects.count)
        let wanted = Set(subjects.map(\.target))
        let databases = wanted.databases.map { "\($0).*" }
        let filter = NamespaceFilter(include: databases, exclude: [])
        var found: [Namespace: CollectionInfo] = [:]
        for info in try Catalogue.list(target, filter: filter, sizes: false) where wanted.contains(info.namespace) {
            found[info.namespace] = info
        }
        return subjects.compactMap { subject in
            let wanted = subject.info
            guard let found = found[wanted.namespace] else {
                return failure(wanted.namespace, "the namespace", "is missing")
            }
            if found.kind != wanted.kind {
                return failure(wanted.namespace, "its kind", "is \(found.kind), not \(wanted.kind)")
            }
            if found.comparableOptions != wanted.comparableOptions {
                return failure(wanted.namespace, "its options", "differ from the archive's")
            }
            if !options.noIndexes, found.comparableIndexes != wanted.comparableIndexes {
                return failure(wanted.namespace, "its indexes", "differ from the archive's")
            }
            return nil
        }
    }

    private func failure(_ namespace: Namespace, _ subject: String, _ reason: String) -> RestoreReport.Failure {
        RestoreReport.Failure(namespace: namespace.description, subject: subject, reason: reason)
    }

    // MARK: Counts

    private func counts(_ subjects: [Subject]) throws -> [RestoreReport.Failure] {
        progress.begin(phase: "count", totalCollections: subjects.count)
        return try Parallel.map(subjects, threads: 4, name: "cairn-count") {
            try target.checkOut()
        } each: { client, subject -> RestoreReport.Failure? in
            try cancellation.check()
            let count = try client.exactCount(subject.item.info.dataNamespace)
            progress.finishCollection()
            return difference(subject, inTarget: count)
        }.compactMap(\.self)
    }

    /// Every archived document was inserted, refused, or lost to damage: anything else would be a fault of this
    /// program.
    private func unaccounted(_ subject: Subject) -> RestoreReport.Failure? {
        guard let archived = subject.item.collection.documents, let accounted = subject.outcome.accountedDocuments,
            accounted != archived
        else { return nil }
        return failure(
            subject.item.target, "its documents", "\(archived) were archived, but \(accounted) came out of the archive")
    }

    private func difference(_ subject: Subject, inTarget count: Int) -> RestoreReport.Failure? {
        guard count != subject.outcome.documents else { return nil }
        return failure(
            subject.item.target, "its count",
            "is \(count) in the target, where \(subject.outcome.documents) documents were inserted")
    }

    // MARK: Documents

    /// Reads every collection back, in parallel ranges, and compares digests: costs the server one scan and this
    /// machine about 1 s of CPU a GiB.
    private func digests(
        _ concerned: [Subject], _ digest: DocumentDigest, readers: Int
    ) throws -> [RestoreReport.Failure] {
        progress.begin(
            phase: "verify", totalCollections: concerned.count,
            totalDocuments: concerned.reduce(0) { $0 + $1.outcome.documents },
            totalBytes: concerned.reduce(0) { $0 + $1.outcome.rawBytes })
        let collections = concerned.map { subject in
            // The target's collection has a UUID of its own.
            var info = subject.item.info
            info.uuid = nil
            return info
        }
        let found = try ServerDigest(
            deployment: target, digest: digest, time: nil, ordersCapped: false, progress: progress,
            cancellation: cancellation
        ).sums(of: collections, readers: readers)
        return zip(concerned, found).compactMap { subject, sum in
            if let difference = difference(subject, inTarget: sum.documents) { return difference }
            // Refused documents are in the archive's digest and not in the target: they are reported by name already.
            guard sum != subject.outcome.digest, subject.outcome.failures.isEmpty else { return nil }
            return failure(subject.item.target, "its documents", "differ from the archive's: the digests are not equal")
        }
    }
}

extension CollectionInfo {
    /// Options without the order of their names, which the server does not keep.
    fileprivate var comparableOptions: Set<[UInt8]> { options.elementSet() }

    /// The indexes, each without the order of its options and the namespace that old servers put in; the order of keys
    /// stays.
    fileprivate var comparableIndexes: Set<Set<[UInt8]>> { Set(indexes.map { $0.elementSet(without: "ns") }) }
}
