import Archive
import BSON
import Bytes
import Mongo
import TestSupport
import Testing

@testable import Operations

/// Any time of a timeline, read back and restored, is what the server itself showed at that time.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct PointInTimeTests {
    /// What a server shows of one database, written down while nobody else writes to it.
    private struct Sight: Equatable {
        var options: [String: [String: BSONValue]] = [:]
        var indexes: [String: Set<[String: BSONValue]>] = [:]
        /// By collection; those of capped ones in order, others sorted.
        var documents: [String: [BSONDocument]] = [:]

        init() {}

        init(_ client: WireClient, _ db: String) throws {
            for info in try client.documents(of: ["listCollections": 1], db: db) {
                let name: String = try info.require("name", in: "listCollections")
                let shown: BSONDocument = try info.require("options", in: "listCollections")
                let type: String = try info.require("type", in: "listCollections")
                if name == "system.views" || name.hasPrefix("system.buckets.") { continue }
                options[name] = shown.asSet
                guard type != "view" else { continue }
                indexes[name] = Set(try client.documents(of: ["listIndexes": .string(name)], db: db).map(\.asSet))
                let data = type == "timeseries" ? "system.buckets.\(name)" : name
                take(try client.documents(of: ["find": .string(data)], db: db), name, shown)
            }
        }

        init(_ state: ArchivedState, _ db: String) throws {
            let contents = try ArchivedStateTests.contents(of: state)
            for entry in state.collections.map(\.entry) where entry.database == db {
                options[entry.collection] = entry.options.asSet
                guard entry.kind != .view else { continue }
                indexes[entry.collection] = Set(entry.indexes.map(\.asSet))
                take(contents[entry.namespace] ?? [], entry.collection, entry.options)
            }
        }

        private mutating func take(_ found: [BSONDocument], _ name: String, _ options: BSONDocument) {
            documents[name] =
                options.contains("capped")
                ? found : found.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        }

        /// How it differs from what is `expected`; for people.
        func differences(_ expected: Sight) -> [String] {
            var found: [String] = []
            for name in Set(options.keys).union(expected.options.keys).sorted() {
                if options[name] != expected.options[name] {
                    found.append("\(name): options \(options[name] as Any), not \(expected.options[name] as Any)")
                }
                if indexes[name] != expected.indexes[name] {
                    found.append("\(name): indexes \(indexes[name] as Any), not \(expected.indexes[name] as Any)")
                }
                if documents[name] != expected.documents[name] {
                    let counts = [documents[name]?.count ?? -1, expected.documents[name]?.count ?? -1]
                    found.append("\(name): \(counts[0]) documents, not \(counts[1]), or others")
                }
            }
            return found
        }
    }

    /// One step that a client takes.
    private typealias Step = @Sendable (WireClient, String) throws -> Void

    private static func set(
        _ collection: String, _ filter: BSONDocument, _ change: BSONDocument, multi: Bool = true
    ) -> Step {
        { client, db in
            let update: BSONValue = ["q": .document(filter), "u": .document(change), "multi": .bool(multi)]
            try client.run(["update": .string(collection), "updates": [update]], db: db)
        }
    }

    private static func run(_ command: BSONDocument) -> Step { { try $0.run(command, db: $1) } }

    private static func rename(_ name: String, _ other: String, drop: Bool = false) -> Step {
        { client, db in
            try client.run(
                [
                    "renameCollection": .string("\(db).\(name)"), "to": .string("\(db).\(other)"),
                    "dropTarget": .bool(drop),
                ], db: "admin")
        }
    }

    private static func measure(_ range: Range<Int>) -> Step {
        { client, db in
            let documents = range.map { BSONValue.document(["t": .date(1_700_000_000_000 + Int64($0) * 60_000)]) }
            try client.run(["insert": "series", "documents": .array(documents)], db: db)
        }
    }

    private static let preparation: [Step] = [
        { try $0.fill($1, "plain", 0..<400, bytes: 300) }, { try $0.fill($1, "gone", 0..<50, bytes: 100) },
        { try $0.fill($1, "small", 0..<60, bytes: 100) },
        run(["create": "cap", "capped": true, "size": 100_000, "max": 40]),
        run(["insert": "cap", "documents": .array((0..<50).map { ["_id": BSONValue($0)] })]),
        run(["create": "series", "timeseries": ["timeField": "t"]]), measure(0..<30),
        run(["create": "view", "viewOn": "plain", "pipeline": []]),
    ]

    private static let history: [Step] = [
        set("plain", ["_id": ["$mod": [3, 0]]], ["$set": ["a.b": 1, "list": [1, 2, 3]], "$inc": ["n": 1]]),
        set("plain", ["_id": ["$lt": 40]], ["$push": ["list": 4], "$unset": ["a.b": 1]]),
        run(["delete": "plain", "deletes": [["q": ["_id": ["$mod": [7, 1]]], "limit": 0]]]),
        set("plain", ["_id": 9], ["replaced": true], multi: false),
        run(["insert": "cap", "documents": .array((50..<75).map { ["_id": BSONValue($0)] })]),
        rename("small", "smaller"), set("smaller", [:], ["$set": ["after": "rename"]]),
        run(["drop": "gone"]), { try $0.fill($1, "gone", 10..<30, bytes: 200, seed: 4) },
        run(["createIndexes": "plain", "indexes": [["key": ["n": 1], "name": "n_1", "sparse": true]]]),
        measure(20..<60), run(["collMod": "view", "viewOn": "gone", "pipeline": []]),
        run(["aggregate": "plain", "pipeline": [["$out": "output"]], "cursor": .document([:])]),
        run(["convertToCapped": "output", "size": 1_000_000]),
        run([
            "aggregate": "plain", "pipeline": [["$match": ["_id": ["$lt": 9]]], ["$merge": "gone"]],
            "cursor": .document([:]),
        ]),
        run(["collMod": "plain", "validator": ["_id": ["$exists": true]]]),
        rename("smaller", "gone", drop: true), run(["dropIndexes": "plain", "index": "n_1"]),
        set("gone", [:], ["$set": ["last": 1]]), run(["drop": "series"]),
        set("plain", [:], ["$set": ["end": true]]),
    ]

    /// Takes the steps, with an incremental now and then, and writes down what there was behind each.
    private func live(_ rig: Rig, _ db: String) throws -> [(time: Timestamp, sight: Sight)] {
        let source = try rig.sourceClient()
        for step in Self.preparation { try step(source, db) }
        try rig.backup(["\(db).*"])
        var sights: [(Timestamp, Sight)] = []
        for (number, step) in Self.history.enumerated() {
            try step(source, db)
            sights.append((try rig.now(), try Sight(source, db)))
            if number % 8 == 7 || number == Self.history.count - 1 {
                let report = try rig.backup(.incremental, ["\(db).*"])
                #expect(report.kind == "incremental" && report.warnings == [])
            }
        }
        return sights
    }

    @Test func everyStepIsReadAndRestored() throws {
        let rig = try Rig(source: ThrowawayServer.shared("pit").uri)
        let db = Rig.database()
        let sights = try live(rig, db)
        let repository = try rig.access.open()
        let chunks = try repository.loadIndex()
        let timeline = try repository.timeline(of: nil)
        #expect(timeline.ranges.count == 1 && timeline.gaps.isEmpty)
        for (number, (time, sight)) in sights.enumerated() {
            let state = try ArchivedState(timeline.route(to: time), repository: repository, chunks: chunks)
            #expect(try Sight(state, db).differences(sight) == [], "step \(number)")
        }
        for number in [2, 6, 13, 17] {
            let (time, sight) = sights[number]
            let target = Rig.database()
            let report = try rig.restore { options in
                options.moment = .time(.operation(time), set: nil)
                options.renames = [Restore.Rename(from: "\(db).*", to: "\(target).*")]
                options.verify = true
            }
            #expect(report.failures.isEmpty && report.verification == .documents && report.at == time)
            #expect(try Sight(rig.targetClient(), target).differences(sight) == [], "\(number)")
        }
        let proof = try CheckReplay(access: rig.access).run()
        #expect(proof.pairs.count == 4)
        for pair in proof.pairs { #expect(pair.differences == [], "\(pair.from.hex) to \(pair.to.hex)") }
    }

    @Test func partsOfAPastTimeAreRestored() throws {
        let rig = try Rig(source: ThrowawayServer.shared("pit").uri)
        let db = Rig.database()
        let sights = try live(rig, db)
        let (time, sight) = sights[4]
        let target = Rig.database()
        let report = try rig.restore { options in
            options.moment = .time(.operation(time), set: nil)
            options.include = ["\(db).small", "\(db).cap"]
            options.renames = [Restore.Rename(from: "\(db).*", to: "\(target).*")]
        }
        #expect(report.failures.isEmpty && report.verification == .counts)
        #expect(report.warnings.count == 1 && report.warnings[0].contains("--ns-include \(db).*"))
        var expected = sight
        expected.options = expected.options.filter { ["small", "cap"].contains($0.key) }
        expected.indexes = expected.indexes.filter { ["small", "cap"].contains($0.key) }
        expected.documents = expected.documents.filter { ["small", "cap"].contains($0.key) }
        #expect(try Sight(rig.targetClient(), target).differences(expected) == [])

        // Documents of a past time, without a server.
        var cat = Cat.Options(
            repository: rig.access, moment: .time(.operation(time), set: nil), namespace: "\(db).plain")
        var found: [BSONDocument] = []
        _ = try Cat(options: cat).run { found.append(try BSONDocument(copying: $0)) }
        #expect(found.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) } == sight.documents["plain"])
        cat.id = [UInt8](try DocumentIdentity.idBytes(of: (["_id": 9] as BSONDocument).bytes.rawSpan))
        found = []
        #expect(try Cat(options: cat).run { found.append(try BSONDocument(copying: $0)) } == 1)
        #expect(found.first?["replaced"] == true)
        let report2 = try Diff(
            access: rig.access, from: .time(.operation(sights[2].time), set: nil),
            to: .time(.operation(sights[3].time), set: nil)
        ).run()
        let plain = report2.collections.first { $0.namespace == "\(db).plain" }
        #expect(plain?.changed == 1 && plain?.added == 0 && plain?.removed == 0)
        #expect(report2.collections.count { !$0.isEqual } == 1)
    }

    @Test func aTimeOutsideIsRefusedBeforeAnythingHappens() throws {
        let rig = try Rig(source: ThrowawayServer.shared("pit").uri)
        let db = Rig.database()
        try rig.sourceClient().fill(db, "c", 0..<10)
        let report = try rig.backup(["\(db).*"])
        for (text, words) in [("1000", report.at.asTime), ("2100-01-01T00:00:00Z", report.at.asTime)] {
            let moment = Moment.time(try TimeSelection(text), set: nil)
            let error = #expect(throws: CairnError.self) { try rig.restore { $0.moment = moment } }
            #expect(error?.code == .usage && error?.message.contains(words) == true, "\(String(describing: error))")
        }
        try rig.restore { $0.moment = .time(.latest, set: nil) }
        #expect(try rig.differences([db]) == [])
    }
}
