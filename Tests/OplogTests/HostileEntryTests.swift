import BSON
import Bytes
import TestSupport
import Testing

@testable import Oplog

/// Damaged entries are errors, never crashes: an archive's key protects them, but a program with the key may be wrong.
@Suite struct HostileEntryTests {
    /// Entries of all kinds, as a server writes them.
    private static let entries: [BSONDocument] = {
        let id: BSONDocument = ["v": 2, "key": ["_id": 1], "name": "_id_"]
        let commands: [BSONDocument] = [
            ["create": "c", "idIndex": .document(id)], ["drop": "c"],
            ["create": "k", "capped": true, "size": 512, "idIndex": .document(id)], ["emptycapped": "k"],
            ["collMod": "c", "validator": ["a": 1], "index": ["name": "a", "hidden": true]],
            ["collMod": "k", "cappedSize": .int64(5_000), "cappedMax": 1.5],
            ["createIndexes": "c", "v": 2, "key": ["a": 1], "name": "a", "expireAfterSeconds": 1e300],
            ["startIndexBuild": "c", "indexBuildUUID": OplogEntryTests.uuid, "indexes": [.document(id)]],
            ["commitIndexBuild": "c", "indexBuildUUID": OplogEntryTests.uuid, "indexes": [.document(id)]],
            ["renameCollection": "d.c", "to": "d.e", "dropTarget": OplogEntryTests.uuid],
            ["dropIndexes": "c", "index": "a"], ["dropDatabase": 1],
            [
                "create": "system.buckets.s", "clusteredIndex": true,
                "timeseries": ["timeField": "t", "metaField": "m", "granularity": "seconds"],
            ],
            ["createIndexes": "system.buckets.s", "v": 2, "key": ["meta.a": 1, "control.min.t": 1], "name": "x"],
            ["collMod": "system.buckets.s", "timeseries": ["granularity": "hours"]],
        ]
        let insert: BSONValue = ["op": "i", "ns": "d.c", "ui": OplogEntryTests.uuid, "o": ["_id": 8]]
        let previous: BSONValue = ["ts": .timestamp(Timestamp(t: 5, i: 1)), "t": .int64(1)]
        let documents: [BSONDocument] = [
            [:], ["op": "u", "o": ["$v": 2, "diff": ["u": ["a": 1]]], "o2": ["_id": 1]],
            ["op": "u", "o": ["_id": 1], "o2": ["_id": 1]], ["op": "d", "o": ["_id": 1]], ["op": "n", "o": [:]],
            ["ns": "d.system.views", "o": ["_id": "d.v", "viewOn": "c", "pipeline": []]],
            ["op": "c", "ns": "admin.$cmd", "o": ["applyOps": [insert], "partialTxn": true]],
            ["op": "c", "ns": "admin.$cmd", "o": ["applyOps": [insert], "count": 2], "prevOpTime": previous],
            [
                "op": "c", "ns": "admin.$cmd", "prevOpTime": previous,
                "o": ["commitTransaction": 1, "commitTimestamp": .timestamp(Timestamp(t: 5, i: 1))],
            ],
            ["op": "c", "ns": "admin.$cmd", "o": ["abortTransaction": 1], "prevOpTime": previous],
        ]
        return (documents + commands.map { ["op": "c", "ns": "d.$cmd", "o": .document($0)] }).map(OplogEntryTests.entry)
    }()

    @Test(arguments: 1...4) func mutatedEntriesNeverCrash(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var refused = 0
        for _ in 0..<400 {
            let fold = Fold([], after: Timestamp(t: 0, i: 0), through: Timestamp(t: 9, i: 0))
            for _ in 0..<12 {
                var bytes = random.pick(Self.entries).bytes
                for _ in 0..<random.integer(0..<4) {
                    bytes[random.integer(4..<bytes.count)] = UInt8(random.integer(0..<256))
                }
                do {
                    _ = try fold.take(bytes.rawSpan)
                    try OplogEntry(bytes.rawSpan).forEachChange { _ = $0.identity.byteCount }
                } catch {
                    refused += 1
                }
            }
            for collection in fold.finish() {
                try? collection.table?.forEachRemaining(into: FoldScratch()) { _, _ in }
            }
        }
        #expect(refused > 0)
    }

    @Test func cutEntriesAreRefused() {
        for entry in Self.entries {
            for count in 0..<entry.bytes.count {
                let bytes = Array(entry.bytes.prefix(count))
                #expect(OplogEntryTests.code { _ = try OplogEntry(bytes.rawSpan).kind } == .corrupt)
            }
        }
    }
}
