import BSON

/// One collection with an index of every kind that one collection can have, and the kinds that exclude each other on
/// collections of their own.
extension SampleData {
    static var indexed: [SampleCollection] {
        [
            SampleCollection("library", "indexed", indexes: plainIndexes + specialIndexes, documents: places),
            SampleCollection(
                "library", "wild",
                indexes: [
                    ["key": ["$**": 1], "name": "everything but", "wildcardProjection": ["secret": 0, "_id": 0]],
                    ["key": ["attributes.$**": 1], "name": "below attributes"],
                ],
                documents: (0..<40).map {
                    ["_id": BSONValue($0), "attributes": ["a\($0 % 5)": BSONValue($0)], "secret": "x"]
                }),
            SampleCollection(
                "library", "expiring",
                indexes: [["key": ["until": 1], "name": "until_1", "expireAfterSeconds": 3_600]],
                documents: (0..<25).map { ["_id": BSONValue($0), "until": .date(farFuture + Int64($0))] }),
        ]
    }

    private static let plainIndexes: [BSONDocument] = [
        ["key": ["number": 1], "name": "number_1", "unique": true],
        ["key": ["a": 1, "b": -1], "name": "a_1_b_-1"],
        ["key": ["hiddenField": 1], "name": "hidden", "hidden": true],
        [
            "key": ["status": 1], "name": "partial",
            "partialFilterExpression": ["status": ["$in": ["open", "new"]], "number": ["$gt": 5]],
        ],
        ["key": ["rare": 1], "name": "sparse unique", "sparse": true, "unique": true],
        ["key": ["tags": 1], "name": "multikey"],
        ["key": ["title": 1], "name": "collated", "collation": ["locale": "fr", "strength": 2, "backwards": true]],
    ]

    private static let specialIndexes: [BSONDocument] = [
        ["key": ["number": "hashed"], "name": "hashed"],
        ["key": ["location": "2dsphere"], "name": "sphere"],
        ["key": ["flat": "2d"], "name": "flat", "bits": 20, "min": -500.0, "max": 500.0],
        [
            "key": ["title": "text", "body": "text"], "name": "text", "weights": ["title": 10, "body": 2],
            "default_language": "german", "language_override": "idioma",
        ],
    ]

    private static var places: [BSONDocument] {
        (0..<200).map { index in
            let longitude = Double(index % 360) - 180
            let latitude = Double(index % 180) - 90
            var fields: [(String, BSONValue)] = [
                ("_id", .objectID(objectID(UInt32(index)))), ("number", BSONValue(index)),
                ("a", BSONValue(index % 7)), ("b", .string("b\(index % 11)")), ("hiddenField", BSONValue(index)),
                ("status", .string(["open", "new", "done"][index % 3])),
                ("tags", [.string("t\(index % 5)"), .string("t\(index % 3)")]),
                ("title", .string("Titel \(index)")), ("body", .string("Ein Text über Nummer \(index)")),
                ("location", ["type": "Point", "coordinates": [.double(longitude), .double(latitude)]]),
                ("flat", [.double(longitude), .double(latitude)]),
            ]
            if index % 20 == 0 { fields.append(("rare", BSONValue(index))) }
            return BSONDocument(fields)
        }
    }
}
