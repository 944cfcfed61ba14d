import BSON
import Bytes
import TestSupport
import Testing

/// A server's own updates: what its oplog says, applied one entry after the other, must be what it shows, byte for
/// byte.
@Suite struct ServerUpdateTests {
    private static let seed = UInt64.random(in: 0 ... .max)
    private static let documents = 600
    private static let updatesMin = 100_000
    private static let historyMax = 40

    /// The documents as the oplog makes them.
    private struct Model {
        var documents: [Int: [UInt8]] = [:]
        /// The newest updates of some documents.
        var histories: [Int: [[UInt8]]] = [:]
        var diffs = 0
        var replacements = 0
        let scratch = Buffer(capacity: 1 << 16)

        mutating func apply(_ entry: RawSpan) throws {
            let view = try DocumentView(entry)
            guard let operation = try view.first(named: "op"), operation.string == "u",
                let update = try view.first(named: "o")?.value,
                let id = try view.first(named: "o2")?.document?.first(named: "_id")?.integer
            else { return }
            guard let old = documents[Int(id)] else { throw CairnError(.corrupt, "no document \(id)") }
            scratch.removeAll()
            try UpdateApplier.apply(update: update, to: old.rawSpan, into: scratch)
            documents[Int(id)] = scratch.array
            let isDiff = try DocumentView(update).first(named: "$v") != nil
            diffs += isDiff ? 1 : 0
            replacements += isDiff ? 0 : 1

            guard id % 16 == 0 else { return }
            histories[Int(id), default: []].append([UInt8](update))
            if histories[Int(id), default: []].count > historyMax { histories[Int(id)]?.removeFirst() }
        }

        /// How many documents differ from what the server shows.
        func differences(_ shown: RawSpan) throws -> Int {
            var differing = 0
            try DocumentBatch.forEachDocument(inChunk: shown) { document in
                let id = try DocumentView(document).first(named: "_id")?.integer ?? -1
                let own = documents[Int(id)] ?? []
                differing += spansEqual(own.rawSpan, document) ? 0 : 1
            }
            return differing
        }
    }

    private static func insert(_ updates: inout RandomUpdates, _ client: WireClient, _ db: String) throws -> Model {
        var model = Model()
        for id in 0..<documents {
            try client.insert(sequence: updates.document(id: BSONValue(id)).bytes, db: db, collection: "c")
        }
        try client.scan(["find": "c"], db: db) { shown in
            try DocumentBatch.forEachDocument(inChunk: shown) { document in
                let id = try DocumentView(document).first(named: "_id")?.integer ?? -1
                model.documents[Int(id)] = [UInt8](document)
            }
        }
        return model
    }

    @Test(.enabled(if: ThrowawayServer.isAvailable, "skipped: no mongod; set CAIRN_MONGOD"))
    func entriesMakeWhatTheServerShows() throws {
        print("seed of updates: \(Self.seed)")
        let server = try ThrowawayServer()
        let client = try server.connect()
        let db = "updates"
        var updates = RandomUpdates(seed: Self.seed)
        var model = try Self.insert(&updates, client, db)
        var reached: BSONValue = try client.run(["ping": 1], db: db)["operationTime"] ?? .null
        var refused = 0
        var checkpoints = 0
        while model.diffs + model.replacements < Self.updatesMin {
            for _ in 0..<20 {
                let command: BSONDocument = ["update": "c", "updates": [.document(updates.update())]]
                refused += try client.exchange(command, db: db)["writeErrors"] == nil ? 0 : 1
            }
            let now = try client.run(["ping": 1], db: db)["operationTime"] ?? .null
            let window: BSONValue = ["ts": ["$gt": reached, "$lte": now], "ns": .string(db + ".c")]
            try client.scan(["find": "oplog.rs", "filter": window], db: "local") { entries in
                try DocumentBatch.forEachDocument(inChunk: entries) { try model.apply($0) }
            }
            reached = now
            var differing = 0
            try client.scan(["find": "c"], db: db) { differing += try model.differences($0) }
            #expect(differing == 0, "\(differing) documents differ after \(model.diffs) diffs; seed \(Self.seed)")
            checkpoints += 1
            if differing > 0 { return }
        }
        print(
            "\(model.diffs) diffs and \(model.replacements) replacements exact at \(checkpoints) checkpoints; "
                + "\(refused) commands refused")
        #expect(model.diffs > Self.updatesMin / 3)
        try Self.reapply(model)
    }

    /// Whatever number of a document's last updates is applied to it again, it stays what it is.
    private static func reapply(_ model: Model) throws {
        for (id, history) in model.histories {
            let last = model.documents[id] ?? []
            for start in history.indices {
                var current = last
                for update in history[start...] {
                    model.scratch.removeAll()
                    try UpdateApplier.apply(update: update.rawSpan, to: current.rawSpan, into: model.scratch)
                    current = model.scratch.array
                }
                #expect(current == last, "document \(id), the last \(history.count - start) updates; seed \(seed)")
            }
        }
    }
}
