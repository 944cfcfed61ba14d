import BSON
import Bytes
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Remote

@Suite(.enabled(if: ThrowawayServer.isAvailable, "skipped: no mongod on PATH or in CAIRN_MONGOD"))
struct MongoStoreTests {
    private static let databases = Atomic<Int>(0)

    private func makeStore() throws -> MongoStore {
        try MongoStore.open(uri: uri(database: "store\(Self.databases.add(1, ordering: .relaxed).newValue)"))
    }

    /// The shared server's address with that database behind its hosts.
    private func uri(database: String) throws -> String {
        let parts = try ThrowawayServer.shared("store").uri.split(separator: "?", maxSplits: 1)
        let hosts = parts[0].hasSuffix("/") ? String(parts[0]) : parts[0] + "/"
        return hosts + database + (parts.count > 1 ? "?" + parts[1] : "")
    }

    @Test func itIsAStore() throws {
        try StoreConformance { try makeStore() }.run()
    }

    @Test func aConnectionStringWithoutADatabaseIsRefused() throws {
        for text in ["mongodb://host", "mongodb://host/", "mongodb://host/?replicaSet=a", "host"] {
            #expect(MongoStoreLocation.database(text) == nil, "\(text)")
        }
        #expect(MongoStoreLocation.database("mongodb://u:p@a,b:1/cairn?x=/y") == "cairn")
    }

    /// Every field of every document that holds an object, changed: found, and no wrong byte comes out.
    @Test func changedDocumentsAreFound() throws {
        let store = try makeStore()
        let client = try ThrowawayServer.shared("store").connect()
        let big = ObjectName(trusted: "packs/ab/big")
        let small = ObjectName(trusted: "config")
        let changes: [(ObjectName, collection: String, BSONDocument)] = [
            (small, "cairn.objects", ["$set": ["data": .binary(subtype: 0, [1, 2, 3])]]),
            (small, "cairn.objects", ["$set": ["size": 5]]),
            (small, "cairn.objects", ["$unset": ["data": 1]]),
            (small, "cairn.objects", ["$unset": ["size": 1]]),
            (big, "cairn.objects", ["$set": ["size": 2_500_001]]),
            (big, "cairn.parts", ["$set": ["data": .binary(subtype: 0, [1])]]),
            (big, "cairn.parts", ["$unset": ["sha256": 1]]),
        ]
        for (name, collection, change) in changes {
            try store.put(small, "abc!", mode: .replace)
            try store.put(big, [UInt8](repeating: 7, count: 2_500_000).rawSpan, mode: .replace)
            let update: BSONDocument = [
                "update": .string(collection), "updates": [["q": [:], "u": .document(change), "multi": true]],
            ]
            _ = try client.run(update, db: store.database)
            expectError(.corrupt) { try store.get(name, into: Buffer(capacity: 0)) }
            _ = try client.run(
                ["delete": .string("cairn.objects"), "deletes": [["q": [:], "limit": 0]]], db: store.database)
        }
        // A part that is whole, but another one.
        let other = [UInt8](repeating: 8, count: 1 << 20)
        let digest = SHA256.hash(other.rawSpan)
        let exchange: BSONDocument = [
            "$set": ["data": .binary(subtype: 0, other), "sha256": .binary(subtype: 0, digest.bytes)]
        ]
        try store.put(big, [UInt8](repeating: 7, count: 2_500_000).rawSpan, mode: .replace)
        _ = try client.run(
            ["update": "cairn.parts", "updates": [["q": ["_id.part": 1], "u": .document(exchange), "multi": true]]],
            db: store.database)
        expectError(.corrupt) { try store.get(big, into: Buffer(capacity: 0)) }
        try store.put(big, [UInt8](repeating: 7, count: 2_500_000).rawSpan, mode: .replace)
        _ = try client.run(
            ["delete": "cairn.parts", "deletes": [["q": ["_id.part": 1], "limit": 0]]], db: store.database)
        expectError(.corrupt) { try store.get(big, into: Buffer(capacity: 0)) }
        expectError(.corrupt) { try store.get(big, range: 0..<2_000_000, into: Buffer(capacity: 0)) }
    }

    /// What replaced, deleted and unfinished objects leave goes: at once, or with the sweep that spares the young.
    @Test func partsGoWithTheirObjects() throws {
        let store = try makeStore()
        let client = try ThrowawayServer.shared("store").connect()
        func parts() throws -> Int {
            try client.documents(of: ["find": "cairn.parts", "projection": ["_id": 1]], db: store.database).count
        }
        let name = ObjectName(trusted: "packs/ab/abc")
        let content = [UInt8](repeating: 1, count: 3 << 20)
        try store.put(name, content.rawSpan, mode: .ifAbsent)
        #expect(try parts() == 3)
        expectError(.alreadyExists) { try store.put(name, content.rawSpan, mode: .ifAbsent) }
        #expect(try parts() == 3)
        try store.put(name, content.rawSpan, mode: .replace)
        #expect(try parts() == 3)

        let orphan = MongoStore.partID(RandomID.random(), 0)
        let insert: BSONDocument = [
            "insert": "cairn.parts", "documents": [["_id": .document(orphan), "at": .date(1_000_000)]],
        ]
        _ = try client.run(insert, db: store.database)
        #expect(try store.sweep(now: 1_000 + 86_400) == 0)
        #expect(try store.sweep(now: 1_001 + 86_400) == 1)
        #expect(try parts() == 3)
        #expect(try store.stat(name)?.size == 3 << 20)
        try store.delete(name)
        #expect(try parts() == 0)
    }
}
