import Testing

/// What a person can read in one go: a function fits a screen, a line fits its width.
@Suite struct SizeTests {
    private static let functionLinesMax = 70
    private static let lineColumnsMax = 120

    @Test func functionsFitAScreen() {
        for file in SourceTree.files(below: ["Sources", "Tests", "benchmarks"]) {
            for function in Self.functions(of: file) where function.lines > Self.functionLinesMax {
                Issue.record(
                    """
                    \(file.path):\(function.line): \(function.name) has \(function.lines) lines, more than \
                    \(Self.functionLinesMax): split it by what its parts decide
                    """)
            }
        }
    }

    @Test func linesFitTheWidth() {
        let suffixes = [".swift", ".h", ".sh", ".py", "Makefile", "run", "compare", "tailing"]
        for file in SourceTree.files(below: ["Sources", "Tests", "benchmarks", ".ci"], suffixes: suffixes) {
            for (index, line) in file.lines.enumerated() where line.count > Self.lineColumnsMax {
                Issue.record("\(file.path):\(index + 1): \(line.count) columns, more than \(Self.lineColumnsMax)")
            }
        }
    }

    @Test func theFunctionScannerSeesWhatItShould() {
        let source = #"""
            protocol P { func none(); init(a: Int) }
            func outer(default: () -> Void = {}) -> String {
                let text = "} \(call { "}" }) func fake() {"
                // func comment() {
                func inner() {
                }
                return text
            }
            """#
        let found = Self.functions(of: SourceFile(path: "x.swift", text: [UInt8](source.utf8)))
        #expect(found.map(\.name) == ["outer", "inner"])
        #expect(found.map(\.lines) == [7, 2])
    }

    private struct Function {
        let name: String
        let line: Int
        let lines: Int
    }

    /// Functions, initialisers and deinitialisers with a body, with their length from the first to the last line.
    private static func functions(of file: SourceFile) -> [Function] {
        let tokens = SwiftLexer.tokens(of: file.text)
        var found: [Function] = []
        for index in tokens.indices {
            guard let name = name(declaredAt: index, in: tokens), let open = bodyStart(after: index, in: tokens)
            else { continue }
            var depth = 0
            for token in tokens[open...] {
                if token.text == "{" { depth += 1 }
                if token.text == "}" { depth -= 1 }
                if depth == 0 {
                    let line = tokens[index].line
                    found.append(Function(name: name, line: line, lines: token.line - line + 1))
                    break
                }
            }
        }
        return found
    }

    private static func name(declaredAt index: Int, in tokens: [Token]) -> String? {
        let previous = index > 0 ? tokens[index - 1].text : ""
        switch tokens[index].text {
        case "func": return index + 1 < tokens.count ? tokens[index + 1].text : nil
        case "init" where previous != "." && previous != "(" && previous != ",": return "init"
        case "deinit": return "deinit"
        default: return nil
        }
    }

    /// The brace that opens the body; nil for a requirement of a protocol, which ends at the next declaration.
    private static func bodyStart(after index: Int, in tokens: [Token]) -> Int? {
        let ends: Set<String> = ["func", "init", "deinit", "var", "let", "subscript", "static", "mutating", "}", ";"]
        var depth = 0
        for position in (index + 1)..<tokens.count {
            switch tokens[position].text {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{" where depth == 0: return position
            case let text where depth == 0 && ends.contains(text) && position > index + 1: return nil
            default: continue
            }
        }
        return nil
    }
}
