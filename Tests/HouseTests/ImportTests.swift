import Testing

/// Dependencies run downwards only. The compiler refuses an undeclared import; this refuses a declared one that the
/// design does not allow, and system modules in the wrong place.
@Suite struct ImportTests {
    private struct Rule {
        let target: String
        let modules: Set<String>
        let reason: String
    }

    /// Part of every toolchain and free of policy: the C library, atomics and locks.
    private static let always: Set<String> = ["Glibc", "Synchronization"]

    private static let rules = [
        Rule(
            target: "Bytes", modules: ["CZstd", "COpenSSL", "CLinux"],
            reason: "the lowest layer, and the only door to the codecs and the kernel"),
        Rule(target: "BSON", modules: ["Bytes"], reason: "bytes in, bytes out: no store, no server"),
        Rule(
            target: "ObjectStore", modules: ["Bytes", "CLinux"],
            reason: "knows names and bytes, never what they mean; CLinux for direct I/O"),
        Rule(
            target: "Columns", modules: ["Bytes", "BSON"],
            reason: "turns documents into columns and back: knows no keys, packs or stores"),
        Rule(
            target: "Archive", modules: ["Bytes", "BSON", "Columns", "ObjectStore"],
            reason: "the storage engine knows no MongoDB and no network"),
        Rule(
            target: "Oplog", modules: ["Bytes", "BSON"],
            reason: "what an oplog entry means: no server, no archive"),
        Rule(target: "Mongo", modules: ["Bytes", "BSON", "CMongoC"], reason: "knows no archive"),
        Rule(
            target: "Remote",
            modules: ["Bytes", "BSON", "ObjectStore", "Mongo", "CCurl", "Foundation", "FoundationXML"],
            reason: "stores over the network: never holds a key that opens data, so it knows no archive"),
        Rule(
            target: "Operations",
            modules: ["Bytes", "BSON", "ObjectStore", "Archive", "Oplog", "Mongo", "Remote", "Logging"],
            reason: "joins the archive and the server, and leaves the user to the command line"),
        Rule(
            target: "cairn",
            modules: [
                "Bytes", "BSON", "ObjectStore", "Archive", "Mongo", "Remote", "Operations", "ArgumentParser", "Logging",
                "Yams", "Foundation",
            ],
            reason: "the command line: the only target with a user, hence with Foundation"),
        Rule(
            target: "TestSupport",
            modules: ["Bytes", "BSON", "ObjectStore", "Archive", "Mongo", "Testing", "Foundation"],
            reason: "serves tests of every layer, so it must not pull the upper ones in"),
        Rule(
            target: "fixture", modules: ["Bytes", "BSON", "Mongo", "TestSupport", "ArgumentParser"],
            reason: "judges what cairn did, so it shares no code with Operations"),
    ]

    @Test func importsFollowTheDesign() {
        for rule in Self.rules {
            let allowed = rule.modules.union(Self.always)
            let files = SourceTree.files(below: ["Sources", "Tests"]).filter { $0.target == rule.target }
            #expect(!files.isEmpty, "no sources of \(rule.target)")
            for file in files {
                for module in Self.imports(of: file) where !allowed.contains(module.text) {
                    Issue.record(
                        "\(file.path):\(module.line): \(rule.target) must not import \(module.text): \(rule.reason)")
                }
            }
        }
    }

    @Test func everyTargetHasARule() {
        let ruled = Set(Self.rules.map(\.target))
        let targets = Set(SourceTree.files(below: ["Sources"]).map(\.target))
        #expect(targets.subtracting(ruled).isEmpty)
    }

    /// Packages from outside, with why each is worth it. CONTRIBUTING.md names them too.
    @Test func onlyKnownPackagesAndCLibraries() throws {
        let known = [
            "swift-argument-parser", "swift-log", "Yams",
            "libmongoc-1.0", "libzstd", "libcrypto", "libcurl",
        ]
        let manifest = String(decoding: try #require(SourceTree.read("Package.swift")), as: UTF8.self)
        let guide = String(decoding: try #require(SourceTree.read("CONTRIBUTING.md")), as: UTF8.self)
        for line in manifest.split(separator: "\n") where line.contains("url: \"") || line.contains("pkgConfig: \"") {
            let name = known.first { line.contains($0) }
            #expect(name != nil, "Package.swift depends on something that is not on the list: \(line)")
            if let name { #expect(guide.contains(name), "CONTRIBUTING.md does not say why \(name) is used") }
        }
    }

    /// The module named by each import declaration, in whatever form it is written.
    private static func imports(of file: SourceFile) -> [Token] {
        let kinds: Set<String> = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
        let tokens = SwiftLexer.tokens(of: file.text)
        return tokens.indices.compactMap { index in
            guard tokens[index].text == "import", index + 1 < tokens.count else { return nil }
            let next = tokens[index + 1]
            return kinds.contains(next.text) && index + 2 < tokens.count ? tokens[index + 2] : next
        }
    }
}
