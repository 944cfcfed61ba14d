import BSON
import Bytes
import Testing

@testable import Oplog

@Suite struct FoldTableTests {
    private func add(
        _ builder: FoldTableBuilder, _ op: String, _ id: BSONValue, _ document: BSONDocument = [:]
    ) throws {
        let fields: [(String, BSONValue)] = [("_id", id)] + document.fields.map { ($0.name, $0.value) }
        let object: BSONValue = .document(op == "u" ? document : BSONDocument(fields))
        let entry = OplogEntryTests.entry(["op": .string(op), "o": object, "o2": ["_id": id]])
        try builder.add(Operation(OplogEntry(entry.bytes.rawSpan), at: Timestamp(t: 5, i: 1)))
    }

    private func apply(_ table: FoldTable, _ document: BSONDocument, _ scratch: FoldScratch) throws -> FoldTable.Outcome
    {
        let bytes = document.bytes.rawSpan
        return try table.apply(bytes, identity: DocumentIdentity.idBytes(of: bytes), into: scratch)
    }

    @Test func whatDoesNotFitIsAnError() throws {
        let builder = FoldTableBuilder(namespace: "d.c")
        try add(builder, "i", 1)
        try add(builder, "d", 2)
        try add(builder, "u", 3, ["_id": 3])
        #expect(OplogEntryTests.code { try add(builder, "i", 1) } == .corrupt)
        #expect(OplogEntryTests.code { try add(builder, "u", 2, ["_id": 2]) } == .corrupt)
        #expect(OplogEntryTests.code { try add(builder, "d", 2) } == .corrupt)
        #expect(OplogEntryTests.code { try add(builder, "i", 3) } == .corrupt)
        let table = builder.freeze()
        let scratch = FoldScratch()
        #expect(OplogEntryTests.code { _ = try apply(table, ["_id": 1], scratch) } == .corrupt)
        #expect(OplogEntryTests.code { try table.checkAllSeen() } == .corrupt)
        #expect(try apply(table, ["_id": 2], scratch) == .removed)
        #expect(OplogEntryTests.code { try table.checkAllSeen() } == .corrupt)
        #expect(try apply(table, ["_id": 3], scratch) == .replaced)
        try table.checkAllSeen()
        #expect(OplogEntryTests.code { _ = try apply(table, ["_id": 3], scratch) } == .corrupt)
        #expect(try apply(table, ["_id": 4], scratch) == .untouched)
        let error = #expect(throws: CairnError.self) { _ = try apply(table, ["_id": 1], scratch) }
        #expect(error?.description.contains("_id 1") == true)
        #expect(error?.description.contains("5.1") == true)
        #expect(error?.object == "d.c")
    }

    @Test func anInsertThatIsDeletedLeavesNothing() throws {
        let builder = FoldTableBuilder(namespace: "d.c")
        try add(builder, "i", 1)
        try add(builder, "d", 1)
        let table = builder.freeze()
        try table.checkAllSeen()
        try table.forEachRemaining(into: FoldScratch()) { _, _ in Issue.record("nothing lives") }
    }

    @Test func whatIsDiscardedIsGone() throws {
        let builder = FoldTableBuilder(namespace: "d.c")
        try add(builder, "i", 1)
        builder.discardAll()
        try add(builder, "i", 2)
        #expect(OplogEntryTests.code { try add(builder, "u", 3, ["_id": 3]) } == .corrupt)
        let table = builder.freeze()
        #expect(try apply(table, ["_id": 2], FoldScratch()) == .removed)
        try table.checkAllSeen()
        var left: [BSONDocument] = []
        try table.forEachRemaining(into: FoldScratch()) { document, _ in
            left.append(try BSONDocument(copying: document))
        }
        #expect(left == [["_id": 2]])
    }

    @Test func manyDocumentsFitInLittleMemory() throws {
        let builder = FoldTableBuilder(namespace: "d.c")
        for id in 0..<4_000 { try add(builder, "d", .int64(Int64(id))) }
        let table = builder.freeze()
        #expect(table.documentCount == 4_000)
        #expect(table.byteCount < 4_000 * 100)
        let scratch = FoldScratch()
        for id in 0..<4_000 { #expect(try apply(table, ["_id": .int64(Int64(id))], scratch) == .removed) }
        try table.checkAllSeen()
    }

    @Test func whatIsWrittenAgainAndAgainTakesTheMemoryOfOne() throws {
        let builder = FoldTableBuilder(namespace: "d.c")
        let bytes: BSONValue = .binary(subtype: 0, [UInt8](repeating: 1, count: 100_000))
        for round in 0..<20 {
            for id in 0..<5 {
                try add(builder, "u", BSONValue(id), ["_id": BSONValue(id), "round": BSONValue(round), "bytes": bytes])
                try add(builder, "u", BSONValue(id), ["$v": 2, "diff": ["i": ["last": BSONValue(round)]]])
            }
        }
        try add(builder, "d", 4)
        let table = builder.freeze()
        #expect(table.byteCount < 10_000_000, "a hundred documents of 100 kB were written")
        let scratch = FoldScratch()
        for id in 0..<4 {
            #expect(try apply(table, ["_id": BSONValue(id)], scratch) == .replaced)
            let document = try BSONDocument(copying: scratch.document.bytes)
            #expect(document["round"] == 19)
            #expect(document["last"] == 19)
            #expect(document["bytes"] == bytes)
        }
        #expect(try apply(table, ["_id": 4], scratch) == .removed)
        try table.checkAllSeen()
    }

    @Test func aCounterThatIsIncreasedAgainAndAgainIsOneUpdate() throws {
        let builder = FoldTableBuilder(namespace: "d.c")
        for count in 0..<3_000 {
            let diff: BSONValue = ["u": ["n": BSONValue(count)], "sat": ["u": ["t": .date(Int64(count))]]]
            try add(builder, "u", 1, ["$v": 2, "diff": diff])
        }
        let table = builder.freeze()
        #expect(table.byteCount < 260_000, "the updates take 3,000 times 100 bytes")
        let scratch = FoldScratch()
        #expect(try apply(table, ["_id": 1, "n": 0, "at": ["t": 1, "x": 2]], scratch) == .replaced)
        #expect(
            try BSONDocument(copying: scratch.document.bytes)
                == ["_id": 1, "n": 2_999, "at": ["t": .date(2_999), "x": 2]])
    }

    /// The server lets a replacement make `1.0` of the `_id` `1`; in a capped collection the document stays where it
    /// was, and what is done to it from then on names the new one.
    @Test func aDocumentKeepsItsPlaceUnderAnotherIdentity() throws {
        let builder = FoldTableBuilder(namespace: "d.c", keepsPlaces: true)
        try add(builder, "u", 1, ["_id": .double(1), "n": 1])
        try add(builder, "u", .double(1), ["$v": 2, "diff": ["i": ["m": 2]]])
        for id in [2, 3] { try add(builder, "i", BSONValue(id)) }
        try add(builder, "u", 2, ["_id": .int64(2), "n": 4])
        // There and back again.
        try add(builder, "u", 3, ["_id": .double(3)])
        try add(builder, "u", .double(3), ["_id": 3])
        // Deleted under the other identity, and inserted anew under the first.
        try add(builder, "u", 4, ["_id": .double(4)])
        try add(builder, "d", .double(4))
        #expect(OplogEntryTests.code { try add(builder, "u", 4, ["_id": 4]) } == .corrupt)
        try add(builder, "i", 4, ["again": true])
        // The first identity of the base, its document gone, is taken on by one that was inserted.
        try add(builder, "d", 5)
        try add(builder, "i", .double(5))
        try add(builder, "u", .double(5), ["_id": 5, "n": 6])
        try add(builder, "u", 5, ["$v": 2, "diff": ["u": ["n": 7]]])
        let table = builder.freeze()
        let scratch = FoldScratch()
        #expect(try apply(table, ["_id": 1, "n": 0], scratch) == .replaced)
        #expect(try BSONDocument(copying: scratch.document.bytes) == ["_id": .double(1), "n": 1, "m": 2])
        #expect(try apply(table, ["_id": 4], scratch) == .removed)
        #expect(try apply(table, ["_id": 5], scratch) == .removed)
        try table.checkAllSeen()
        var rest: [BSONDocument] = []
        try table.forEachRemaining(into: scratch) { document, _ in rest.append(try BSONDocument(copying: document)) }
        #expect(rest == [["_id": .int64(2), "n": 4], ["_id": 3], ["_id": 4, "again": true], ["_id": 5, "n": 7]])
    }
}
