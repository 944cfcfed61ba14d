import BSON
import Bytes
import TestSupport
import Testing

@testable import Oplog

/// Transactions as a real server logs them.
@Suite(.enabled(if: LiveOplog.isAvailable, "needs a mongod; set CAIRN_MONGOD"))
struct TransactionTests {
    /// A session of its own, in which transactions run.
    private final class Session {
        let live: LiveOplog
        private let id: BSONValue
        private var number: Int64 = 0
        private var isFirst = true

        init(_ live: LiveOplog) {
            self.live = live
            var random = SystemRandomNumberGenerator()
            id = .binary(subtype: 4, (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) })
        }

        func begin() {
            number += 1
            isFirst = true
        }

        @discardableResult
        func run(_ command: BSONDocument, db: String? = nil) throws -> BSONDocument {
            var fields = command.fields.map { ($0.name, $0.value) }
            fields += [("lsid", ["id": id]), ("txnNumber", .int64(number)), ("autocommit", false)]
            if isFirst { fields.append(("startTransaction", true)) }
            isFirst = false
            return try live.client.run(BSONDocument(fields), db: db ?? live.database)
        }

        func commit() throws { try run(["commitTransaction": 1], db: "admin") }
        func abort() throws { try run(["abortTransaction": 1], db: "admin") }

        func prepare() throws -> Timestamp {
            try run(["prepareTransaction": 1, "writeConcern": ["w": "majority"]], db: "admin")
                .require("prepareTimestamp", in: "prepareTransaction")
        }

        func commit(at time: Timestamp) throws {
            try run(["commitTransaction": 1, "commitTimestamp": .timestamp(time)], db: "admin")
        }
    }

    private struct Seen: Equatable {
        let id: String
        let time: Timestamp
    }

    private func take(_ entries: [[UInt8]], _ assembler: inout TransactionAssembler) throws -> [Seen] {
        var seen: [Seen] = []
        for entry in entries {
            try assembler.take(entry.rawSpan) { operation in
                guard operation.kind != .command else { return }
                let id = try DocumentIdentity.document(of: operation.entry.identity)["_id"] ?? .null
                seen.append(Seen(id: "\(operation.kind) \(id)", time: operation.time))
            }
        }
        return seen
    }

    private func time(_ entry: [UInt8]) throws -> Timestamp { try OplogEntry(entry.rawSpan).timestamp }

    @Test func aTransactionOfSeveralEntriesCountsAtItsLast() throws {
        var options = ThrowawayServer.Options()
        options.arguments = ["--setParameter", "maxNumberOfTransactionOperationsInSingleOplogEntry=1"]
        let live = try LiveOplog(ThrowawayServer(options))
        try live.run(["create": "c"])
        _ = try live.entries()
        let session = Session(live)
        session.begin()
        for id in 0..<4 { try session.run(["insert": "c", "documents": [["_id": .int32(Int32(id))]]]) }
        try live.insert("c", [["_id": 100]])
        try session.commit()
        session.begin()
        try session.run(["insert": "c", "documents": [["_id": 50]]])
        try session.abort()
        session.begin()
        try session.run(["delete": "c", "deletes": [["q": ["_id": 100], "limit": 1]]])
        try session.commit()
        let entries = try live.entries()
        #expect(entries.count == 6, "one insert, four entries of one operation each, one transaction of one")
        let last = try time(entries[4])
        let expected =
            [Seen(id: "insert int32(100)", time: try time(entries[0]))]
            + (0..<4).map { Seen(id: "insert int32(\($0))", time: last) }
            + [Seen(id: "delete int32(100)", time: try time(entries[5]))]

        var assembler = TransactionAssembler()
        #expect(try take(entries, &assembler) == expected)
        #expect(assembler.openByteCount == 0)

        // The start comes as a prelude: before the rest, or after a middle that an earlier segment held.
        var late = TransactionAssembler()
        _ = try take([entries[2]], &late)
        for entry in entries[1...3] { try late.takePrelude(entry.rawSpan) }
        #expect(try take([entries[4]], &late) == Array(expected[1...4]))
        for entry in entries[1...3] { try late.takePrelude(entry.rawSpan) }
        #expect(late.openByteCount == 0, "the prelude of an overlapping segment keeps nothing")

        var headless = TransactionAssembler()
        #expect(try take(Array(entries[2...3]), &headless) == [])
        let error = #expect(throws: CairnError.self) { try take([entries[4]], &headless) }
        #expect(error?.code == .corrupt)
        #expect(error?.description.contains("\(try time(entries[1]))") == true)

        var small = TransactionAssembler(openByteCountMax: 100)
        #expect(OplogEntryTests.code { _ = try take(entries, &small) } == .limit)
    }

    @Test func preparedTransactionsCountAtTheirCommitTimestamp() throws {
        var options = ThrowawayServer.Options()
        options.arguments = ["--setParameter", "enableTestCommands=1"]
        let live = try LiveOplog(ThrowawayServer(options))
        try live.run(["create": "c"])
        try live.insert("c", [["_id": 1], ["_id": 2]])
        _ = try live.entries()
        let base = live.time
        let definitions = try live.catalogue()

        let session = Session(live)
        session.begin()
        try session.run(["insert": "c", "documents": [["_id": 10]]])
        try session.run(["update": "c", "updates": [["q": ["_id": 1], "u": ["$set": ["a": 1]]]]])
        let prepared = try session.prepare()
        try live.insert("c", [["_id": 20]])
        try live.insert("c", [["_id": 21]])
        try session.commit(at: prepared)
        let other = Session(live)
        other.begin()
        try other.run(["insert": "c", "documents": [["_id": 30]]])
        _ = try other.prepare()
        try other.abort()
        let entries = try live.entries()
        let times = try entries.map(time)

        func inserted(through target: Timestamp) throws -> (ids: [String], taken: Int) {
            let fold = Fold(definitions, after: base, through: target, admits: live.admits())
            var taken = 0
            for entry in entries {
                taken += 1
                if try !fold.take(entry.rawSpan) { break }
            }
            let table = fold.finish().first { $0.definition.name == "c" }?.table
            var ids: [String] = []
            try table?.forEachRemaining(into: FoldScratch()) { _, identity in ids.append(IdentityText.of(identity)) }
            return (ids.sorted(), taken)
        }
        let commit = try #require(
            try entries.firstIndex { try Operation(OplogEntry($0.rawSpan), at: base).command == "commitTransaction" })
        #expect(times[0] == prepared)
        // In the middle of the window: the commit's entry lies behind the target, its time does not.
        #expect(try inserted(through: times[1]) == (["10", "20"], commit + 1))
        #expect(try inserted(through: times[commit]).ids == ["10", "20", "21"])
        #expect(try inserted(through: try #require(times.last)).ids == ["10", "20", "21"])
        // Before it was prepared, it never happened.
        #expect(try inserted(through: base) == ([], 1))
    }

    /// Batched inserts of newer servers: linked like a transaction, and none.
    @Test func entriesThatAreAppliedSeparatelyCountOneByOne() throws {
        func group(_ id: BSONValue, _ second: UInt32, _ previous: UInt32) -> [UInt8] {
            let insert: BSONValue = ["op": "i", "ns": "d.c", "ui": OplogEntryTests.uuid, "o": ["_id": id]]
            return OplogEntryTests.entry([
                "op": "c", "ns": "admin.$cmd", "o": ["applyOps": [insert]], "multiOpType": 1, "txnNumber": .int64(1),
                "ts": .timestamp(Timestamp(t: second, i: 1)),
                "prevOpTime": ["ts": .timestamp(Timestamp(t: previous, i: 1)), "t": .int64(1)],
            ]).bytes
        }
        var assembler = TransactionAssembler()
        let seen = try take([group(1, 5, 0), group(2, 6, 5)], &assembler)
        #expect(seen.map(\.time) == [Timestamp(t: 5, i: 1), Timestamp(t: 6, i: 1)])
    }
}
