import BSON
import Bytes
import Testing

/// Values are equal when their stored forms are.
@Suite struct EqualityTests {
    /// What a value that holds a text is made of it, for each type that has one.
    private static let makers: [@Sendable (String) -> BSONValue] = [
        { .string($0) }, { .symbol($0) }, { .code($0) }, { .codeWithScope($0, [:]) }, { .codeWithScope("", [$0: 1]) },
        { .regex(pattern: $0, options: "") }, { .regex(pattern: "", options: $0) },
        { .dbPointer(namespace: $0, ObjectID([UInt8](repeating: 1, count: 12).rawSpan)) }, { .document([$0: 1]) },
        { .array([.string($0)]) },
    ]

    @Test func textsAreComparedByTheirBytes() {
        let texts = ["caf\u{e9}", "cafe\u{301}", "cafe"]
        for make in Self.makers {
            #expect(Set(texts.map(make)).count == 3, "\(make(""))")
            for text in texts { #expect(make(text) == make(text)) }
        }
    }

    @Test func typesAreToldApart() {
        let values: [BSONValue] =
            [
                1, .int64(1), 1.0, true, .date(1), .timestamp(Timestamp(rawValue: 1)), .decimal128(1), .null,
                .undefined, .minKey, .maxKey, .binary(subtype: 0, [1]), .binary(subtype: 5, [1]),
                .objectID(ObjectID([UInt8](repeating: 1, count: 12).rawSpan)),
            ] + Self.makers.map { $0("1") }
        for (index, value) in values.enumerated() {
            for (other, candidate) in values.enumerated() { #expect((value == candidate) == (index == other)) }
        }
        #expect(Set(values).count == values.count)
        #expect(BSONValue.double(0) == -0.0 && BSONValue.double(.nan) != .double(.nan))
    }
}
