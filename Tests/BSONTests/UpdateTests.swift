import BSON
import Bytes
import Testing

/// What an update of the oplog makes of a document, case by case. Whether servers agree is for the tests with a server.
@Suite struct UpdateTests {
    private static func apply(_ update: BSONDocument, _ document: BSONDocument) throws -> BSONDocument {
        let result = Buffer(capacity: 0)
        try UpdateApplier.apply(update: update.bytes.rawSpan, to: document.bytes.rawSpan, into: result)
        return try BSONDocument(copying: result.bytes)
    }

    private static func diff(_ diff: BSONValue, _ document: BSONDocument) throws -> BSONDocument {
        let update: BSONDocument = ["$v": 2, "diff": diff]
        let once = try apply(update, document)
        #expect(try apply(update, once) == once, "not idempotent: \(diff) on \(document)")
        return once
    }

    private static func message(_ update: BSONDocument, _ document: BSONDocument = [:]) -> CairnError? {
        do {
            _ = try apply(update, document)
            return nil
        } catch { return error as? CairnError }
    }

    @Test func sectionsActWhereTheyShould() throws {
        let document: BSONDocument = ["_id": 1, "a": 1, "b": 2, "c": 3, "d": 4]
        #expect(try Self.diff(["d": ["b": false]], document) == ["_id": 1, "a": 1, "c": 3, "d": 4])
        #expect(
            try Self.diff(["u": ["b": "x", "z": 9]], document) == ["_id": 1, "a": 1, "b": "x", "c": 3, "d": 4, "z": 9])
        #expect(
            try Self.diff(["i": ["b": "x", "z": 9]], document) == ["_id": 1, "a": 1, "c": 3, "d": 4, "b": "x", "z": 9])
        #expect(
            try Self.diff(["d": ["a": false], "u": ["y": 1, "d": 5], "i": ["x": 2, "c": 0]], document)
                == ["_id": 1, "b": 2, "d": 5, "y": 1, "x": 2, "c": 0])
    }

    @Test func nestedDiffsKeepTypesApart() throws {
        let document: BSONDocument = ["_id": 1, "o": ["x": 1], "l": [1, 2], "n": 5]
        #expect(try Self.diff(["so": ["u": ["x": 2]]], document) == ["_id": 1, "o": ["x": 2], "l": [1, 2], "n": 5])
        #expect(try Self.diff(["so": ["a": true, "u0": 2]], document) == ["_id": 1, "o": .null, "l": [1, 2], "n": 5])
        #expect(try Self.diff(["sl": ["u": ["0": 2]]], document) == ["_id": 1, "o": ["x": 1], "l": .null, "n": 5])
        #expect(
            try Self.diff(["sn": ["u": ["0": 2]]], document) == ["_id": 1, "o": ["x": 1], "l": [1, 2], "n": .null])
        #expect(try Self.diff(["sgone": ["u": ["0": 2]]], document) == document)
    }

    @Test func namesAreNeverPaths() throws {
        let document: BSONDocument = ["_id": 1, "": ["": 1], "a.b": ["$c": 1], "a": ["b": ["$c": 5]], "ss": [1]]
        #expect(
            try Self.diff(["s": ["u": ["": 2]], "sa.b": ["u": ["$c": 2]], "sss": ["a": true, "u0": 2]], document)
                == ["_id": 1, "": ["": 2], "a.b": ["$c": 2], "a": ["b": ["$c": 5]], "ss": [2]])
    }

    @Test func arraysGrowShrinkAndPad() throws {
        func array(_ diff: BSONValue, _ elements: BSONValue) throws -> BSONValue? {
            try Self.diff(["sl": diff], ["l": elements])["l"]
        }
        #expect(try array(["a": true, "l": 1], [1, 2, 3]) == [1])
        #expect(try array(["a": true, "l": 0], [1, 2, 3]) == [])
        #expect(try array(["a": true, "l": 4], [1]) == [1, .null, .null, .null])
        #expect(try array(["a": true, "u3": "x"], [1]) == [1, .null, .null, "x"])
        #expect(
            try array(["a": true, "u0": "x", "s12": ["u": ["a": 1]]], [])
                == .array(["x"] + Array(repeating: .null, count: 12)))
        #expect(try array(["a": true, "l": 2, "u1": 7], [1, 2, 3]) == [1, 7])
        #expect(
            try array(["a": true, "s0": ["u": ["x": 2]], "s1": ["a": true, "u0": 3]], [["x": 1], [1], 5])
                == [["x": 2], [3], 5])
        #expect(try array(["a": true, "s0": ["a": true, "u0": 3]], [["x": 1]]) == [.null])
        let long = (0..<2_000).map { BSONValue($0) }
        #expect(try array(["a": true, "u1000": "x"], .array(long)) == .array(long[..<1_000] + ["x"] + long[1_001...]))
    }

    @Test func manyFieldsAreFoundToo() throws {
        var fields: [(String, BSONValue)] = (0..<500).map { ("a field of some length \($0)", BSONValue($0)) }
        let document = BSONDocument([("_id", 1)] + fields)
        let updates = BSONDocument(fields.filter { $0.0.hasSuffix("7") }.map { ($0.0, "new") })
        for index in fields.indices where fields[index].0.hasSuffix("7") { fields[index].1 = "new" }
        #expect(try Self.diff(["u": .document(updates)], document) == BSONDocument([("_id", 1)] + fields))
    }

    @Test func compressedColumnsArePatched() throws {
        let document: BSONDocument = ["data": ["t": .binary(subtype: 7, [1, 2, 3, 4]), "n": 1]]
        func patch(_ offset: BSONValue, _ field: String = "t") throws -> BSONDocument {
            try Self.diff(
                ["sdata": ["b": .document([field: ["o": offset, "d": .binary(subtype: 0, [9, 8])]])]], document)
        }
        #expect(try patch(3) == ["data": ["t": .binary(subtype: 7, [1, 2, 3, 9, 8]), "n": 1]])
        #expect(try patch(0) == ["data": ["t": .binary(subtype: 7, [9, 8]), "n": 1]])
        #expect(throws: CairnError.self) { try patch(5) }
        #expect(throws: CairnError.self) { try patch(-1) }
        #expect(throws: CairnError.self) { try patch(0, "n") }
    }

    @Test func whatIsUnknownIsNamed() throws {
        let cases: [(BSONDocument, String)] = [
            (["$v": 3, "diff": ["u": ["a": 1]]], "\"$v\" with 3"),
            (["$set": ["a": 1]], "\"$set\""),
            (["$v": 2, "diff": ["u": ["a": 1]], "extra": 1], "\"extra\""),
            (["$v": 2, "other": 1], "\"other\""), (["$v": 2], "\"diff\""), ([:], "\"$v\""),
            (["$v": 2, "diff": [:]], "without a key"), (["$v": 2, "diff": ["sa": [:]]], "without a key"),
            (["$v": 2, "diff": ["x": ["a": 1]]], "\"x\""), (["$v": 2, "diff": ["": ["a": 1]]], "\"\""),
            (["$v": 2, "diff": ["up": ["a": 1]]], "\"up\""), (["$v": 2, "diff": ["a": true]], "\"a\""),
            (["$v": 2, "diff": ["u": 1]], "\"u\""), (["$v": 2, "diff": ["sa": 1]], "\"sa\""),
            (["$v": 2, "diff": ["i": ["a": 1], "u": ["b": 1]]], "\"u\""),
            (["$v": 2, "diff": ["u": ["a": 1], "u": ["b": 1]]], "\"u\""),
            (["$v": 2, "diff": ["sa": ["u": ["b": 1]], "u": ["b": 1]]], "\"u\""),
            (["$v": 2, "diff": ["u": ["a": 1], "i": ["a": 1]]], "\"a\" twice"),
            (["$v": 2, "diff": ["u": ["a": 1], "sa": ["u": ["b": 1]]]], "\"a\" twice"),
            (["$v": 1, "$inc": ["a": 1]], "\"$inc\""), (["$v": 1, "$set": 1], "\"$set\""),
        ]
        for (update, text) in cases {
            let error = Self.message(update)
            #expect(
                error?.code == .unsupportedFormat && error?.message.contains(text) == true, "\(update): \(error as Any)"
            )
        }
        let arrays: [(BSONDocument, String)] = [
            (["a": false, "u0": 1], "\"a\""), (["a": 1, "u0": 1], "\"a\""), (["a": true, "l": -1], "\"l\""),
            (["a": true, "l": 2.5], "\"l\""), (["a": true, "u1": 1, "u0": 1], "\"u0\""),
            (["a": true, "u1": 1, "u1": 1], "\"u1\""), (["a": true, "u01": 1], "\"u01\""),
            (["a": true, "u": 1], "\"u\""),
            (["a": true, "ux": 1], "\"ux\""), (["a": true, "x1": 1], "\"x1\""),
            (["a": true, "l": 1, "u1": 1], "\"u1\""),
            (["a": true, "u0": 1, "l": 3], "\"l\""), (["a": true, "s0": 3], "\"s0\""),
        ]
        for (diff, text) in arrays {
            let error = Self.message(["$v": 2, "diff": ["sf": .document(diff)]], ["f": [1]])
            #expect(
                error?.code == .unsupportedFormat && error?.message.contains(text) == true, "\(diff): \(error as Any)")
        }
    }

    @Test func resultsAreBounded() throws {
        let hostile: [BSONDocument] = [
            ["a": true, "l": .int32(.max)], ["a": true, "u2147483647": 1], ["a": true, "u9999999999": 1],
        ]
        for diff in hostile {
            #expect(Self.message(["$v": 2, "diff": ["sf": .document(diff)]], ["f": [1]])?.code == .limit)
        }
        #expect(Self.message(["$v": 1, "$set": ["f.2147483647": 1]], ["f": [1]])?.code == .limit)
        var deep: BSONValue = ["u": ["a": 1]]
        var document: BSONValue = ["a": 1]
        for _ in 0..<300 {
            deep = ["sa": deep]
            document = ["a": document]
        }
        guard case .document(let nested) = document else { return }
        #expect(Self.message(["$v": 2, "diff": deep], nested)?.code == .limit)
        // One field name a hundred times, so that the diff's parts act a hundred times.
        let same = BSONDocument((0..<100).map { _ in ("a", ["b": 1]) })
        #expect(Self.message(["$v": 2, "diff": ["sa": ["d": ["b": false]]]], same)?.code == .limit)
    }

    @Test func replacementsAreTakenAsTheyAre() throws {
        #expect(try Self.apply(["_id": 1, "$a": 2], ["_id": 1, "b": 1]) == ["_id": 1, "$a": 2])
        let awkward: BSONDocument = ["$v": 2, "diff": ["u": ["b": 2]], "_id": 1]
        #expect(try Self.apply(awkward, ["_id": 1, "b": 1]) == ["_id": 1, "$v": 2, "diff": ["u": ["b": 2]]])
        let moved: BSONValue = ["i": ["a": 2, "_id": 1, "b": 3]]
        #expect(try Self.diff(moved, ["_id": 1, "a": 1]) == ["_id": 1, "a": 2, "b": 3])
    }

    @Test func anIdentityThatAnUpdateWritesIsFound() throws {
        let cases: [BSONDocument] = [
            ["a": 1, "_id": 2.0], ["$v": 2, "diff": ["d": ["x": false], "u": ["a": 1, "_id": 2.0]]],
            ["$v": 2, "diff": ["u": ["a": 1], "i": ["_id": 2.0]]], ["$v": 1, "$set": ["_id": 2.0]],
        ]
        for update in cases {
            let identity = try UpdateApplier.writtenIdentity(update.bytes.rawSpan)
            #expect(try DocumentIdentity.document(of: identity) == ["_id": 2.0])
        }
        let without: BSONDocument = ["$v": 2, "diff": ["u": ["a": 1], "s_id": ["u": ["_id": 1]]]]
        #expect(try UpdateApplier.writtenIdentity(without.bytes.rawSpan).byteCount == 0)
    }

    @Test func dottedPathsArePaths() throws {
        func set(_ paths: BSONValue, _ document: BSONDocument) throws -> BSONDocument {
            try Self.apply(["$v": 1, "$set": paths], document)
        }
        let document: BSONDocument = ["_id": 1, "a": ["b": [1, ["c": 2]]], "n": 5]
        #expect(try set(["a.b.1.c": 9, "n": 6], document) == ["_id": 1, "a": ["b": [1, ["c": 9]]], "n": 6])
        #expect(try set(["a.b.4": 9], document) == ["_id": 1, "a": ["b": [1, ["c": 2], .null, .null, 9]], "n": 5])
        #expect(try set(["a.b.2.x.y": 9], document) == ["_id": 1, "a": ["b": [1, ["c": 2], ["x": ["y": 9]]]], "n": 5])
        #expect(
            try set(["x.0.y": 9], document) == ["_id": 1, "a": ["b": [1, ["c": 2]]], "n": 5, "x": ["0": ["y": 9]]])
        #expect(try set(["n.x": 9, "a.b.name": 1], document) == document)
        let unset: BSONDocument = ["$v": 1, "$unset": ["a.b.0": true, "n": true, "gone.x": true]]
        #expect(try Self.apply(unset, document) == ["_id": 1, "a": ["b": [.null, ["c": 2]]]])
        let both: BSONDocument = ["$v": 1, "$set": ["z": 1], "$unset": ["a": true]]
        #expect(try Self.apply(both, document) == ["_id": 1, "n": 5, "z": 1])
    }
}
