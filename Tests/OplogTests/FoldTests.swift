import BSON
import Bytes
import TestSupport
import Testing

@testable import Oplog

/// The fold of what a server logged, over what it held before, is what it holds after.
@Suite(.enabled(if: LiveOplog.isAvailable, "needs a mongod; set CAIRN_MONGOD"))
struct FoldTests {
    /// A snapshot of the database at one time, taken while nobody writes.
    private struct State {
        let time: Timestamp
        let definitions: [CollectionDefinition]
        let documents: [UUIDKey: [BSONDocument]]

        init(_ live: LiveOplog) throws {
            definitions = try live.catalogue()
            var documents: [UUIDKey: [BSONDocument]] = [:]
            for definition in definitions {
                guard let uuid = definition.uuid else { continue }
                let isSeries = definition.kind == .timeseries
                documents[uuid] = try live.documents(isSeries ? "system.buckets.\(definition.name)" : definition.name)
            }
            self.documents = documents
            time = live.time
        }
    }

    /// Folds `entries` over `base`, in as many passes as there are partitions; natural order where there is one pass.
    private func fold(
        _ base: State, _ entries: [[UInt8]], through: Timestamp, partitions: Int,
        admits:
            @escaping @Sendable (
                String, String
            ) -> Bool
    ) throws -> (definitions: [CollectionDefinition], documents: [UUIDKey: [BSONDocument]]) {
        var documents: [UUIDKey: [BSONDocument]] = [:]
        var definitions: [CollectionDefinition] = []
        for number in 0..<partitions {
            let hash = FoldHash(partition: number, of: partitions)
            let fold = Fold(
                base.definitions, after: base.time, through: through, partition: hash, admits: admits)
            for entry in entries where try !fold.take(entry.rawSpan) { break }
            definitions = []
            for collection in fold.finish() {
                definitions.append(collection.definition)
                guard let uuid = collection.definition.uuid else { continue }
                documents[uuid, default: []] += try self.documents(collection, base, isFirst: number == 0)
            }
        }
        return (definitions, documents)
    }

    private func documents(_ collection: Fold.Collection, _ base: State, isFirst: Bool) throws -> [BSONDocument] {
        let before = collection.isInBase ? collection.definition.uuid.flatMap { base.documents[$0] } ?? [] : []
        guard let table = collection.table else { return isFirst ? before : [] }
        let scratch = FoldScratch()
        var result: [BSONDocument] = []
        for document in before {
            let bytes = document.bytes.rawSpan
            switch try table.apply(bytes, identity: DocumentIdentity.idBytes(of: bytes), into: scratch) {
            case .untouched: result.append(document)
            case .replaced: result.append(try BSONDocument(copying: scratch.document.bytes))
            case .removed, .foreign: break
            }
        }
        try table.checkAllSeen()
        try table.forEachRemaining(into: scratch) { document, _ in
            result.append(try BSONDocument(copying: document))
        }
        return result
    }

    private func check(_ live: LiveOplog, _ base: State, partitions: [Int] = [1, 3]) throws {
        let entries = try live.entries()
        let expected = try State(live)
        for count in partitions {
            let folded = try fold(
                base, entries, through: expected.time, partitions: count, admits: live.admits())
            #expect(folded.definitions.map(describe) == expected.definitions.map(describe))
            for definition in expected.definitions {
                guard let uuid = definition.uuid else { continue }
                let own = folded.documents[uuid] ?? []
                let there = expected.documents[uuid] ?? []
                if count == 1, definition.options["capped"] == .bool(true) {
                    #expect(own == there, "\(definition.namespace), in natural order")
                } else {
                    #expect(Set(own) == Set(there) && own.count == there.count, "\(definition.namespace)")
                }
            }
        }
    }

    private func begin(_ live: LiveOplog) throws -> State {
        _ = try live.entries()
        return try State(live)
    }

    @Test func documentsOfOneCollection() throws {
        let live = try LiveOplog()
        try live.insert("c", (0..<50).map { ["_id": .int32($0), "a": ["b": .int32($0)], "list": [1, 2, 3]] })
        let base = try begin(live)
        try live.update("c", ["_id": 1], ["$set": ["a.b": 7, "new": "field"]])
        try live.update("c", ["_id": 1], ["$unset": ["list": ""], "$inc": ["a.b": 1]])
        try live.update("c", ["_id": 2], ["replaced": true])
        try live.update("c", ["_id": 2], ["$set": ["x": 1]])
        try live.delete("c", ["_id": 3])
        try live.delete("c", ["_id": 4])
        try live.insert("c", [["_id": 4, "again": true]])
        try live.update("c", ["_id": 4], ["$push": ["list": 5]])
        try live.insert("c", [["_id": 100], ["_id": 101]])
        try live.update("c", ["_id": 100], ["$set": ["y": [:]]])
        try live.delete("c", ["_id": 101])
        try live.update("c", ["_id": 200], ["$set": ["upserted": 1]])
        try live.update("c", ["_id": 5], ["$set": ["list.7": 1]])
        try live.update("c", ["_id": 5], ["$push": ["list": ["$each": [1, 2], "$slice": -4]]])
        try live.update("c", ["_id": ["$gt": 40]], ["$set": ["z": 1]])
        try live.delete("c", ["_id": ["$gt": 45, "$lt": 60]], limit: 0)
        try check(live, base)
    }

    /// To the server 1 and 1.0 are one `_id`; a replacement may turn one into the other.
    @Test func replacementsThatChangeTheNumberTypeOfAnID() throws {
        let live = try LiveOplog()
        try live.insert("c", [["_id": 1, "a": 1], ["_id": 2, "a": 1]])
        let base = try begin(live)
        try live.update("c", ["_id": 1], ["_id": 1.0, "b": 2])
        try live.update("c", ["_id": 1], ["$set": ["c": 3]])
        try live.update("c", ["_id": 2], ["b": 2, "_id": .int64(2)])
        try live.delete("c", ["_id": 2])
        try live.insert("c", [["_id": 2, "back": true]])
        try check(live, base)
    }

    /// The order of a capped collection is data, and what falls off its start is in the oplog.
    @Test func cappedCollections() throws {
        let live = try LiveOplog()
        try live.run(["create": "c", "capped": true, "size": 4_096, "max": 20])
        try live.insert("c", (0..<15).map { ["_id": .int32($0), "text": "same size"] })
        let base = try begin(live)
        try live.insert("c", (15..<30).map { ["_id": .int32($0), "text": "same size"] })
        try live.update("c", ["_id": 25], ["$set": ["text": "SAME SIZE"]])
        try live.delete("c", ["_id": 22])
        try live.run(["collMod": "c", "cappedMax": 12])
        try live.insert("c", [["_id": 3]])
        try check(live, base)
    }

    @Test func everyKindOfDefinition() throws {
        let live = try LiveOplog()
        let db = live.database
        try live.insert("a", (0..<20).map { ["_id": .int32($0)] })
        try live.insert("b", (0..<20).map { ["_id": .int32($0)] })
        try live.run(["create": "s", "timeseries": ["timeField": "t", "metaField": "m"]])
        try live.insert("s", (0..<20).map { ["t": .date(Int64($0) * 1_000), "m": .int32($0 % 3), "v": .int32($0)] })
        try live.run(["create": "v", "viewOn": "a", "pipeline": []])
        let base = try begin(live)
        try live.insert("s", (0..<20).map { ["t": .date(Int64($0) * 900), "m": .int32($0 % 4), "v": .int32($0)] })
        try live.update("a", ["_id": 1], ["$set": ["x": 1]])
        try live.client.run(
            ["renameCollection": .string("\(db).a"), "to": .string("\(db).c")], db: "admin")
        try live.update("c", ["_id": 2], ["$set": ["x": 1]])
        try live.insert("a", [["_id": 5, "fresh": true]])
        try live.run(["drop": "b"])
        try live.insert("b", [["_id": 6, "fresh": true]])
        try live.run(["aggregate": "c", "pipeline": [["$out": "b"]], "cursor": [:]])
        try live.update("b", ["_id": 7], ["$set": ["y": 1]])
        try live.run(["convertToCapped": "c", "size": 10_000])
        try live.run(["drop": "v"])
        try live.run(["create": "w", "viewOn": "c", "pipeline": []])
        try check(live, base)
    }

    /// Random operations of one client on few documents, so that chains grow long.
    @Test(arguments: 1...4) func randomOperations(seed: Int) throws {
        var random = RandomDocuments(seed: UInt64(seed))
        let live = try LiveOplog()
        func id() -> BSONValue { .int32(Int32(random.random.integer(0..<30))) }
        func documents(_ count: Int) -> [BSONDocument] {
            (0..<count).map { random.ordinaryDocument(id: .int32(Int32($0)), bytes: 300) }
        }
        try live.insert("c", documents(20))
        let base = try begin(live)
        for _ in 0..<300 {
            switch random.random.integer(0..<6) {
            case 0: try live.delete("c", ["_id": id()])
            case 1:
                let document = random.ordinaryDocument(id: id(), bytes: 200)
                try live.update("c", ["_id": document["_id"] ?? .null], .document(document))
            case 2: try live.update("c", ["_id": id()], ["$push": ["tags": .string("x")]])
            case 3: try live.update("c", ["_id": id()], ["$unset": ["name": ""], "$inc": ["visits": 1]])
            case 4: try live.update("c", ["_id": id()], ["$set": ["address.street": "s", "new.deep.path": id()]])
            default: try live.update("c", ["_id": id()], ["$pop": ["tags": 1], "$set": ["active": true]])
            }
        }
        try check(live, base)
    }
}
