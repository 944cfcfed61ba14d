import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// Snapshots, catalogue entries, leaves. format-spec.md §9.
@Suite struct SnapshotFormatTests {
    static func snapshot(_ id: RandomID = .random(), at: UInt32 = 1_795_000_000) -> Snapshot {
        Snapshot(
            id: id, kind: .full, parent: .random(), at: Timestamp(t: at, i: 3), started: 1, finished: 2,
            source: Snapshot.Source(
                set: "rs0", host: "db1.example:27017", serverVersion: "6.0.5", featureCompatibilityVersion: "6.0"),
            scanOrder: .natural, tags: ["nightly", "größe"],
            catalogue: [SHA256.hash([1].rawSpan), SHA256.hash([2].rawSpan)],
            totals: Snapshot.Totals(namespaces: 1, documents: 2, rawBytes: 3, chunks: 4, addedBytes: 5),
            warnings: ["something"], exact: true)
    }

    private static func leaf(_ number: Int32) throws -> Leaf {
        let document: BSONDocument = ["_id": .int32(number), "x": "y"]
        let identity = [UInt8](try DocumentIdentity.idBytes(of: document.bytes.rawSpan))
        return Leaf(
            chunk: SHA256.hash(identity.rawSpan), documents: 7, rawBytes: 1000, firstID: identity, lastID: identity)
    }

    private func entry(_ leaves: CatalogueEntry.Leaves, count: Int) -> CatalogueEntry {
        CatalogueEntry(
            database: "shop", collection: "order items.2026$\n", kind: .collection,
            uuid: [UInt8](repeating: 7, count: 16), options: ["capped": true, "size": .int64(4096)],
            indexes: [["v": 2, "key": ["_id": 1], "name": "_id_"]], documents: 7 * count, rawBytes: 1000 * count,
            plan: ["starts": [.int64(77)]], leafCount: count, leaves: leaves)
    }

    @Test func snapshotsSurvive() throws {
        let repository = try Repository.create(store: MemoryStore(), parameters: .cheap, key: .keyFile(1))
        var snapshot = Self.snapshot()
        try repository.writeSnapshot(snapshot)
        #expect(try repository.snapshot(snapshot.id) == snapshot)
        // [W-4]: never a second time under the same id.
        #expect(throws: CairnError.self) { try repository.writeSnapshot(snapshot) }
            .map { #expect($0.code == .alreadyExists) }
        snapshot.id = .random()
        snapshot.parent = nil
        snapshot.source.set = nil
        snapshot.exact = false
        snapshot.at.t -= 1
        try repository.writeSnapshot(snapshot)
        #expect(try repository.snapshot(snapshot.id) == snapshot)
        #expect(try repository.snapshots().first == snapshot)
        #expect(throws: CairnError.self) { try repository.snapshot(.random()) }.map { #expect($0.code == .notFound) }
    }

    /// [V-3]: one damaged snapshot does not hide the others from who asks for them.
    @Test func damagedSnapshotsAreReportedApart() throws {
        let store = MemoryStore()
        let repository = try Repository.create(store: store, parameters: .cheap, key: .keyFile(1))
        let snapshots = (1..<4).map { Self.snapshot(at: UInt32($0)) }
        for snapshot in snapshots { try repository.writeSnapshot(snapshot) }
        try store.mutate(Names.object(.snapshot, snapshots[1].id)) { $0[70] ^= 1 }
        #expect(throws: CairnError.self) { try repository.snapshots() }.map { #expect($0.code == .corrupt) }
        var damaged: [RandomID] = []
        #expect(try repository.snapshots { id, _ in damaged.append(id) } == [snapshots[0], snapshots[2]])
        #expect(damaged == [snapshots[1].id])
    }

    /// [F-1] [F-2]
    @Test func leavesAndEntriesSurvive() throws {
        let leaves = [try Self.leaf(1), try Self.leaf(2)]
        for leaf in leaves { #expect(try Leaf(leaf.encode(), object: "x") == leaf) }
        #expect(leaves[0].encode().names == ["c", "n", "r", "f", "l"])
        for entry in [
            entry(.inline(leaves), count: 2), entry(.lists(leaves.map(\.chunk)), count: 200),
            entry(.inline([]), count: 0),
        ] {
            #expect(try CatalogueEntry(entry.encode(), object: "x") == entry)
        }
        var view = entry(.inline([]), count: 0)
        view.kind = .view
        view.uuid = nil
        #expect(try CatalogueEntry(view.encode(), object: "x") == view)
        let bytes = leaves.flatMap { $0.encode().bytes }
        var found: [Leaf] = []
        try Leaf.forEach(inList: bytes.rawSpan, object: "x") { found.append($0) }
        #expect(found == leaves)
    }

    /// [F-1] [L-1]
    @Test func longIDsAreLeftOut() throws {
        let document: BSONDocument = ["_id": .string(String(repeating: "x", count: 2000))]
        let identity = [UInt8](try DocumentIdentity.idBytes(of: document.bytes.rawSpan))
        let leaf = Leaf(
            chunk: SHA256.hash([1].rawSpan), documents: 1, rawBytes: 2020, firstID: identity, lastID: [])
        #expect(leaf.firstID.isEmpty)
        #expect(leaf.encode().names == ["c", "n", "r"])
    }

    /// [B-2] [B-3]: fields that are not known are ignored; those that are missing or mistyped are named.
    @Test func fields() throws {
        let id = RandomID.random()
        let document = Self.snapshot(id).encode()
        let extended = BSONDocument(document.fields.map { ($0.name, $0.value) } + [("future", 1)])
        #expect(try Snapshot(id: id, extended) == Snapshot(id: id, document))
        for (name, _) in document.fields where name != "parent" {
            let without = BSONDocument(document.fields.filter { $0.name != name }.map { ($0.name, $0.value) })
            let mistyped = BSONDocument(document.fields.map { ($0.name, $0.name == name ? .minKey : $0.value) })
            for damaged in [without, mistyped] {
                let error = #expect(throws: CairnError.self) { try Snapshot(id: id, damaged) }
                #expect(error?.code == .corrupt)
                #expect(error?.object == "snapshots/" + id.hex)
                #expect(error?.message.contains("\"\(name)\"") == true)
            }
        }
    }

    /// [B-1]
    @Test func countsAreNotNegative() {
        let document: BSONDocument = ["c": .digest(SHA256.hash([1].rawSpan)), "n": .int64(-1), "r": .int64(10)]
        #expect(throws: CairnError.self) { try Leaf(document, object: "x") }.map { #expect($0.code == .corrupt) }
    }

    /// [V-3] [F-3]
    @Test func newerSnapshotsAreNamed() {
        let id = RandomID.random()
        for (name, value) in [("version", BSONValue.int32(3)), ("kind", "hologram"), ("scanOrder", "random")] {
            let document = BSONDocument(
                Self.snapshot(id).encode().fields.map { ($0.name, $0.name == name ? value : $0.value) })
            #expect(throws: CairnError.self) { try Snapshot(id: id, document) }
                .map { #expect($0.code == .unsupportedFormat) }
        }
    }

    /// [F-4]
    @Test func entriesAreOrderedByBytes() {
        func named(_ database: String, _ collection: String) -> CatalogueEntry {
            var entry = entry(.inline([]), count: 0)
            (entry.database, entry.collection) = (database, collection)
            return entry
        }
        let sorted = [named("a", "z"), named("a.b", "a"), named("aa", "a"), named("aa", "b"), named("é", "a")]
        #expect(sorted.reversed().sorted(by: CatalogueEntry.precedes) == sorted)
    }

    @Test func prefixes() throws {
        let repository = try Repository.create(store: MemoryStore(), parameters: .cheap, key: .keyFile(1))
        let ids = ["0a11", "0a12", "ff00"].map { RandomID(hex: $0 + String(repeating: "7", count: 28))! }
        for id in ids { try repository.writeSnapshot(Self.snapshot(id)) }
        #expect(try repository.resolveSnapshot(prefix: "f") == ids[2])
        #expect(try repository.resolveSnapshot(prefix: "0A12") == ids[1])
        #expect(try repository.resolveSnapshot(prefix: ids[0].hex) == ids[0])
        let ambiguous = #expect(throws: CairnError.self) { try repository.resolveSnapshot(prefix: "0a") }
        #expect(ambiguous?.code == .usage)
        #expect(ambiguous?.message.contains(ids[0].hex) == true && ambiguous?.message.contains(ids[1].hex) == true)
        #expect(throws: CairnError.self) { try repository.resolveSnapshot(prefix: "0b") }
            .map { #expect($0.code == .notFound) }
        for wrong in ["", "xyz", String(repeating: "0", count: 33)] {
            #expect(throws: CairnError.self) { try repository.resolveSnapshot(prefix: wrong) }
                .map { #expect($0.code == .usage) }
        }
    }
}
