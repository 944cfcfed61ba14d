import Testing

/// What must not be found anywhere in the tree. The patterns are put together from parts, so that this file does not
/// contain them itself.
@Suite struct TidinessTests {
    private static let folders = ["Sources", "Tests", "benchmarks", ".ci"]

    @Test func theTopLevelHoldsNothingMore() {
        let known: Set<String> = [
            "Package.swift", "Package.resolved", "Sources", "Tests", "benchmarks", "format-spec.md", "README.md",
            "CONTRIBUTING.md", "LICENSE", "Makefile",
        ]
        for name in SourceTree.topLevelNames() where !name.hasPrefix(".") && !known.contains(name) {
            Issue.record("'\(name)' at the top level: it belongs into one of the folders")
        }
    }

    @Test func nothingIsLeftForLater() {
        forbid(["TO" + "DO", "FIX" + "ME", "X" + "XX", "H" + "ACK"], because: "finish it, or file an issue") { _ in true
        }
    }

    @Test func noCheckIsSwitchedOff() {
        forbid(["-O" + "unchecked", "unsafe" + "Flags", "-dis" + "able-exclusivity"], because: "a backup tool traps") {
            _ in true
        }
    }

    @Test func noPathOfADevelopersMachine() {
        let patterns = [
            "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/", "/wo" + "rk/", "/opt/ca" + "irn", "/tmp/wo" + "rk",
        ]
        forbid(patterns, because: "the tree is the same on every machine") { line in
            // `../shared` data is found beside the checkout or through the environment, never by an absolute path.
            !line.hasPrefix("#!")
        }
    }

    @Test func theFoundationStaysOutOfTheEngine() {
        let engine: Set<String> = ["Bytes", "BSON", "ObjectStore", "Archive", "Mongo", "Operations"]
        for file in SourceTree.files(below: ["Sources"]) where engine.contains(file.target) {
            for token in SwiftLexer.tokens(of: file.text) where token.text.hasPrefix("Foundation") {
                Issue.record("\(file.path):\(token.line): Foundation in the engine")
            }
        }
    }

    private func forbid(_ patterns: [String], because reason: String, where applies: (String) -> Bool) {
        let suffixes = [".swift", ".h", ".sh", ".py", ".md", ".modulemap", "run", "compare", "tailing"]
        var files = SourceTree.files(below: Self.folders, suffixes: suffixes)
        for name in ["Package.swift", "Makefile", "README.md", "CONTRIBUTING.md", "format-spec.md"] {
            if let text = SourceTree.read(name) { files.append(SourceFile(path: name, text: text)) }
        }
        for file in files {
            for (index, line) in file.lines.enumerated() where applies(line) {
                for pattern in patterns where Self.contains(line, word: pattern) {
                    Issue.record("\(file.path):\(index + 1): '\(pattern)': \(reason)")
                }
            }
        }
    }

    /// Whether `line` contains `word` not glued to a letter before or behind it.
    private static func contains(_ line: String, word: String) -> Bool {
        let line = Array(line.utf8)
        let word = Array(word.utf8)
        guard line.count >= word.count else { return false }
        for start in 0...(line.count - word.count) where line[start] == word[0] {
            let end = start + word.count
            guard line[start..<end].elementsEqual(word) else { continue }
            let isGlued = { (index: Int) in line.indices.contains(index) && isLetter(line[index]) }
            if !(isLetter(word[0]) && isGlued(start - 1)) && !(isLetter(word[word.count - 1]) && isGlued(end)) {
                return true
            }
        }
        return false
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }
}
