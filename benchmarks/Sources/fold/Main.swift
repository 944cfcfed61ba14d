import BSON
import Bytes
import Glibc
import Oplog
import TestSupport

/// `fold [--operations N] [--mib N]`: the oplog into tables, and documents through them, on one core.
///
/// Figures are of CPU time: `clock` counts that of the process, so a busy machine does not change them much.
@main
struct Main {
    static func main() throws {
        var operations = 1_000_000
        var mebibytes = 1_024
        var arguments = CommandLine.arguments.dropFirst()
        while let option = arguments.popFirst() {
            guard let value = arguments.popFirst().flatMap({ Int($0) }) else { fatalError("\(option) needs a number") }
            switch option {
            case "--operations": operations = value
            case "--mib": mebibytes = value
            default: fatalError("unknown option \(option)")
            }
        }
        let window = Window(operations: operations)
        try window.measureChanges()
        let collections = try window.measureFold()
        try Documents(mebibytes: min(mebibytes, 64)).measure(collections, mebibytes: mebibytes)
    }

    /// Runs `body` and returns the seconds of CPU that it took.
    static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let before = clock()
        try body()
        return Double(clock() - before) / Double(CLOCKS_PER_SEC)
    }

    static func rounded(_ value: Double) -> String { String(Int(value.rounded())) }
}

/// A window of the oplog: half updates, the rest inserts and deletes, as a driver's retryable writes are logged.
struct Window {
    static let uuid = [UInt8](repeating: 7, count: 16)
    let operations: Int
    private let entries: Buffer

    /// Updates go to documents `0..<operations` of the base, deletes to those behind.
    init(operations: Int) {
        self.operations = operations
        entries = Buffer(capacity: operations * 420)
        var documents = RandomDocuments(seed: 1)
        for number in 0..<operations {
            let id: BSONValue = .objectID(Documents.id(number))
            switch number % 4 {
            case 0:
                let document = documents.ordinaryDocument(id: .objectID(Documents.id(1 << 30 + number)), bytes: 300)
                append(number, "i", .document(document), nil)
            case 1: append(number, "d", ["_id": .objectID(Documents.id(1 << 26 + number))], nil)
            default:
                let diff: BSONValue = ["u": ["visits": BSONValue(number), "active": true]]
                append(number, "u", ["$v": 2, "diff": diff], ["_id": id])
            }
        }
    }

    private func append(_ number: Int, _ kind: String, _ object: BSONValue, _ target: BSONValue?) {
        let time = Timestamp(t: UInt32(1_000 + number / 1_000), i: UInt32(number % 1_000 + 1))
        var fields: [(String, BSONValue)] = [
            ("lsid", ["id": .binary(subtype: 4, Window.uuid), "uid": .binary(subtype: 0, Window.uuid + Window.uuid)]),
            ("txnNumber", .int64(Int64(number))), ("op", .string(kind)), ("ns", "app.orders"),
            ("ui", .binary(subtype: 4, Window.uuid)), ("o", object),
        ]
        if let target { fields.append(("o2", target)) }
        fields += [
            ("stmtId", 0), ("ts", .timestamp(time)), ("t", .int64(1)), ("v", .int64(2)), ("wall", .date(1)),
            ("prevOpTime", ["ts": .timestamp(Timestamp(t: 0, i: 0)), "t": .int64(-1)]),
        ]
        entries.append(BSONDocument(fields).bytes)
    }

    /// What an incremental does with each entry: the identities that changed.
    func measureChanges() throws {
        var bytes = 0
        let seconds = try Main.seconds {
            try DocumentBatch.forEachDocument(inChunk: entries.bytes) { entry in
                try OplogEntry(entry).forEachChange { bytes += $0.identity.byteCount }
            }
        }
        report("read for their identities", seconds)
    }

    /// Folds the window over a snapshot with one collection.
    func measureFold() throws -> [Fold.Collection] {
        let id: BSONDocument = ["v": 2, "key": ["_id": 1], "name": "_id_"]
        let definition = CollectionDefinition(
            database: "app", name: "orders", kind: .collection, uuid: UUIDKey(Window.uuid.rawSpan), options: [:],
            indexes: [id])
        let fold = Fold([definition], after: Timestamp(t: 1, i: 0), through: Timestamp(t: .max, i: 0))
        let seconds = try Main.seconds {
            try DocumentBatch.forEachDocument(inChunk: entries.bytes) { entry in _ = try fold.take(entry) }
        }
        report("folded into tables of \(fold.byteCount / operations) B an operation", seconds)
        return fold.finish()
    }

    private func report(_ what: String, _ seconds: Double) {
        let rate = Double(operations) / seconds
        print("\(operations) operations, \(entries.count / operations) B each, \(what): \(Main.rounded(rate))/s")
    }
}

/// Documents of a snapshot, one behind the other as in chunks.
struct Documents {
    private let chunk: Buffer
    private let count: Int

    /// An ObjectId that sorts like a driver's.
    static func id(_ number: Int) -> ObjectID {
        let bytes = (0..<12).map { UInt8(truncatingIfNeeded: number >> (8 * (11 - $0))) }
        return ObjectID(bytes.rawSpan)
    }

    init(mebibytes: Int) {
        chunk = Buffer(capacity: mebibytes << 20 + 4_096)
        var documents = RandomDocuments(seed: 2)
        var number = 0
        while chunk.count < mebibytes << 20 {
            // One in a hundred is one that the window updates; the others are of no operation.
            let id = number % 100 == 0 ? number / 100 * 4 + 2 : 1 << 28 + number
            chunk.append(documents.ordinaryDocument(id: .objectID(Documents.id(id)), bytes: 700).bytes)
            number += 1
        }
        count = number
    }

    /// Streams the documents through the table until `mebibytes` have passed.
    func measure(_ collections: [Fold.Collection], mebibytes: Int) throws {
        guard let table = collections.first?.table else { fatalError("the window touches the collection") }
        let scratch = FoldScratch()
        var touched = 0
        var written = 0
        let rounds = max(1, mebibytes << 20 / chunk.count)
        var seconds = 0.0
        for _ in 0..<rounds {
            table.forgetSeen()
            seconds += try Main.seconds {
                try DocumentBatch.forEachDocument(inChunk: chunk.bytes) { document in
                    let identity = try DocumentIdentity.idBytes(of: document)
                    switch try table.apply(document, identity: identity, into: scratch) {
                    case .untouched: written += document.byteCount
                    case .replaced:
                        written += scratch.document.count
                        touched += 1
                    case .removed, .foreign: break
                    }
                }
            }
        }
        let rate = Double(chunk.count * rounds) / seconds / 1e6
        print(
            "documents of \(chunk.count / count) B, \(touched * 100 / max(1, count * rounds)) % touched, through a "
                + "table of \(table.documentCount): \(Main.rounded(rate)) MB/s")
        var left = 0
        let leftSeconds = try Main.seconds {
            try table.forEachRemaining(into: scratch) { document, _ in left += document.byteCount }
        }
        print("documents that came in new: \(Main.rounded(Double(left) / leftSeconds / 1e6)) MB/s")
    }
}
