import Archive
import BSON
import Bytes
import ObjectStore
import TestSupport

@testable import Operations

/// A replica set that exists on paper: it keeps what its collections hold at every operation, and archives them by hand
/// as a backup would, so that what is read back can be compared with what was there. No server is needed.
final class PaperServer {
    /// A collection as of some time.
    struct Collection: Equatable {
        let uuid: [UInt8]
        let isCapped: Bool
        /// In the order of inserts.
        var documents: [BSONDocument]
    }

    typealias Contents = [String: Collection]

    static let database = "paper"

    let repository: Repository
    /// What there is now, by namespace.
    private(set) var contents: Contents = [:]
    /// What there was right after each operation.
    private(set) var past: [Timestamp: Contents] = [:]
    private(set) var now = Timestamp(t: 1_700_000_000, i: 1)
    private(set) var snapshots: [Snapshot] = []
    private(set) var segments: [Segment] = []
    private var entries: [(time: Timestamp, entry: BSONDocument)] = []
    private var archived: [String: CatalogueEntry] = [:]
    private var collectionCount: UInt8 = 0
    private var hidden: Contents = [:]
    /// What the runs of incrementals say too much of.
    var miscount = 0

    /// Small chunks, so that little data makes many of them.
    init(_ store: any ObjectStore = MemoryStore(), key: KeySource = .keyFile(SecretBytes.random(32))) throws {
        let parameters = RepositoryParameters(
            documentChunks: ChunkSizes(minimum: 1 << 10, target: 4 << 10, maximum: 16 << 10),
            metadataChunks: ChunkSizes(minimum: 256, target: 1 << 10, maximum: 4 << 10))
        repository = try Repository.create(
            store: store, parameters: parameters, key: key)
        past[now] = contents
    }

    // MARK: What clients do

    func create(_ name: String, isCapped: Bool = false) {
        collectionCount += 1
        let uuid = [UInt8](repeating: collectionCount, count: 16)
        var command: BSONDocument = [
            "create": .string(name), "idIndex": ["v": 2, "key": ["_id": 1], "name": "_id_"],
        ]
        if isCapped { command = BSONDocument(command.fields + Self.capped.fields) }
        log("c", uuid, "$cmd", command)
        contents[Self.namespace(name)] = Collection(uuid: uuid, isCapped: isCapped, documents: [])
        tick()
    }

    func drop(_ name: String) {
        log("c", uuid(of: name), "$cmd", ["drop": .string(name)])
        contents[Self.namespace(name)] = nil
        tick()
    }

    func rename(_ name: String, to other: String) {
        let rename: BSONDocument = [
            "renameCollection": .string(Self.namespace(name)), "to": .string(Self.namespace(other)), "stayTemp": false,
        ]
        log("c", uuid(of: name), "$cmd", rename)
        contents[Self.namespace(other)] = contents.removeValue(forKey: Self.namespace(name))
        tick()
    }

    func insert(_ id: Int, version: Int = 0, into name: String) {
        let document = Self.document(id, version)
        log("i", uuid(of: name), name, document)
        contents[Self.namespace(name)]?.documents.append(document)
        tick()
    }

    /// Sets the version, by an update or by a replacement.
    func update(_ id: Int, version: Int, whole: Bool = false, in name: String) throws {
        let target: BSONDocument = ["_id": .int32(Int32(id))]
        let change: BSONDocument =
            whole
            ? Self.document(id, version) : ["$v": 2, "diff": ["u": ["version": .int32(Int32(version))]]]
        log("u", uuid(of: name), name, change, target)
        guard let place = place(of: id, in: name) else { throw CairnError(.notFound, "document \(id)") }
        contents[Self.namespace(name)]?.documents[place] = Self.document(id, version)
        tick()
    }

    func delete(_ id: Int, from name: String) throws {
        log("d", uuid(of: name), name, ["_id": .int32(Int32(id))])
        guard let place = place(of: id, in: name) else { throw CairnError(.notFound, "document \(id)") }
        contents[Self.namespace(name)]?.documents.remove(at: place)
        tick()
    }

    /// Changes documents without a word in the oplog.
    func forge(_ name: String, _ body: (inout [BSONDocument]) -> Void) {
        body(&contents[Self.namespace(name)]!.documents)
        tick()
    }

    /// Hides a collection from backups, as they leave out one that `$out` is filling.
    func forget(_ name: String) { hidden[name] = contents.removeValue(forKey: Self.namespace(name)) }

    /// Ends what `forget` began.
    func recall(_ name: String) { contents[Self.namespace(name)] = hidden.removeValue(forKey: name) }

    /// Does something anywhere, at random.
    func act(_ random: inout SeededGenerator, ids: Int) throws {
        guard !contents.isEmpty else { return create("c\(collectionCount)") }
        switch random.integer(0..<60) {
        case 0: return create("c\(collectionCount)", isCapped: random.once(in: 3))
        case 1 where contents.count > 2: return drop(name(random.pick(contents.keys.sorted())))
        case 2: return rename(name(random.pick(contents.keys.sorted())), to: "r\(now.i)")
        default: break
        }
        let namespace = random.pick(contents.keys.sorted())
        let id = random.integer(0..<ids)
        let version = Int(now.i)
        if place(of: id, in: name(namespace)) == nil {
            insert(id, version: version, into: name(namespace))
        } else if random.once(in: 3), contents[namespace]?.isCapped == false {
            try delete(id, from: name(namespace))
        } else {
            try update(id, version: version, whole: random.once(in: 4), in: name(namespace))
        }
    }

    // MARK: What backups do

    /// A full snapshot of one collection with these documents, whatever there is.
    func archive(_ documents: [BSONDocument]) throws -> Snapshot {
        contents = [
            Self.namespace("bare"): Collection(
                uuid: [UInt8](repeating: 255, count: 16), isCapped: false, documents: documents)
        ]
        return try snapshot(full: true)
    }

    /// Takes a snapshot of now: everything, or what changed since the last one.
    @discardableResult
    func snapshot(full: Bool = false) throws -> Snapshot {
        let writer = ArchiveWriter(
            repository: repository, index: try .load(repository),
            options: WriterOptions(workers: 1, level: 1, streams: 2, packTarget: 1 << 16))
        let previous = full ? nil : snapshots.last
        var made: [CatalogueEntry] = []
        for (namespace, collection) in contents.sorted(by: { $0.key < $1.key }) {
            let old = archived.values.first { $0.uuid == collection.uuid }
            guard let old, let previous, !collection.isCapped else {
                made.append(try scan(namespace, collection, writer))
                continue
            }
            made.append(try extend(old, namespace, collection, since: previous, writer))
        }
        made.sort(by: CatalogueEntry.precedes)
        archived = Dictionary(uniqueKeysWithValues: made.map { ($0.namespace, $0) })
        let snapshot = try writer.commit(
            Snapshot(
                id: .random(), kind: previous == nil ? .full : .incremental, parent: previous?.id, at: now, started: 1,
                finished: 2,
                source: Snapshot.Source(
                    set: "rs", host: "paper:27017", serverVersion: "6.0.5", featureCompatibilityVersion: "6.0"),
                scanOrder: .natural, tags: [],
                catalogue: try writer.store(documents: made.map { $0.encode() }, type: .catalogue),
                totals: Snapshot.Totals(of: made), warnings: [], exact: true, term: 1,
                layered: made.contains { !$0.runs.isEmpty }))
        snapshots.append(snapshot)
        return snapshot
    }

    /// Saves the oplog since the last segment, or since `start`.
    @discardableResult
    func segment(from start: Timestamp? = nil) throws -> Segment {
        let from = start ?? segments.last?.to.timestamp ?? Timestamp(t: now.t, i: 1)
        let writer = ArchiveWriter(
            repository: repository, index: try .load(repository), options: WriterOptions(workers: 1, level: 1))
        let stream = writer.makeOplogStream()
        for (time, entry) in entries where time >= from {
            let bytes = entry.bytes
            try stream.append(entry: bytes.rawSpan, time: time)
        }
        let chunks = try stream.finish()
        let segment = Segment(
            id: .random(), set: "rs", host: "paper:27017", from: OpTime(timestamp: from, term: 1),
            to: OpTime(timestamp: now, term: 1), created: 1, firstWall: 1, lastWall: 2,
            entries: chunks.reduce(0) { $0 + $1.entries }, rawBytes: chunks.reduce(0) { $0 + $1.rawBytes },
            addedBytes: 1, chunks: chunks)
        try writer.flush()
        try repository.writeSegment(segment)
        writer.abort()
        segments.append(segment)
        return segment
    }

    private func scan(
        _ namespace: String, _ collection: Collection, _ writer: ArchiveWriter
    ) throws -> CatalogueEntry {
        let stream = writer.makeStream()
        for document in collection.documents {
            let bytes = document.bytes
            try stream.append(document: bytes.rawSpan, identity: try DocumentIdentity.idBytes(of: bytes.rawSpan))
        }
        try stream.finish()
        let stored = try stream.wait()
        let list = writer.makeLeafList()
        try list.append(stored.leaves)
        return CatalogueEntry(
            database: Self.database, collection: name(namespace), kind: .collection, uuid: collection.uuid,
            options: collection.isCapped ? Self.capped : [:],
            indexes: [["v": 2, "key": ["_id": 1], "name": "_id_"]], documents: stored.documents,
            rawBytes: stored.rawBytes, plan: nil, leafCount: list.count, leaves: try list.finish())
    }

    private func extend(
        _ old: CatalogueEntry, _ namespace: String, _ collection: Collection, since previous: Snapshot,
        _ writer: ArchiveWriter
    ) throws -> CatalogueEntry {
        let before = past[previous.at]?.values.first { $0.uuid == collection.uuid }?.documents ?? []
        let run = writer.makeRunWriter()
        for document in Set(collection.documents).subtracting(before) {
            let bytes = document.bytes
            try run.put(document: bytes.rawSpan, identity: try DocumentIdentity.idBytes(of: bytes.rawSpan))
        }
        let kept = Set(collection.documents.map { $0["_id"] })
        for document in before where !kept.contains(document["_id"]) {
            let bytes = document.bytes
            try run.remove(identity: try DocumentIdentity.idBytes(of: bytes.rawSpan))
        }
        var entry = old
        entry.collection = name(namespace)
        let made = try run.finish(delta: collection.documents.count - before.count + miscount)
        if !made.isEmpty { entry.runs.append(made) }
        return entry
    }

    // MARK: Parts

    private static let capped: BSONDocument = ["capped": true, "size": 1_048_576]

    static func namespace(_ name: String) -> String { "\(database).\(name)" }
    private func name(_ namespace: String) -> String { String(namespace.dropFirst(Self.database.count + 1)) }

    static func document(_ id: Int, _ version: Int) -> BSONDocument {
        [
            "_id": .int32(Int32(id)), "version": .int32(Int32(version)),
            "filling": .string(String(repeating: "stone \(id % 17) ", count: 20)),
        ]
    }

    private func uuid(of name: String) -> [UInt8] { contents[Self.namespace(name)]?.uuid ?? [] }

    private func place(of id: Int, in name: String) -> Int? {
        contents[Self.namespace(name)]?.documents.firstIndex { $0["_id"] == .int32(Int32(id)) }
    }

    private func log(
        _ kind: String, _ uuid: [UInt8], _ name: String, _ object: BSONDocument, _ target: BSONDocument? = nil
    ) {
        now = Timestamp(t: now.t, i: now.i + 1)
        var entry: BSONDocument = [
            "op": .string(kind), "ns": .string(Self.namespace(name)), "ui": .binary(subtype: 4, uuid),
            "o": .document(object), "ts": .timestamp(now), "t": .int64(1), "v": .int64(2),
            "wall": .date(Int64(now.t) * 1000),
        ]
        if let target { entry = BSONDocument(entry.fields + [("o2", .document(target))]) }
        entries.append((now, entry))
    }

    private func tick() { past[now] = contents }
}
