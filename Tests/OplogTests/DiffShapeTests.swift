import BSON
import Bytes
import TestSupport
import Testing

@testable import Oplog

@Suite struct DiffShapeTests {
    private func update(_ diff: BSONDocument) -> BSONDocument { ["$v": 2, "diff": .document(diff)] }

    private func supersedes(_ new: BSONDocument, _ old: BSONDocument) -> Bool {
        DiffShape.supersedes(new.bytes.rawSpan, old.bytes.rawSpan)
    }

    @Test(
        arguments: [
            (["u": ["a": 1]], ["u": ["a": 2]], true),
            (["u": ["a": 1]], ["u": ["b": 2]], false),
            (["u": ["a": 1]], ["u": ["a": 2, "b": 1]], false),
            (["u": ["a": 1, "b": 2]], ["u": ["a": 2]], false),
            (["u": ["a": 1]], ["i": ["a": 2]], false),
            (["d": ["x": false], "i": ["a": 1]], ["d": ["x": false], "i": ["a": 2]], true),
            (["sx": ["u": ["a": 1]]], ["sx": ["u": ["a": 2]]], true),
            (["sx": ["u": ["a": 1]]], ["sy": ["u": ["a": 2]]], false),
            (["sx": ["a": true, "u0": 1]], ["sx": ["a": true, "u0": 2]], true),
            (["sx": ["a": true, "u0": 1]], ["sx": ["a": true, "u1": 2]], false),
            (["sx": ["a": true, "l": 1]], ["sx": ["a": true, "l": 2]], false),
            (["sx": ["a": true, "l": 2, "u0": 1]], ["sx": ["a": true, "l": 2, "u0": 3]], true),
            (["sx": ["b": ["c": ["o": 1]]]], ["sx": ["b": ["c": ["o": 1]]]], false),
        ] as [(BSONDocument, BSONDocument, Bool)])
    func shapes(_ old: BSONDocument, _ new: BSONDocument, _ expected: Bool) {
        #expect(supersedes(update(new), update(old)) == expected)
    }

    @Test func otherUpdatesAreKept() {
        #expect(!supersedes(["_id": 1], ["_id": 1]))
        #expect(!supersedes(["$v": 1, "$set": ["a": 1]], ["$v": 1, "$set": ["a": 1]]))
        #expect(!supersedes(["$v": 2, "diff": ["u": ["a": 1]], "x": 1], update(["u": ["a": 1]])))
    }

    /// A diff of a random shape with random values; the same seed of shape gives the same shape.
    private struct Maker {
        var shape: SeededGenerator
        var values: RandomDocuments
        private static let names = ["a", "b", "c", "d", "e", "f"]

        mutating func document(_ depth: Int) -> BSONDocument {
            var sections: [[(String, BSONValue)]] = [[], [], []]
            var nested: [(String, BSONValue)] = []
            for name in Self.names.shuffled(using: &shape) {
                switch shape.integer(0..<8) {
                case 0: sections[0].append((name, false))
                case 1, 2: sections[1].append((name, values.value(depth: 1)))
                case 3: sections[2].append((name, values.value(depth: 1)))
                case 4 where depth > 0: nested.append(("s" + name, .document(document(depth - 1))))
                case 5 where depth > 0: nested.append(("s" + name, .document(array(depth - 1))))
                default: break
                }
            }
            let named = zip(["d", "u", "i"], sections).filter { !$1.isEmpty }
            let result = BSONDocument(named.map { ($0, .document(BSONDocument($1))) } + nested)
            return result.isEmpty ? ["u": ["a": values.value(depth: 1)]] : result
        }

        private mutating func array(_ depth: Int) -> BSONDocument {
            var fields: [(String, BSONValue)] = [("a", true)]
            let length = shape.integer(0..<6)
            let isCut = shape.once(in: 2)
            if isCut { fields.append(("l", BSONValue(length))) }
            for index in 0..<(isCut ? length : 6) {
                switch shape.integer(0..<3) {
                case 0: fields.append(("u\(index)", values.value(depth: 1)))
                case 1 where depth > 0: fields.append(("s\(index)", .document(document(depth - 1))))
                default: break
                }
            }
            return BSONDocument(fields)
        }
    }

    /// Documents that have the fields that diffs name, of all kinds and in any order.
    private func base(_ random: inout RandomDocuments, depth: Int) -> BSONDocument {
        var fields: [(String, BSONValue)] = []
        for name in ["a", "b", "c", "d", "e", "f", "g"].shuffled(using: &random.random) {
            switch random.random.integer(0..<5) {
            case 0 where depth > 0: fields.append((name, .document(base(&random, depth: depth - 1))))
            case 1 where depth > 0:
                let count = random.random.integer(0..<5)
                fields.append((name, .array((0..<count).map { _ in .document(base(&random, depth: depth - 1)) })))
            case 2: break
            default: fields.append((name, random.value(depth: 1)))
            }
        }
        return BSONDocument(fields)
    }

    private func apply(_ update: BSONDocument, to document: BSONDocument) throws -> BSONDocument {
        let result = Buffer(capacity: 1_024)
        try UpdateApplier.apply(update: update.bytes.rawSpan, to: document.bytes.rawSpan, into: result)
        return try BSONDocument(copying: result.bytes)
    }

    @Test(arguments: 1...4) func whatIsSupersededDoesNotMatter(seed: Int) throws {
        var bases = RandomDocuments(seed: UInt64(seed))
        for number in 0..<500 {
            let shape = SeededGenerator(seed: UInt64(seed * 100_000 + number))
            var first = Maker(shape: shape, values: RandomDocuments(seed: bases.random.next()))
            var second = Maker(shape: shape, values: RandomDocuments(seed: bases.random.next()))
            let (old, new) = (update(first.document(3)), update(second.document(3)))
            #expect(supersedes(new, old))
            let document = base(&bases, depth: 3)
            let both = try apply(new, to: apply(old, to: document))
            let alone = try apply(new, to: document)
            #expect(both == alone, "seed \(seed), case \(number): \(document.fields)")
            if both != alone { return }
        }
    }
}
