public import BSON

/// Updates of many documents at once, by operators and pipelines, which give every document a change of its own.
///
/// Names are of all awkward kinds, but no document has one of them twice: servers do not agree with each other on what
/// an update does to such a document.
public struct RandomUpdates {
    /// Where values come from.
    public var documents: RandomDocuments
    private static let names = ["a", "b", "c", "l", "m", "", "x.y", "$d", "0", "12", "größe", "s", "longer name"]
    /// Names that can stand in a path.
    private static let plain = ["a", "b", "c", "l", "m", "0", "12", "größe", "s", "longer name"]
    /// Documents have a field `g` from 0 to this.
    public static let groups = 8

    /// Two of one seed make the same updates.
    public init(seed: UInt64) { documents = RandomDocuments(seed: seed) }

    /// Where all choices come from.
    public var random: SeededGenerator {
        get { documents.random }
        set { documents.random = newValue }
    }

    /// A document with fields for the updates to change.
    public mutating func document(id: BSONValue) -> BSONDocument {
        let pad = String(repeating: "pad ", count: random.integer(20..<100))
        let fields: [(String, BSONValue)] = [
            ("_id", id), ("g", BSONValue(random.integer(0..<Self.groups))), ("pad", .string(pad)),
            ("l", .array((0..<random.integer(0..<12)).map { _ in value(depth: 2) })),
        ]
        return BSONDocument(fields + members(depth: 3).filter { $0.0 != "l" })
    }

    /// One element of the `updates` of an update command.
    public mutating func update() -> BSONDocument {
        let group: BSONValue = random.once(in: 3) ? ["g": BSONValue(random.integer(0..<Self.groups))] : [:]
        if random.once(in: 4) {
            let (filter, operators) = operators()
            return ["q": filter, "u": operators, "multi": true]
        }
        let stages = (0..<random.integer(1..<4)).map { _ in stage() }
        return ["q": group, "u": .array(stages), "multi": true]
    }

    private mutating func members(depth: Int) -> [(String, BSONValue)] {
        var names = Self.names
        names.shuffle(using: &random)
        return names.prefix(random.integer(0..<7)).map { ($0, value(depth: depth - 1)) }
    }

    private mutating func value(depth: Int) -> BSONValue {
        guard depth > 0, random.once(in: 2) else { return documents.value(depth: 0) }
        if random.once(in: 2) { return .document(BSONDocument(members(depth: depth))) }
        return .array((0..<random.integer(0..<6)).map { _ in value(depth: depth - 1) })
    }

    private mutating func literal(depth: Int = 2) -> BSONValue { ["$literal": value(depth: depth)] }

    private mutating func path() -> String {
        (0..<random.integer(1..<4)).map { _ in random.pick(Self.plain) }.joined(separator: ".")
    }

    /// A chance for each document, or each element, of its own.
    private mutating func chance() -> BSONValue {
        ["$lt": [["$rand": [:]], .double(random.pick([0.1, 0.3, 0.7]))]]
    }

    private mutating func stage() -> BSONValue {
        switch random.integer(0..<10) {
        case 0: ["$set": .document([path(): literal()])]
        case 1: ["$unset": .string(path())]
        case 2:
            [
                "$replaceWith": [
                    "$setField": [
                        "field": ["$literal": .string(random.pick(Self.names))], "input": "$$ROOT", "value": literal(),
                    ]
                ]
            ]
        case 3:
            [
                "$replaceWith": [
                    "$unsetField": ["field": ["$literal": .string(random.pick(Self.names))], "input": "$$ROOT"]
                ]
            ]
        case 4:
            ["$replaceWith": ["$mergeObjects": ["$$ROOT", ["$literal": .document(BSONDocument(members(depth: 3)))]]]]
        case 5: reordered()
        case 6: ["$set": .document([path(): ["$cond": [chance(), literal(), literal()]]])]
        default: ["$set": ["l": list()]]
        }
    }

    /// Fields dropped by chance, or all turned round.
    private mutating func reordered() -> BSONValue {
        let all: BSONValue = ["$objectToArray": "$$ROOT"]
        let isKept: BSONValue = ["$or": [["$in": ["$$this.k", ["_id", "g", "pad", "l"]]], ["$not": [chance()]]]]
        let kept: BSONValue = ["$filter": ["input": all, "cond": isKept]]
        return ["$replaceWith": ["$arrayToObject": random.once(in: 2) ? kept : ["$reverseArray": all]]]
    }

    /// What becomes of the array `l`.
    private mutating func list() -> BSONValue {
        let old: BSONValue = ["$cond": [["$isArray": "$l"], "$l", []]]
        switch random.integer(0..<6) {
        case 0: return ["$concatArrays": [old, ["$literal": .array((0..<4).map { _ in value(depth: 2) })]]]
        case 1: return ["$slice": [old, .int32(Int32(random.pick([-20, -3, 1, 5, 30])))]]
        case 2: return ["$map": ["input": old, "as": "e", "in": ["$cond": [chance(), literal(depth: 2), "$$e"]]]]
        case 3:
            let changed: BSONValue = [
                "$mergeObjects": ["$$e", ["r": ["$rand": [:]], random.pick(Self.plain): literal()]]
            ]
            let isDocument: BSONValue = ["$and": [["$eq": [["$type": "$$e"], "object"]], chance()]]
            return ["$map": ["input": old, "as": "e", "in": ["$cond": [isDocument, changed, "$$e"]]]]
        case 4: return ["$filter": ["input": old, "as": "e", "cond": ["$not": [chance()]]]]
        default:
            let inner: BSONValue = [
                "$cond": [["$isArray": "$$e"], ["$concatArrays": ["$$e", [["$rand": [:]]]]], "$$e"]
            ]
            return ["$map": ["input": old, "as": "e", "in": inner]]
        }
    }

    private mutating func operators() -> (filter: BSONValue, update: BSONValue) {
        let isList: BSONValue = ["l": ["$type": "array"]]
        switch random.integer(0..<7) {
        case 0: return (isList, ["$set": .document(["l.\(random.integer(0..<60))": value(depth: 2)])])
        case 1: return (isList, ["$unset": .document(["l.\(random.integer(0..<10))": 1])])
        case 2:
            let push: BSONDocument = [
                "$each": .array((0..<3).map { _ in value(depth: 2) }), "$position": BSONValue(random.integer(0..<9)),
                "$slice": BSONValue(random.pick([-12, 0, 6, 40])),
            ]
            return (isList, ["$push": ["l": .document(push)]])
        case 3: return (isList, ["$pop": ["l": BSONValue(random.pick([-1, 1]))]])
        case 4:
            // Just below the 200 levels that a server stores.
            let levels = Array(repeating: "n", count: random.pick([20, 100, 170])).joined(separator: ".")
            return ([:], ["$set": .document(["deep." + levels + "." + random.pick(["p", "q"]): value(depth: 1)])])
        case 5: return (["g": BSONValue(random.integer(0..<Self.groups))], ["$unset": ["deep": 1]])
        default:
            return (
                [:], ["$inc": ["count": 1], "$set": .document(["o.p.\(random.pick(Self.plain))": value(depth: 2)])]
            )
        }
    }
}
