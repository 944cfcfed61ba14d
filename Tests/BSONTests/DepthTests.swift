import BSON
import Bytes
import Testing

/// Nesting is bounded, and the bound lies above what servers accept.
@Suite struct DepthTests {
    /// A document of `levels` levels, the outermost included, of that type inside.
    private func nested(_ levels: Int, _ type: BSONType) -> [UInt8] {
        var bytes = BSONDocument().bytes
        for _ in 1..<levels {
            var builder = DocumentBuilder()
            builder.append("0", type: type, rawValue: bytes.rawSpan)
            bytes = builder.finishBytes()
        }
        return bytes
    }

    @Test(arguments: [BSONType.document, .array]) func theBoundIsExact(type: BSONType) throws {
        for strictness in [BSONValidator.Strictness.server, .specification] {
            try BSONValidator.validate(nested(200, type).rawSpan, strictness: strictness)
            let deepest = nested(BSONValidator.depthMax, type)
            try BSONValidator.validate(deepest.rawSpan, strictness: strictness)
            let tooDeep = nested(BSONValidator.depthMax + 1, type)
            let error = try #require(throws: CairnError.self) {
                try BSONValidator.validate(tooDeep.rawSpan, strictness: strictness)
            }
            #expect(error.code == .limit && error.message.contains("256"))
        }
        try BSONValidator.validate(nested(3, type).rawSpan, strictness: .specification, depthMax: 3)
        #expect(throws: CairnError.self) {
            try BSONValidator.validate(nested(4, type).rawSpan, strictness: .specification, depthMax: 3)
        }
    }

    @Test func theDeepestDocumentIsReadComparedAndRebuilt() throws {
        let document = try BSONDocument(validating: nested(BSONValidator.depthMax, .array))
        #expect(BSONDocument(document.fields.map { ($0.name, $0.value) }) == document)
        var elements = document.view.makeElements()
        if let element = try elements.next() {
            let order = try BSONOrder.compare(element, element)
            #expect(order == .equal)
        }
    }

    @Test func hostileNestingIsRefusedWithoutRecursion() {
        // A million levels, each claiming what is left: far more than a thread's stack would bear.
        var bytes: [UInt8] = []
        for _ in 0..<1_000_000 { bytes += [0, 0, 0, 0, 4, 0x30, 0] }
        bytes += [5, 0, 0, 0, 0]
        bytes += [UInt8](repeating: 0, count: 1_000_000)
        for level in 0..<1_000_000 {
            let length = bytes.count - 8 * level
            for index in 0..<4 { bytes[7 * level + index] = UInt8(truncatingIfNeeded: length >> (8 * index)) }
        }
        #expect(throws: CairnError.self) { try BSONValidator.validate(bytes.rawSpan, strictness: .specification) }
        #expect(throws: CairnError.self) { try BSONDocument(validating: bytes) }
    }

    @Test func scopesCountAsLevels() throws {
        var document: BSONDocument = [:]
        for _ in 1..<BSONValidator.depthMax { document = ["c": .codeWithScope("f", document)] }
        try BSONValidator.validate(document.bytes.rawSpan, strictness: .specification)
        let deeper: BSONDocument = ["c": .codeWithScope("f", document)]
        #expect(throws: CairnError.self) {
            try BSONValidator.validate(deeper.bytes.rawSpan, strictness: .specification)
        }
    }
}
