import BSON

/// Kinds of collections beside the plain one, and odd documents.
extension SampleData {
    static var structures: [SampleCollection] {
        [
            SampleCollection("library", "people", indexes: peopleIndexes, documents: people),
            SampleCollection("library", "shapes of documents", documents: oddDocuments),
            SampleCollection("library", "giants", documents: giants),
            SampleCollection("library", "empty", indexes: [["key": ["a": 1], "name": "a_1"]]),
            SampleCollection(
                "library", "journal", options: ["capped": true, "size": 65_536, "max": 500], documents: journal),
            SampleCollection(
                "library", "clustered",
                options: ["clusteredIndex": ["key": ["_id": 1], "unique": true, "name": "by identity"]],
                indexes: [["key": ["rank": -1], "name": "rank_-1"]], documents: numbered(300)),
            SampleCollection(
                "library", "validated",
                options: [
                    "validator": ["$jsonSchema": ["required": ["rank"], "properties": ["rank": ["bsonType": "int"]]]],
                    "validationLevel": "moderate", "validationAction": "error",
                ],
                documents: numbered(20) + [["_id": "breaks the rule", "rank": "not a number"]]),
            SampleCollection(
                "library", "collated", options: ["collation": ["locale": "de", "strength": 1]],
                indexes: [["key": ["title": 1], "name": "title_1"]],
                documents: ["äpfel", "Apfelsine", "zebra", "Öl"].map { ["_id": .string($0), "title": .string($0)] }),
            SampleCollection(
                "library", "images", options: ["changeStreamPreAndPostImages": ["enabled": true]],
                documents: numbered(5)),
            SampleCollection(
                "library", "compressed",
                options: ["storageEngine": ["wiredTiger": ["configString": "block_compressor=zstd"]]],
                documents: numbered(50)),
            SampleCollection(
                "library", "system.js",
                documents: [["_id": "twice", "value": .code("function (x) { return 2 * x; }")]]),
        ]
    }

    private static func numbered(_ count: Int) -> [BSONDocument] {
        (0..<count).map { ["_id": .objectID(objectID(UInt32($0))), "rank": BSONValue($0 * 7 % 101)] }
    }

    private static let peopleIndexes: [BSONDocument] = [
        ["key": ["email": 1], "name": "email_1", "unique": true],
        ["key": ["name.last": 1, "name.first": -1], "name": "by name"],
        ["key": ["born": 1], "name": "born_1", "sparse": true],
    ]

    private static var people: [BSONDocument] {
        var random = SeededGenerator(seed: 4)
        let text = BenchDataText(seed: 4)
        return (0..<12_000).map { index in
            var about: [UInt8] = []
            text.appendProse(40 + random.below(400), to: &about, &random)
            var fields: [(String, BSONValue)] = [
                ("_id", .objectID(objectID(UInt32(index)))),
                ("name", ["first": .string("First\(index % 97)"), "last": .string("Last\(index % 1013)")]),
                ("email", .string("person\(index)@example.org")),
                ("about", .string(String(decoding: about, as: UTF8.self))),
            ]
            if index % 3 == 0 { fields.append(("born", .date(Int64(index) * 86_400_000))) }
            return BSONDocument(fields)
        }
    }

    private static var oddDocuments: [BSONDocument] {
        [
            ["_id": 0],
            ["_id": 1, "": "an empty name", "a.b": "a dot", "$set": "a dollar", "$": 1, ".": 2],
            ["_id": 2, "twice": 1, "twice": "again", "other": 0, "twice": .null],
            ["_id": 3, "nested": ["": ["": ["$ref": "x", "a.b.c": 1]]]],
            ["_id": 4, "ünï.cödé 数据": 1, "line\nfeed": 2, "tab\t": 3, " ": 4],
            BSONDocument([("_id", 5)] + (0..<3_000).map { ("field\($0)", BSONValue($0)) }),
        ]
    }

    /// One that compresses to nothing, and one as large as the server takes.
    private static var giants: [BSONDocument] {
        let maximum = 16 * 1024 * 1024
        let frame: BSONDocument = ["_id": "the largest", "payload": .binary(subtype: 0, [])]
        var random = SeededGenerator(seed: 16)
        let noise = (0..<400_000).flatMap { _ in
            let word = random.next()
            return (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
        let filler = [UInt8](repeating: 0x5A, count: maximum - frame.bytes.count)
        return [
            ["_id": "noise", "payload": .binary(subtype: 0, noise)],
            ["_id": "the largest", "payload": .binary(subtype: 0, filler)],
        ]
    }

    /// More than the cap holds, so that the oldest are gone and the order starts in the middle. The ids are not in the
    /// order of insertion.
    private static var journal: [BSONDocument] {
        (0..<900).map { ["_id": BSONValue($0 * 7_919 % 10_007), "entry": .string("entry \($0)")] }
    }
}
