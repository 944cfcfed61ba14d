import Archive
import BSON
import Bytes
import Mongo
import ObjectStore
import Synchronization
import TestSupport

@testable import Operations

/// A repository of its own between two servers, which all tests of this process share. Tests keep apart by database.
final class Rig: Sendable {
    static let isAvailable = ThrowawayServer.isAvailable
    static let absence = "skipped: no mongod; set CAIRN_MONGOD"

    /// Where documents come from and go to.
    let source: String
    let target: String
    let access: RepositoryAccess
    let folder: TemporaryDirectory

    /// A fresh repository unless one is given; the shared servers unless others are named.
    init(source: String? = nil, target: String? = nil, access: RepositoryAccess? = nil) throws {
        self.source = try source ?? ThrowawayServer.shared("source").uri
        self.target = try target ?? ThrowawayServer.shared("target").uri
        folder = try TemporaryDirectory("cairn-operations")
        self.access =
            access ?? RepositoryAccess(location: .directory(folder.appending("repository")), key: .keyFile(.random(32)))
        if access == nil { _ = try Init(access: self.access, keyLabel: "test").run() }
    }

    private static let databases = Mutex(0)

    /// The name of a database that no other test uses.
    static func database() -> String {
        // All of one length, so that their order is that of their numbers.
        "ops"
            + String(
                databases.withLock { number in
                    number += 1
                    return 1_000 + number
                })
    }

    /// Backs the databases up that `include` names.
    @discardableResult
    func backup(
        _ include: [String], order: FullBackup.ScanOrder = .natural, rangeBytes: Int = RangePlanner.targetBytes,
        cancellation: Cancellation = Cancellation(), progress: JobProgress = JobProgress(),
        _ configure: (inout FullBackup.Options) -> Void = { _ in }
    ) throws -> BackupReport {
        var options = FullBackup.Options(
            repository: access, source: DeploymentAccess(uri: source, serverSelectionTimeoutSeconds: 20))
        options.include = include
        options.scanOrder = order
        options.level = 1
        configure(&options)
        var job = FullBackup(options: options, progress: progress, cancellation: cancellation)
        job.rangeBytes = rangeBytes
        return try job.run()
    }

    /// Backs the databases up that `include` names, by a kind.
    @discardableResult
    func backup(
        _ kind: Backup.Kind, _ include: [String], _ tuning: BackupTuning = BackupTuning(),
        order: FullBackup.ScanOrder = .natural, cancellation: Cancellation = Cancellation()
    ) throws -> BackupReport {
        var options = FullBackup.Options(
            repository: access, source: DeploymentAccess(uri: source, serverSelectionTimeoutSeconds: 20))
        options.include = include
        options.scanOrder = order
        options.level = 1
        var job = Backup(kind, options: options, progress: JobProgress(), cancellation: cancellation)
        job.tuning = tuning
        return try job.run()
    }

    /// Restores all of the latest snapshot, unless told otherwise.
    @discardableResult
    func restore(
        cancellation: Cancellation = Cancellation(), progress: JobProgress = JobProgress(),
        _ configure: (inout Restore.Options) -> Void = { _ in }
    ) throws -> RestoreReport {
        var options = Restore.Options(
            repository: access, target: DeploymentAccess(uri: target, serverSelectionTimeoutSeconds: 20))
        configure(&options)
        return try Restore(options: options, progress: progress, cancellation: cancellation).run()
    }

    /// Witnesses beside the client under test.
    func sourceClient() throws -> WireClient { try WireClient(uri: source) }
    func targetClient() throws -> WireClient { try WireClient(uri: target) }

    /// How those databases differ between the servers, judged without the program under test; empty when they do not.
    func differences(_ databases: Set<String>, uuids: Bool = false) throws -> [String] {
        var options = ServerComparison.Options()
        options.comparesUUIDs = uuids
        // Named, and not what there is besides left out: other tests make databases meanwhile.
        options.onlyDatabases = databases.sorted()
        return try ServerComparison.differences(sourceClient(), targetClient(), options: options)
    }

    /// The chunks that the repository's snapshots need, and the bytes of all its packs.
    func packs() throws -> [ObjectInfo] {
        var found: [ObjectInfo] = []
        try access.open().store.list(prefix: "packs/") { found.append($0) }
        return found
    }

    /// What `check` with all data says.
    func damage() throws -> [String] {
        let report = try Check.run(access.open(), options: CheckOptions(data: .all, workers: 2))
        return report.damage.map { "\($0)" } + report.unknownObjects
    }
}

extension WireClient {
    func databaseNames() throws -> [String] {
        let reply = try run(["listDatabases": 1, "nameOnly": true], db: "admin")
        let databases: [BSONDocument] = try reply.require("databases", in: "listDatabases")
        return try databases.map { try $0.require("name", in: "listDatabases") }
    }

    /// All documents of a collection by `_id`: a restore inserts from several threads, in no particular order.
    func contents(_ db: String, _ collection: String) throws -> [BSONDocument] {
        try documents(of: ["find": .string(collection), "sort": ["_id": 1]], db: db)
    }

    /// All names of a database, sorted.
    func collectionNames(_ db: String) throws -> [String] {
        try documents(of: ["listCollections": 1, "nameOnly": true], db: db).map {
            try $0.require("name", in: "listCollections")
        }.sorted()
    }

    /// Inserts documents of about `bytes` bytes with `_id`s of a range.
    func fill(_ db: String, _ collection: String, _ range: Range<Int>, bytes: Int = 1_000, seed: UInt64 = 1) throws {
        var random = RandomDocuments(seed: seed)
        try insert(
            range.map { random.ordinaryDocument(id: BSONValue($0), bytes: bytes) }, db: db, collection: collection)
    }
}
