import BSON
import Bytes
import TestSupport
import Testing

/// Updates that no server wrote: refused or applied, never a trap, and never a result beyond the bound.
@Suite struct HostileUpdateTests {
    private static let seed = UInt64.random(in: 0 ... .max)
    private static let names = ["a", "b", "d", "i", "l", "u", "s", "sa", "sb", "u0", "s1", "u3", "$v", "diff", "", "x"]

    private static func value(_ random: inout SeededGenerator, depth: Int) -> BSONValue {
        guard depth > 0 else { return random.pick([true, 1, -1, 2.5, "text", .null, .binary(subtype: 0, [1, 2])]) }
        switch random.integer(0..<5) {
        case 0: return random.pick([true, 3, .int32(.max), .binary(subtype: 7, [1, 2, 3])])
        case 1: return .array((0..<random.integer(0..<4)).map { _ in value(&random, depth: depth - 1) })
        default: return .document(document(&random, depth: depth - 1))
        }
    }

    private static func document(_ random: inout SeededGenerator, depth: Int) -> BSONDocument {
        BSONDocument((0..<random.integer(0..<5)).map { _ in (random.pick(names), value(&random, depth: depth)) })
    }

    @Test func nothingTraps() throws {
        print("seed of hostile updates: \(Self.seed)")
        var random = SeededGenerator(seed: Self.seed)
        let result = Buffer(capacity: 4_096)
        var applied = 0
        for round in 0..<20_000 {
            let document = Self.document(&random, depth: 4)
            let version: BSONValue = random.once(in: 5) ? 1 : 2
            var body: [(String, BSONValue)] = [("$v", version)]
            if version == 2 {
                body.append(("diff", .document(Self.document(&random, depth: 5))))
            } else {
                body.append((random.pick(["$set", "$unset"]), .document(Self.document(&random, depth: 2))))
            }
            var update = BSONDocument(body).bytes
            if round % 3 == 0 {
                for _ in 0..<random.integer(1..<4) {
                    update[random.integer(0..<update.count)] = UInt8(truncatingIfNeeded: random.next())
                }
            }
            result.removeAll()
            do {
                try UpdateApplier.apply(update: update.rawSpan, to: document.bytes.rawSpan, into: result)
                #expect(result.count <= UpdateApplier.byteCountMax)
                applied += 1
            } catch {
                #expect(result.count == 0)
            }
            if round % 7 == 0 {
                var damaged = document.bytes
                damaged[random.integer(0..<damaged.count)] = UInt8(truncatingIfNeeded: random.next())
                try? UpdateApplier.apply(update: update.rawSpan, to: damaged.rawSpan, into: result)
            }
        }
        #expect(applied > 300)
    }
}
