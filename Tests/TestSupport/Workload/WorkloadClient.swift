import BSON
import Bytes

/// One client of a workload: a connection, a session, and random steps on the collections that all clients share.
///
/// Steps fail now and then, as those of applications do: a name is taken, a collection gone, a transaction in conflict.
/// What the server refuses is counted and no concern of the test.
final class WorkloadClient {
    let client: WireClient
    var updates: RandomUpdates
    let databases: [String]
    private(set) var refused = 0
    private(set) var done = 0
    /// The cluster time of the last reply.
    private(set) var time: Timestamp?
    private let session: BSONValue
    private let retrying: BSONValue
    private var transactions: Int64 = 0
    private var statements: Int64 = 0

    /// Whether this client is the one that works with time series, and drops databases. A server makes and drops a
    /// time series in two steps; two clients at once can leave its buckets without it, which nothing restores.
    let ownsSeries: Bool

    init(uri: String, databases: [String], seed: UInt64, ownsSeries: Bool) throws {
        self.ownsSeries = ownsSeries
        client = try WireClient(uri: uri)
        self.databases = databases
        updates = RandomUpdates(seed: seed)
        session = ["id": .binary(subtype: 4, RandomID.random().bytes)]
        retrying = ["id": .binary(subtype: 4, RandomID.random().bytes)]
    }

    static let plain = (0..<5).map { "c\($0)" }
    static let special = ["collated", "clustered", "capped"]

    func pick<Element>(_ choices: [Element]) -> Element { updates.random.pick(choices) }
    func below(_ limit: Int) -> Int { updates.random.integer(0..<limit) }
    var db: String { pick(databases) }
    var collection: String { below(4) == 0 ? pick(Self.special) : pick(Self.plain) }

    /// Runs a command; whether the server did what it says.
    @discardableResult
    func run(_ command: BSONDocument, db: String) throws -> Bool {
        let reply = try client.exchange(command, db: db)
        if let now = try reply.optional("operationTime", as: Timestamp.self, in: "reply") { time = now }
        let isDone = reply["ok"] == .double(1) && !reply.contains("writeErrors")
        if isDone { done += 1 } else { refused += 1 }
        return isDone
    }

    /// One step of any kind.
    func step() throws {
        switch below(100) {
        case 0..<22: try insert()
        case 22..<44:
            try run(["update": .string(collection), "updates": [.document(updates.update())]], db: db)
        case 44..<52:
            let id = id()
            let update: BSONValue = ["q": ["_id": id], "u": .document(updates.document(id: id)), "upsert": true]
            try run(["update": .string(collection), "updates": [update]], db: db)
        case 52..<60: try delete()
        case 60..<66: try findAndModify()
        case 66..<72: try bulk()
        case 72..<80: try transaction()
        case 80..<85: try measure()
        default: try define()
        }
    }

    /// Ids that collide now and then: of equal value and other types, documents, long texts.
    func id() -> BSONValue {
        let number = below(120)
        switch below(8) {
        case 0: return .int64(Int64(number))
        case 1: return .double(Double(number))
        case 2: return ["k": BSONValue(number % 20), "n": .string("x")]
        case 3: return .string(String(repeating: "long id ", count: 40) + "\(number)")
        case 4: return .string(number % 2 == 0 ? "Größe \(number)" : "größe \(number)")
        case 5:
            // A mongod 6.0.5 does not find a clustered document by a DBPointer that has a zero byte in its text, and
            // may look for ever for one of several: `IdentityReader.canFind`. Containers may hold one.
            let id = updates.documents.idValue()
            return [.dbPointer, .document, .codeWithScope].contains(id.type) ? .null : id
        default: return .int32(Int32(number))
        }
    }

    private func insert() throws {
        let documents = (0..<(1 + below(25))).map { _ in BSONValue.document(updates.document(id: id())) }
        try run(["insert": .string(collection), "documents": .array(documents), "ordered": false], db: db)
    }

    private func delete() throws {
        let byGroup = below(6) == 0
        let filter: BSONValue = byGroup ? ["g": BSONValue(below(RandomUpdates.groups))] : ["_id": id()]
        let limit: BSONValue = byGroup ? 0 : 1
        try run(["delete": .string(collection), "deletes": [["q": filter, "limit": limit]]], db: db)
    }

    private func findAndModify() throws {
        statements += 1
        var command: [(String, BSONValue)] = [
            ("findAndModify", .string(collection)), ("query", ["_id": id()]), ("lsid", retrying),
            ("txnNumber", .int64(statements)),
        ]
        if below(3) == 0 {
            command.append(("remove", true))
        } else {
            command += [("update", ["$set": ["touched": BSONValue(below(1_000))]]), ("upsert", .bool(below(2) == 0))]
            command.append(("new", .bool(below(2) == 0)))
        }
        try run(BSONDocument(command), db: db)
    }

    private func bulk() throws {
        statements += 1
        let changes = (0..<8).map { _ in
            BSONValue.document(["q": ["_id": id()], "u": ["$inc": ["bulk": 1]], "upsert": .bool(below(3) == 0)])
        }
        try run(
            [
                "update": .string(collection), "updates": .array(changes), "lsid": retrying,
                "txnNumber": .int64(statements),
            ], db: db)
    }

    /// Time series and capped collections.
    private func measure() throws {
        guard ownsSeries, below(2) == 0 else {
            let documents = (0..<10).map { _ in
                BSONValue.document(updates.document(id: .objectID(ObjectID(updates.random.bytes(12).rawSpan))))
            }
            try run(["insert": "capped", "documents": .array(documents)], db: db)
            return
        }
        let points = (0..<10).map { _ in
            let at: BSONValue = .date(1_700_000_000_000 + Int64(below(10_000_000)))
            return BSONValue.document(["t": at, "m": BSONValue(below(3)), "v": BSONValue(below(100))])
        }
        try run(["insert": "series", "documents": .array(points)], db: db)
    }
}

/// Transactions.
extension WorkloadClient {
    private func transaction() throws {
        transactions += 1
        let statements = 2 + below(4)
        for number in 0..<statements {
            let id = id()
            var command: [(String, BSONValue)]
            switch below(3) {
            case 0: command = [("delete", .string(collection)), ("deletes", [["q": ["_id": id], "limit": 1]])]
            case 1:
                let change: BSONValue = ["q": ["_id": id], "u": ["$set": ["in": .int64(transactions)]], "upsert": true]
                command = [("update", .string(collection)), ("updates", [change])]
            default: command = [("insert", .string(collection)), ("documents", [.document(updates.document(id: id))])]
            }
            guard try runInTransaction(command, isFirst: number == 0, db: db) else { return }
        }
        try end(below(4) == 0 ? "abortTransaction" : "commitTransaction")
    }

    /// More than 16 MB, so that the oplog has it in several entries.
    func largeTransaction() throws {
        transactions += 1
        for number in 0..<5 {
            let text = BSONValue.string(String(repeating: "large ", count: 700_000 + below(10)))
            let document: BSONValue = ["_id": ["large": .int64(transactions), "n": BSONValue(number)], "text": text]
            let command: [(String, BSONValue)] = [("insert", "large"), ("documents", [document])]
            guard try runInTransaction(command, isFirst: number == 0, db: databases[0]) else { return }
        }
        try end("commitTransaction")
        try run(["delete": "large", "deletes": [["q": ["_id.n": ["$gt": 0]], "limit": 0]]], db: databases[0])
    }

    private func runInTransaction(_ command: [(String, BSONValue)], isFirst: Bool, db: String) throws -> Bool {
        var fields = command
        fields += [("lsid", session), ("txnNumber", .int64(transactions)), ("autocommit", false)]
        if isFirst { fields.append(("startTransaction", true)) }
        if try run(BSONDocument(fields), db: db) { return true }
        try end("abortTransaction")
        return false
    }

    private func end(_ how: String) throws {
        let command: BSONDocument = [
            how: 1, "lsid": session, "txnNumber": .int64(transactions), "autocommit": false,
        ]
        try run(command, db: "admin")
    }
}
