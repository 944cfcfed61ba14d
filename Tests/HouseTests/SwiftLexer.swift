/// Swift source with comments and the contents of string literals blanked out, so that the rules look at code alone.
/// Offsets and line breaks are those of the source. Regex literals are not known to it: the house uses none.
struct SwiftLexer {
    private let source: [UInt8]
    private var code: [UInt8]
    private var position = 0

    private init(_ source: [UInt8]) {
        self.source = source
        code = source
    }

    /// The same number of bytes as `source`, those that are not code replaced by spaces.
    static func code(of source: [UInt8]) -> [UInt8] {
        var lexer = SwiftLexer(source)
        lexer.scanCode(untilParenthesis: false)
        return lexer.code
    }

    /// Scans code up to the end, or up to the parenthesis that closes a string interpolation.
    private mutating func scanCode(untilParenthesis: Bool) {
        var depth = 0
        while position < source.count {
            let byte = source[position]
            if matches("//") {
                blank { $0.source[$0.position] == UInt8(ascii: "\n") }
            } else if matches("/*") {
                scanBlockComment()
            } else if byte == UInt8(ascii: "\"") || (byte == UInt8(ascii: "#") && poundsBeforeQuote() > 0) {
                scanString()
            } else {
                if byte == UInt8(ascii: "(") { depth += 1 }
                if byte == UInt8(ascii: ")") {
                    if untilParenthesis && depth == 0 { return }
                    depth -= 1
                }
                position += 1
            }
        }
    }

    private mutating func scanBlockComment() {
        var depth = 0
        repeat {
            if matches("/*") {
                depth += 1
                blankOne()
            } else if matches("*/") {
                depth -= 1
                blankOne()
            }
            blankOne()
        } while depth > 0 && position < source.count
    }

    private mutating func scanString() {
        let pounds = poundsBeforeQuote()
        position += pounds
        let quotes = matches("\"\"\"") ? 3 : 1
        position += quotes
        let end = [UInt8](repeating: UInt8(ascii: "\""), count: quotes) + Self.pounds(pounds)
        let escape = [UInt8(ascii: "\\")] + Self.pounds(pounds)
        while position < source.count && !matches(end) {
            guard matches(escape) else {
                blankOne()
                continue
            }
            for _ in escape { blankOne() }
            if position < source.count && source[position] == UInt8(ascii: "(") {
                position += 1
                scanCode(untilParenthesis: true)
            }
            if position < source.count { blankOne() }
        }
        position = min(position + end.count, source.count)
    }

    private static func pounds(_ count: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(ascii: "#"), count: count)
    }

    /// How many `#` stand at the position, when a quote follows them; otherwise 0.
    private func poundsBeforeQuote() -> Int {
        var end = position
        while end < source.count && source[end] == UInt8(ascii: "#") { end += 1 }
        return end < source.count && source[end] == UInt8(ascii: "\"") ? end - position : 0
    }

    private func matches(_ text: StaticString) -> Bool {
        matches([UInt8]("\(text)".utf8))
    }

    private func matches(_ bytes: [UInt8]) -> Bool {
        guard position + bytes.count <= source.count else { return false }
        for index in bytes.indices where source[position + index] != bytes[index] { return false }
        return true
    }

    private mutating func blank(until isEnd: (SwiftLexer) -> Bool) {
        while position < source.count && !isEnd(self) { blankOne() }
    }

    private mutating func blankOne() {
        guard position < source.count else { return }
        if source[position] != UInt8(ascii: "\n") { code[position] = UInt8(ascii: " ") }
        position += 1
    }
}

/// A word or a punctuation byte of the code, with the line it stands on (from 1).
struct Token: Equatable {
    let text: String
    let line: Int
}

extension SwiftLexer {
    /// Words (letters, digits, `_`, and a leading `@` or `#`) and single punctuation bytes, in order.
    static func tokens(of source: [UInt8]) -> [Token] {
        let code = code(of: source)
        var tokens: [Token] = []
        var line = 1
        var index = 0
        while index < code.count {
            let byte = code[index]
            if byte == UInt8(ascii: "\n") { line += 1 }
            if byte <= UInt8(ascii: " ") {
                index += 1
                continue
            }
            var end = index + 1
            if isWord(byte) || byte == UInt8(ascii: "@") || byte == UInt8(ascii: "#") {
                while end < code.count && isWord(code[end]) { end += 1 }
            }
            tokens.append(Token(text: String(decoding: code[index..<end], as: UTF8.self), line: line))
            index = end
        }
        return tokens
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...0xFF:
            true
        default: false
        }
    }
}
