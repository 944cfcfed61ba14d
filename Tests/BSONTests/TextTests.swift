import BSON
import Bytes
import TestSupport
import Testing

/// UTF-8 against the standard library, which decides scalar by scalar.
@Suite struct TextTests {
    private func check(_ bytes: [UInt8], _ memory: GuardedMemory) {
        let expected = String(validating: bytes, as: UTF8.self) != nil
        memory.withCopies(of: bytes) { span in
            if BSONValidator.isUTF8(span) != expected { Issue.record("\(bytes) is \(expected ? "" : "not ")UTF-8") }
        }
    }

    /// All sequences of up to four bytes that matter: the first and last of each class of table 3-7, behind and
    /// before ASCII.
    @Test func boundarySequences() {
        let memory = GuardedMemory(capacity: 4096)
        let telling: [UInt8] = [
            0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
            0xF0, 0xF1,
            0xF3, 0xF4, 0xF5, 0xFF,
        ]
        for first in telling {
            check([first], memory)
            for second in telling {
                check([first, second], memory)
                for third in telling {
                    check([first, second, third], memory)
                    for fourth in [0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xE0] as [UInt8] {
                        check([first, second, third, fourth], memory)
                    }
                }
            }
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func damagedText(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let memory = GuardedMemory(capacity: 4096)
        let scalars = [
            "a", "~", "\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}",
        ]
        for _ in 0..<5_000 {
            var text = ""
            for _ in 0..<random.integer(0..<8) {
                text += String(repeating: random.pick(scalars), count: random.integer(1..<12))
            }
            var bytes = Array(text.utf8)
            check(bytes, memory)
            guard !bytes.isEmpty else { continue }
            bytes[random.integer(0..<bytes.count)] = UInt8(random.integer(0..<256))
            check(bytes, memory)
            bytes.removeLast(random.integer(0..<min(4, bytes.count)))
            check(bytes, memory)
        }
    }

    @Test func namesAreTextToo() throws {
        for name in ["\u{80}", "abcdef\u{80}", "abcdefg\u{80}", "abcdefghijklmn\u{80}"] {
            var bytes = (["v": [name: 1]] as BSONDocument).bytes
            try BSONValidator.validate(bytes.rawSpan, strictness: .specification)
            bytes[try #require(bytes.firstIndex(of: 0xC2))] = 0x61
            #expect(throws: CairnError.self, "\(name)") {
                try BSONValidator.validate(bytes.rawSpan, strictness: .specification)
            }
            try BSONValidator.validate(bytes.rawSpan, strictness: .server)
        }
    }
}
