import BSON
import Bytes
import Testing

@testable import Oplog

@Suite struct OplogEntryTests {
    static let uuid: BSONValue = .binary(subtype: 4, [UInt8](repeating: 7, count: 16))

    /// An entry as servers write it, with `changes` on top.
    static func entry(_ changes: BSONDocument) -> BSONDocument {
        let base: BSONDocument = [
            "op": "i", "ns": "d.c", "ui": uuid, "o": ["_id": 1, "a": 2], "ts": .timestamp(Timestamp(t: 5, i: 1)),
            "t": .int64(1), "v": .int64(2), "wall": .date(1),
        ]
        return changes.fields.reduce(base) { $0.setting($1.name, $1.value, order: []) }
    }

    static func code(_ body: () throws -> Void) -> CairnError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? CairnError)?.code
        }
    }

    @Test func fieldsAreRead() throws {
        let document = Self.entry([
            "op": "u", "o": ["$v": 2, "diff": ["u": ["a": 1]]], "o2": ["shard": 3, "_id": 9],
            "prevOpTime": ["ts": .timestamp(Timestamp(t: 4, i: 2)), "t": .int64(1)], "lsid": ["id": Self.uuid],
            "txnNumber": .int64(1), "stmtId": 0, "b": true,
        ])
        let entry = try OplogEntry(document.bytes.rawSpan)
        #expect(entry.kind == .update)
        #expect(entry.namespaceText == "d.c")
        #expect(entry.opTime == OpTime(timestamp: Timestamp(t: 5, i: 1), term: 1))
        #expect(entry.uuid?.bytes == [UInt8](repeating: 7, count: 16))
        #expect(entry.previous == OpTime(timestamp: Timestamp(t: 4, i: 2), term: 1))
        #expect(entry.isUpsert == true)
        #expect(entry.isAppliedSeparately == false)
        #expect(try DocumentIdentity.document(of: entry.identity) == ["_id": 9])
        let isReplacement = try entry.isReplacement
        #expect(!isReplacement)
    }

    @Test func aNullPreviousOpTimeIsNone() throws {
        let document = Self.entry(["prevOpTime": ["ts": .timestamp(Timestamp(t: 0, i: 0)), "t": .int64(-1)]])
        let entry = try OplogEntry(document.bytes.rawSpan)
        #expect(entry.previous == nil)
    }

    @Test(
        arguments: [
            ["op": "ci"], ["op": "xi"], ["op": "km"], ["op": "q"], ["container": "x"], ["z": 1], ["multiOpType": 2],
            ["v": 3],
        ] as [BSONDocument])
    func whatIsNotKnownIsRefused(_ change: BSONDocument) {
        let bytes = Self.entry(change).bytes
        #expect(Self.code { _ = try OplogEntry(bytes.rawSpan).kind } == .unsupportedFormat)
    }

    @Test(arguments: ["op", "ns", "o", "ts"])
    func whatMustBeThereIs(_ name: String) {
        let bytes = Self.entry([:]).removing(name).bytes
        #expect(Self.code { _ = try OplogEntry(bytes.rawSpan).kind } == .corrupt)
    }

    private func changes(_ document: BSONDocument) throws -> [String] {
        var found: [String] = []
        try OplogEntry(document.bytes.rawSpan).forEachChange { change in
            found.append("\(change.kind) \(try DocumentIdentity.document(of: change.identity)["_id"] ?? .null)")
        }
        return found
    }

    private func inner(_ op: String, _ id: BSONValue) -> BSONValue {
        .document([
            "op": .string(op), "ns": "d.c", "ui": Self.uuid, "o": ["_id": id], "o2": ["_id": id],
        ])
    }

    @Test func nestedOperationsAreTakenApart() throws {
        let nested: BSONValue = .document([
            "op": "c", "ns": "admin.$cmd", "o": ["applyOps": [inner("d", 3), inner("n", 0), inner("i", 4)]],
        ])
        let document = Self.entry([
            "op": "c", "ns": "admin.$cmd",
            "o": ["applyOps": [inner("i", 1), inner("u", 2), nested], "partialTxn": true],
        ])
        #expect(try changes(document) == ["insert int32(1)", "update int32(2)", "delete int32(3)", "insert int32(4)"])
    }

    @Test func aReplacementWithAnotherIDIsTwoChanges() throws {
        let document = Self.entry(["op": "u", "o": ["_id": 1.0], "o2": ["_id": 1]])
        #expect(try changes(document) == ["update int32(1)", "insert double(1.0)"])
    }

    @Test func nestingIsBounded() throws {
        var command: BSONDocument = ["applyOps": [inner("i", 1)]]
        for _ in 0..<ApplyOps.depthMax {
            command = ["applyOps": [["op": "c", "ns": "admin.$cmd", "o": .document(command)]]]
        }
        let document = Self.entry(["op": "c", "ns": "admin.$cmd", "o": .document(command)])
        #expect(Self.code { _ = try changes(document) } == .limit)
    }

    @Test(
        arguments: [
            ["create": "new", "unheardOf": 1], ["collMod": "c", "unheardOf": 1], ["convertToCapped": "c"],
            ["importCollection": "c"], ["upgradeDowngradeViewlessTimeseries": "c"], ["somethingNew": 1],
            ["createIndexes": "c", "key": ["a": 1], "name": "a", "unheardOf": 1],
            ["collMod": "c", "index": ["name": "_id_", "unheardOf": 1]],
        ] as [BSONDocument])
    func unknownCommandsAndOptionsAreRefused(_ command: BSONDocument) throws {
        let id: BSONDocument = ["v": 2, "key": ["_id": 1], "name": "_id_"]
        var state = CatalogueState([
            CollectionDefinition(
                database: "d", name: "c", kind: .collection, uuid: UUIDKey([UInt8](repeating: 7, count: 16).rawSpan),
                options: [:], indexes: [id])
        ])
        let ui: BSONValue =
            command.contains("create") ? .binary(subtype: 4, [UInt8](repeating: 8, count: 16)) : Self.uuid
        let bytes = Self.entry(["op": "c", "ns": "d.$cmd", "o": .document(command), "ui": ui]).bytes
        let error = #expect(throws: CairnError.self) {
            try state.apply(Operation(OplogEntry(bytes.rawSpan), at: Timestamp(t: 5, i: 1)))
        }
        #expect(error?.code == .unsupportedFormat)
        #expect(error?.description.contains("5.1") == true)
        #expect(error?.object?.hasPrefix("d.") == true)
    }
}
