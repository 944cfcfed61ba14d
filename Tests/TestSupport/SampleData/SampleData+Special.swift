import BSON

/// Views, time series, and names that only quoting keeps together.
extension SampleData {
    static var specials: [SampleCollection] {
        [
            SampleCollection(
                "weather", "readings",
                options: [
                    "timeseries": ["timeField": "at", "metaField": "station", "granularity": "minutes"],
                    "expireAfterSeconds": .int64(315_360_000),
                ],
                indexes: [["key": ["station.id": 1, "at": -1], "name": "by station"]], documents: readings),
            SampleCollection(
                "weather", "plain series", options: ["timeseries": ["timeField": "t"]],
                documents: (0..<10).map { ["t": .date(farFuture + Int64($0)), "_id": BSONValue($0), "v": 1.5] }),
            SampleCollection(
                "library", "seniors",
                options: [
                    "viewOn": "people",
                    "pipeline": [["$match": ["born": ["$lt": .date(0)]]], ["$project": ["name": 1, "email": 1]]],
                ]),
            SampleCollection(
                "library", "seniors by name",
                options: ["viewOn": "seniors", "pipeline": [["$sort": ["name.last": 1]]]]),
            SampleCollection(
                "library", "collated view",
                options: ["viewOn": "people", "pipeline": [], "collation": ["locale": "en", "strength": 2]]),
            SampleCollection(
                "weather", "hot", options: ["viewOn": "readings", "pipeline": [["$match": ["celsius": ["$gt": 30]]]]]),
        ]
    }

    private static var readings: [BSONDocument] {
        (0..<3_000).map { index in
            [
                "at": .date(farFuture + Int64(index) * 30_000), "celsius": .double(Double(index % 400) / 10),
                "station": ["id": BSONValue(index % 6), "kind": "roof"], "_id": .objectID(objectID(UInt32(index))),
                "humidity": BSONValue(index % 100),
            ]
        }
    }

    static var names: [SampleCollection] {
        let document: BSONDocument = ["_id": 1, "here": true]
        let collections = [
            "with spaces", "with.dots.inside", "a..b", "end.", " lead", "per%cent", "ünïcödé 数据 🪨", "e\u{301}",
            "\u{E9}", "line\nfeed",
            "tab\tand\\backslash",
            "quote\"and'quote", "star*", "-dash", "system", "systems.js", "Upper", "upper",
        ]
        return collections.map { SampleCollection("namen_数据", $0, documents: [document]) }
            + [
                SampleCollection("UPPER-lower_0", "c", documents: [document]),
                SampleCollection("a", "b", documents: [document]),
            ]
    }
}
