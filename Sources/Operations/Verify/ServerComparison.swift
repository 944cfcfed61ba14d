internal import Archive
internal import BSON
internal import Bytes
internal import Glibc
internal import Mongo

/// One comparison of an archived state with a deployment, read at the state's time.
struct ServerComparison {
    private let state: ArchivedState
    private let deployment: MongoDeployment
    private let admits: @Sendable (Namespace) -> Bool
    private let progress: JobProgress
    private let cancellation: Cancellation
    /// Threads for each side.
    var workers = 1

    /// Documents that a difference names.
    private static let documentsShown = 10
    /// Documents that are joined at a time, 48 bytes each.
    private static let partitionDocuments = 1 << 22
    /// How long a member may take to get to the state's time, in tenths of a second.
    private static let waitsMax = 300

    init(
        _ state: ArchivedState, _ deployment: MongoDeployment, _ admits: @escaping @Sendable (Namespace) -> Bool,
        _ progress: JobProgress, _ cancellation: Cancellation
    ) {
        self.state = state
        self.deployment = deployment
        self.admits = admits
        self.progress = progress
        self.cancellation = cancellation
    }

    /// A collection that both have, and whose documents can be compared.
    private struct Subject: Sendable {
        let collection: ArchivedCollection
        let info: CollectionInfo
    }

    /// - Throws: `.snapshotTooOld` when the time left the server's history.
    func run(_ report: inout CheckAgainst.Report) throws {
        let client = try deployment.checkOut()
        try awaitTime(client)
        let subjects = try compareDefinitions(client, &report)
        progress.begin(
            phase: "compare", totalCollections: subjects.count,
            totalDocuments: 2 * subjects.reduce(0) { $0 + $1.collection.entry.liveDocuments },
            totalBytes: 2 * subjects.reduce(0) { $0 + $1.collection.entry.totalRawBytes })
        let (server, archive) = try digests(subjects)
        for (subject, sum) in zip(subjects, server) {
            let stored = archive[subject.collection.number]
            report.documents += stored.documents
            guard sum != stored else { continue }
            if isWithoutHistory(subject.info),
                try client.oplogHasEntries(for: subject.info.dataNamespace, after: state.time)
            {
                let reason = "capped, and written to since: it cannot be read as it was"
                report.skipped.append(
                    CheckAgainst.Skipped(
                        namespace: subject.info.namespace.description, reason: reason, isExpected: true))
            } else {
                report.differences.append(try documents(subject, max(sum.documents, stored.documents)))
            }
        }
    }

    private func awaitTime(_ client: MongoClient) throws {
        for _ in 0..<ServerComparison.waitsMax {
            if try client.lastWrite().majority.timestamp >= state.time { return }
            try cancellation.check()
            usleep(100_000)
        }
        throw CairnError(
            .unreachable,
            "the member has not got to \(state.time.asDate), the time of \(state.description): it does not replicate, "
                + "or was set back to an earlier state", object: deployment.host)
    }

    private func isWithoutHistory(_ info: CollectionInfo) -> Bool {
        info.isCapped && (deployment.server.versionNumbers.first ?? 0) < 8
    }
}

/// Definitions.
extension ServerComparison {
    /// Compares what there is and how it is defined.
    ///
    /// - Returns: the collections whose documents are to be compared.
    private func compareDefinitions(
        _ client: MongoClient, _ report: inout CheckAgainst.Report
    ) throws -> [Subject] {
        var live: [Namespace: CollectionInfo] = [:]
        for info in try Catalogue.list(deployment, sizes: false) where admits(info.namespace) {
            live[info.namespace] = info
        }
        // Asked for behind the listing, so that it has everything that the listing may show.
        let redefined = try client.databasesRedefined(after: state.time)
        func note(_ namespace: Namespace, _ what: String) {
            let name = namespace.description
            if redefined.contains(Array(namespace.db.utf8)) {
                let reason = "\(what); there were definitions in its database since"
                report.skipped.append(CheckAgainst.Skipped(namespace: name, reason: reason, isExpected: false))
            } else {
                report.differences.append(CheckReplay.Difference(namespace: name, what: what))
            }
        }
        var subjects: [Subject] = []
        for collection in state.collections {
            try cancellation.check()
            let entry = collection.entry
            let namespace = Namespace(entry.database, entry.collection)
            guard admits(namespace) else { continue }
            guard var info = live.removeValue(forKey: namespace) else {
                note(namespace, "only the snapshot has it")
                continue
            }
            report.namespaces += 1
            for what in CatalogueEntry(view: info).differences(from: entry) { note(namespace, what) }
            guard entry.kind != .view, info.kind != .view, info.uuid == entry.uuid else { continue }
            info.estimate = .init(documents: entry.liveDocuments, bytes: entry.totalRawBytes)
            if let reason = try unreadable(info, client) {
                report.skipped.append(
                    CheckAgainst.Skipped(namespace: entry.namespace, reason: reason, isExpected: false))
            } else {
                subjects.append(Subject(collection: collection, info: info))
            }
        }
        for namespace in live.keys.sorted() { note(namespace, "only the server has it") }
        return subjects
    }

    /// Why a collection's documents cannot be read at the time; nil when they can.
    private func unreadable(_ info: CollectionInfo, _ client: MongoClient) throws -> String? {
        guard !isWithoutHistory(info) else { return nil }
        do {
            try client.requireReadable(info, at: state.time)
            return nil
        } catch let error as CairnError where error.code == .snapshotUnavailable || error.code == .notFound {
            return "defined anew or renamed since, so that its documents cannot be read as they were"
        }
    }
}

/// Documents.
extension ServerComparison {
    /// The digests of the server's side by subject, and of the archive's by collection, read at the same time: the
    /// server does not keep its history for long.
    private func digests(
        _ subjects: [Subject]
    ) throws -> (server: [DocumentDigest.Sum], archive: [DocumentDigest.Sum]) {
        let digest = DocumentDigest()
        let wanted = Set(subjects.map(\.collection.number))
        let sums = try Parallel.map([true, false], threads: 2, name: "cairn-compare") {
            ()
        } each: { _, isServer -> [DocumentDigest.Sum] in
            guard isServer else {
                let archive = StateDigest(digest: digest, progress: progress, cancellation: cancellation)
                return try archive.sums(of: state, threads: workers) { wanted.contains($0.number) }
            }
            let server = ServerDigest(
                deployment: deployment, digest: digest, time: state.time, ordersCapped: true, progress: progress,
                cancellation: cancellation)
            return try server.sums(of: subjects.map(\.info), readers: workers)
        }
        return (sums[0], sums[1])
    }

    /// The second look, at what the digests tell apart: which documents. Ends with the part of the documents that has
    /// enough to show.
    private func documents(_ subject: Subject, _ count: Int) throws -> CheckReplay.Difference {
        let name = subject.collection.entry.namespace
        let partitions = max(1, (count + Self.partitionDocuments - 1) / Self.partitionDocuments)
        let server = ServerDocuments(deployment: deployment, info: subject.info, time: state.time)
        var found: [CheckReplay.Document] = []
        var counts = (added: 0, removed: 0, changed: 0)
        var partition = 0
        do {
            while partition < partitions, found.count < Self.documentsShown {
                var join = DocumentJoin(
                    namespace: name, partition: partition, partitions: partitions, suspects: nil
                ) { _, change, identity in
                    try cancellation.check()
                    if found.count < Self.documentsShown {
                        found.append(CheckReplay.Document(change: change, identity: [UInt8](identity)))
                    }
                }
                try join.run(server, DocumentSource(subject.collection, state))
                counts = (counts.added + join.added, counts.removed + join.removed, counts.changed + join.changed)
                partition += 1
            }
        } catch let error as CairnError where error.code == .snapshotTooOld {
            return CheckReplay.Difference(
                namespace: name, what: "documents differ; the time left the server's history before they were found",
                documents: found)
        }
        let words = [
            (counts.added, "only in the snapshot"), (counts.removed, "only on the server"), (counts.changed, "unlike"),
        ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        let what =
            words.isEmpty
            ? "the order of its documents differs"
            : "documents differ: " + (partition < partitions ? "at least " : "") + words.joined(separator: ", ")
        return CheckReplay.Difference(namespace: name, what: what, documents: found)
    }
}

/// The documents of one collection of a server, read one by one.
private struct ServerDocuments: JoinSource {
    let deployment: MongoDeployment
    let info: CollectionInfo
    let time: Timestamp

    func forEachDocument(_ body: (_ document: RawSpan, _ identity: RawSpan) throws -> Void) throws {
        let client = try deployment.checkOut()
        let plan = try RangePlanner(client: client, server: deployment.server, at: time).plan(info)
        let scanner = RangeScanner(client: client)
        for range in plan.ranges {
            try scanner.scan(range, at: time) { batch in
                var documents = try DocumentBatch.Array(batch)
                while let document = try documents.next() {
                    try body(document, try DocumentIdentity.idBytes(of: document))
                }
            }
        }
    }
}
