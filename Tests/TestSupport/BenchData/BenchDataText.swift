/// Prose with the statistics of prose: a few words make up most of it, sentences start with a capital and end with a
/// full stop. It compresses about as English does, which random letters or repeated phrases do not.
struct BenchDataText: Sendable {
    /// All words with a space behind each, one after the other, the frequent ones first.
    private let blob: [UInt8]
    /// Where each word starts in `blob`, and the end of the last.
    private let starts: [Int]

    private static let wordCount = 16_384

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed, part: 0x7E87)
        var blob: [UInt8] = []
        var starts = [0]
        for rank in 0..<Self.wordCount {
            blob.append(contentsOf: Self.word(rank: rank, &random))
            blob.append(UInt8(ascii: " "))
            starts.append(blob.count)
        }
        self.blob = blob
        self.starts = starts
    }

    /// A pronounceable word; frequent words are short.
    private static func word(rank: Int, _ random: inout SeededGenerator) -> [UInt8] {
        let onsets: [String] = [
            "b", "c", "d", "f", "g", "h", "j", "l", "m", "n", "p", "qu", "r", "s", "st", "t", "th", "tr", "v", "w",
        ]
        let vowels = ["a", "e", "i", "o", "u", "ea", "ou", "é", "io"]
        let codas = ["", "", "n", "r", "s", "t", "l", "nd", "ng", "ck"]
        let syllables = rank < 256 ? 1 : rank < 4_096 ? 1 + random.below(2) : 2 + random.below(2)
        var word = ""
        for _ in 0..<syllables {
            word += onsets[random.below(onsets.count)] + vowels[random.below(vowels.count)]
            word += codas[random.below(codas.count)]
        }
        return Array(word.utf8)
    }

    /// Appends sentences until at least `count` bytes are there.
    func appendProse(_ count: Int, to bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let end = bytes.count + count
        while bytes.count < end {
            let first = bytes.count
            for _ in 0..<(4 + random.below(14)) { appendWord(to: &bytes, &random) }
            if bytes[first] < 0x80 { bytes[first] -= 32 }
            bytes[bytes.count - 1] = UInt8(ascii: ".")
            bytes.append(random.below(6) == 0 ? UInt8(ascii: "\n") : UInt8(ascii: " "))
        }
    }

    /// Appends `count` words with a space between them.
    func appendWords(_ count: Int, to bytes: inout [UInt8], _ random: inout SeededGenerator) {
        for _ in 0..<count { appendWord(to: &bytes, &random) }
        bytes.removeLast()
    }

    /// Appends source code of a kind, as students hand it in.
    func appendCode(_ count: Int, to bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let end = bytes.count + count
        while bytes.count < end {
            let depth = random.below(4)
            for _ in 0..<depth { bytes.append(contentsOf: Self.indent) }
            bytes.append(contentsOf: Self.keywords[random.below(Self.keywords.count)])
            appendWord(to: &bytes, &random)
            bytes.append(contentsOf: Self.operators[random.below(Self.operators.count)])
            appendWord(to: &bytes, &random)
            bytes[bytes.count - 1] = UInt8(ascii: "\n")
        }
    }

    private static let indent = Array("    ".utf8)
    private static let keywords = ["let ", "var ", "if ", "return ", "for ", "while ", "print ", ""].map {
        Array($0.utf8)
    }
    private static let operators = ["= ", "== ", "+ ", "< ", ".map ", "in "].map { Array($0.utf8) }

    private func appendWord(to bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let rank = random.skewed(below: Self.wordCount)
        bytes.append(contentsOf: blob[starts[rank]..<starts[rank + 1]])
    }
}
