import Archive
import BSON
import Bytes
import Foundation
import ObjectStore
import TestSupport

/// A repository in a folder of its own, opened by a key file, with snapshots that were written without a server.
final class SampleRepository {
    static let documentCount = 2_000

    let folder: TemporaryDirectory
    let path: String
    let keyFile: String
    private(set) var repository: Repository
    private static let keyBytes = [UInt8](repeating: 7, count: 32)
    private static let key = KeySource.keyFile(SecretBytes(copying: keyBytes.rawSpan))

    /// An empty repository.
    init() throws {
        folder = try TemporaryDirectory()
        path = folder.appending("repository")
        keyFile = folder.appending("key")
        try Data(Self.keyBytes).write(to: URL(fileURLWithPath: keyFile))
        repository = try Repository.create(store: try LocalStore.create(path: path), key: Self.key)
    }

    /// Opens it anew, after its keys changed.
    func reopen() throws { repository = try Repository.open(store: try LocalStore.open(path: path), key: Self.key) }

    /// What names the repository and its key to the binary.
    var environment: [String: String] { ["CAIRN_REPOSITORY": path, "CAIRN_KEY_FILE": keyFile] }

    /// Runs the binary on it.
    func cairn(_ arguments: String...) throws -> ChildProcess.Outcome { try cairn(arguments) }

    func cairn(_ arguments: [String]) throws -> ChildProcess.Outcome {
        try Command.run(arguments, environment: environment)
    }

    /// A document of the collection `shop.orders`.
    static func document(_ id: Int, version: Int = 0) -> BSONDocument {
        [
            "_id": .int32(Int32(id)), "version": .int32(Int32(version)),
            "text": .string(String(repeating: "stone \(id * 7919 % 1009) ", count: 100)),
        ]
    }

    /// Takes a snapshot of `shop.orders` with these documents, and of an empty view.
    @discardableResult
    func snapshot(
        _ documents: [BSONDocument] = (0..<documentCount).map { document($0) }, at seconds: UInt32 = 1_700_000_000,
        id: RandomID = .random(), tags: [String] = []
    ) throws -> Snapshot {
        let writer = ArchiveWriter(
            repository: repository, index: try .load(repository),
            options: WriterOptions(workers: 1, level: 1, streams: 1))
        let stream = writer.makeStream()
        for document in documents {
            let bytes = document.bytes
            try stream.append(document: bytes.rawSpan, identity: try DocumentIdentity.idBytes(of: bytes.rawSpan))
        }
        try stream.finish()
        let stored = try stream.wait()
        let list = writer.makeLeafList()
        try list.append(stored.leaves)
        let entries = [
            CatalogueEntry(
                database: "shop", collection: "orders", kind: .collection, uuid: [UInt8](repeating: 1, count: 16),
                options: [:], indexes: [["v": 2, "key": ["_id": 1], "name": "_id_"]], documents: stored.documents,
                rawBytes: stored.rawBytes, plan: nil, leafCount: list.count, leaves: try list.finish()),
            CatalogueEntry(
                database: "shop", collection: "view", kind: .view, uuid: nil,
                options: ["viewOn": "orders", "pipeline": []], indexes: [], documents: 0, rawBytes: 0, plan: nil,
                leafCount: 0, leaves: .inline([])),
        ]
        return try writer.commit(
            Snapshot(
                id: id, kind: .full, parent: nil, at: Timestamp(t: seconds, i: 3),
                started: Int64(seconds) * 1000, finished: Int64(seconds) * 1000 + 1500,
                source: Snapshot.Source(
                    set: "rs0", host: "db.example.org:27017", serverVersion: "6.0.5",
                    featureCompatibilityVersion: "6.0"),
                scanOrder: .id, tags: tags,
                catalogue: try writer.store(documents: entries.map { $0.encode() }, type: .catalogue),
                totals: Snapshot.Totals(of: entries),
                warnings: [], exact: true))
    }

    /// The paths of the objects in one of the repository's folders.
    func objects(_ kind: String) throws -> [String] {
        let root = URL(fileURLWithPath: path).appending(path: kind)
        let found = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.isRegularFileKey])
        return (found?.allObjects as? [URL] ?? []).filter {
            (try? $0.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile) == true
        }.map(\.path).sorted()
    }

    /// Changes one byte of a file.
    static func flip(_ file: String, at offset: Int) throws {
        let url = URL(fileURLWithPath: file)
        var bytes = try Data(contentsOf: url)
        bytes[offset] ^= 0x40
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        try bytes.write(to: url)
    }
}
