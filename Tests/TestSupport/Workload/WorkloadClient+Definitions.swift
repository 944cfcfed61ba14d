import BSON

/// Changes of definitions.
extension WorkloadClient {
    /// Makes what later steps work on; refused where it is there already.
    func prepare() throws {
        for db in databases { try prepare(db) }
    }

    private func prepare(_ db: String) throws {
        try run(["create": "collated", "collation": ["locale": "de", "strength": 2]], db: db)
        try run(["create": "clustered", "clusteredIndex": ["key": ["_id": 1], "unique": true]], db: db)
        try run(["create": "capped", "capped": true, "size": 60_000], db: db)
        if ownsSeries {
            try run(["create": "series", "timeseries": ["timeField": "t", "metaField": "m"]], db: db)
        }
        try run(["create": "large"], db: db)
        for name in Self.plain { try run(["create": .string(name)], db: db) }
    }

    /// One change of a definition.
    func define() throws {
        let db = db
        let name = pick(Self.plain)
        switch below(18) {
        case 0: try run(["create": .string(name)], db: db)
        case 1:
            try run(["drop": .string(name)], db: db)
            if below(2) == 0 { try run(["insert": .string(name), "documents": [["_id": id(), "g": 1]]], db: db) }
        case 2, 3: try rename(name, db)
        case 4:
            let out: BSONValue = ["$out": ["db": .string(self.db), "coll": .string(pick(Self.plain))]]
            try aggregate(name, [["$match": ["g": ["$lt": 6]]], ["$set": ["out": true]], out], db)
        case 5:
            let into: BSONValue = ["db": .string(self.db), "coll": .string(pick(Self.plain))]
            let merge: BSONValue = [
                "$merge": ["into": into, "whenMatched": pick(["merge", "replace", "keepExisting"])]
            ]
            try aggregate(name, [["$match": ["g": BSONValue(below(8))]], ["$set": ["merged": 1]], merge], db)
        case 6: if below(3) == 0 { try run(["convertToCapped": .string(name), "size": 40_000], db: db) }
        case 7: try modify(name, db)
        case 8, 9, 10: try index(collection, db)
        case 11: try run(["dropIndexes": .string(collection), "index": "*"], db: db)
        case 12: if ownsSeries, below(3) == 0 { try run(["dropDatabase": 1], db: databases[databases.count - 1]) }
        case 13, 14: try view(name, db)
        case 15 where ownsSeries:
            if below(3) == 0 { try run(["drop": "series"], db: db) }
            try run(["collMod": "series", "timeseries": ["granularity": "minutes"]], db: db)
        case 16: if below(3) == 0 { try run(["drop": .string(pick(Self.special))], db: db) }
        default: try prepare(db)
        }
    }

    private func rename(_ name: String, _ db: String) throws {
        let target = self.db + "." + pick(Self.plain)
        try run(
            [
                "renameCollection": .string(db + "." + name), "to": .string(target),
                "dropTarget": .bool(below(2) == 0),
            ], db: "admin")
    }

    private func aggregate(_ name: String, _ stages: [BSONValue], _ db: String) throws {
        try run(["aggregate": .string(name), "pipeline": .array(stages), "cursor": [:]], db: db)
    }

    private func modify(_ name: String, _ db: String) throws {
        let validator: BSONValue = below(2) == 0 ? [:] : ["g": ["$exists": true]]
        try run(["collMod": .string(name), "validator": validator, "validationLevel": "moderate"], db: db)
        let index: BSONValue = ["name": "hidden", "hidden": .bool(below(2) == 0)]
        try run(["collMod": .string(name), "index": index], db: db)
    }

    private func index(_ name: String, _ db: String) throws {
        let field = pick(["a", "b", "l", "touched"])
        let index: BSONValue
        switch below(6) {
        // Most often refused, for values are not unique: a build that is aborted.
        case 0: index = ["key": ["g": 1], "name": "unique", "unique": true]
        case 1: index = ["key": ["bulk": 1], "name": "hidden", "hidden": true]
        case 2: index = ["key": ["$**": 1], "name": "wild", "wildcardProjection": ["pad": 0]]
        case 3: index = ["key": .document([field: 1, "g": -1]), "name": "sparse", "sparse": true]
        case 4: index = ["key": ["touched": 1], "name": "ttl", "expireAfterSeconds": 1_000_000]
        default:
            index = [
                "key": .document([field: 1]), "name": .string(field), "partialFilterExpression": ["g": ["$gt": 3]],
            ]
        }
        try run(["createIndexes": .string(name), "indexes": [index]], db: db)
    }

    private func view(_ name: String, _ db: String) throws {
        let view = "view\(below(2))"
        let pipeline: BSONValue = [["$match": ["g": BSONValue(below(8))]]]
        switch below(3) {
        case 0: try run(["create": .string(view), "viewOn": .string(name), "pipeline": pipeline], db: db)
        case 1: try run(["collMod": .string(view), "viewOn": .string(name), "pipeline": pipeline], db: db)
        default: try run(["drop": .string(view)], db: db)
        }
    }
}
