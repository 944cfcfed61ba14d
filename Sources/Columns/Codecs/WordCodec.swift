import Bytes

/// Text as numbers of words, for columns in which words come again: prose, paths, messages. The numbers take less than
/// the words' letters, and each word that comes often is written once.
///
///     stream of the vocabulary, lengths of its words, lower bytes of the numbers, upper ones, stream of escapes, their
///     lengths
///
/// A number of 0 is an escape: a token that is not in the vocabulary.
final class WordCodec {
    private let vocabulary = Vocabulary()
    private let lengths = IntegerCodec()
    private let words = Buffer(capacity: 1 << 14)
    private let low = Buffer(capacity: 1 << 16)
    private let high = Buffer(capacity: 1 << 16)
    private let escapes = Buffer(capacity: 1 << 14)
    private var wordLengths: [Int] = []
    private var escapeLengths: [Int] = []
    private var table: [WordJoiner.Word] = []

    /// Text of which less is not worth a vocabulary.
    static let textMin = 1_024
    /// What of it decides, at most: to compress more would cost more than it tells.
    private static let sampleMax = 1 << 14

    /// Prepares what `put` writes; false when words do not bring what `effort` asks for.
    func build(_ text: Buffer, ends: [Int], _ effort: WordEffort, _ sink: StreamSink) -> Bool {
        guard text.count >= Self.textMin else { return false }
        let sample = middle(text, min(text.count, Self.sampleMax))
        let plain = sink.measure(text.bytes.extracting(sample), isText: true)
        guard Double(plain) * effort.ratioMax > Double(sample.count) else { return false }
        let outer = sink.watch?.enter(.words)
        fill(text, ends)
        sink.watch?.leave(to: outer ?? nil)
        guard escapes.count < text.count / 2 else { return false }
        let share = Double(sample.count) / Double(text.count)
        return size(ofShare: share, sink) < Double(plain) * effort.sizeMax
    }

    private func middle(_ buffer: Buffer, _ count: Int) -> Range<Int> {
        let start = (buffer.count - count) / 2
        return start..<(start + count)
    }

    private func fill(_ text: Buffer, _ ends: [Int]) {
        for buffer in [words, low, high, escapes] { buffer.removeAll() }
        wordLengths.removeAll(keepingCapacity: true)
        escapeLengths.removeAll(keepingCapacity: true)
        text.append(zeros: TokenBounds.slack)
        defer { text.truncate(to: text.count - TokenBounds.slack) }
        vocabulary.count(text.bytes, ends: ends)
        vocabulary.assignCodes()
        vocabulary.appendWords(text.bytes, to: words, &wordLengths)
        vocabulary.appendCodes(text.bytes, low: low, high: high, escapes: escapes, &escapeLengths)
    }

    private var hasHigh: Bool { wordLengths.count > 255 }

    /// What a share of the text takes as words, the vocabulary counting by its share.
    private func size(ofShare share: Double, _ sink: StreamSink) -> Double {
        let tokens = middle(low, Int(Double(low.count) * share))
        let (low, high) = (low, high)
        var size = Double(sink.measure(low.bytes.extracting(tokens), isText: false))
        if hasHigh { size += Double(sink.measure(high.bytes.extracting(tokens), isText: false)) }
        // Words that come once each compress about alike everywhere: measuring them would cost more than it tells.
        let shared = (words.count + escapes.count) * 3 / 5
        return size + Double(shared + wordLengths.count / 4 + escapeLengths.count / 2) * share
    }

    func put(to sink: StreamSink) {
        let (low, high, words, escapes) = (low, high, words, escapes)
        sink.directory.append(varint: UInt64(wordLengths.count))
        sink.directory.append(varint: UInt64(escapeLengths.count))
        sink.put(words.bytes, isText: true)
        let (wordLengths, escapeLengths) = (wordLengths, escapeLengths)
        lengths.begin(wordLengths.count) { Int64(wordLengths[$0]) }
        lengths.prepare()
        lengths.put(to: sink)
        sink.put(low.bytes)
        if hasHigh { sink.put(high.bytes) }
        sink.put(escapes.bytes, isText: true)
        lengths.begin(escapeLengths.count) { Int64(escapeLengths[$0]) }
        lengths.prepare()
        lengths.put(to: sink)
    }

    /// Appends the `byteCount` bytes of values that the streams stand for, whose texts have the given lengths.
    func take(from source: inout StreamSource, byteCount: Int, into output: Buffer, values: IntegerCodec)
        throws(ColumnarFault)
    {
        let wordCount = try source.directory.count(upTo: Int(UInt16.max))
        let escapeCount = try source.directory.count(upTo: byteCount)
        try source.take(into: words)
        try takeTable(wordCount, of: words, from: &source)
        try source.take(into: low)
        high.removeAll()
        if wordCount > 255 {
            try source.take(into: high)
            guard high.count == low.count else { throw ColumnarFault.malformed("a stream of another length") }
        }
        try source.take(into: escapes)
        guard escapeCount <= escapes.count else { throw ColumnarFault.truncated }
        try lengths.take(escapeCount, from: &source)
        let outer = source.watch?.enter(.words)
        defer { source.watch?.leave(to: outer ?? nil) }
        try takeText(byteCount: byteCount, values, escapeCount, into: output)
    }

    private func takeTable(
        _ count: Int, of words: Buffer, from source: inout StreamSource
    ) throws(ColumnarFault) {
        try lengths.take(count, from: &source)
        table.removeAll(keepingCapacity: true)
        var offset = 0
        for number in 0..<count {
            let length = lengths.value(at: number)
            guard length > 0, length <= Int64(words.count - offset) else {
                throw ColumnarFault.malformed("a word beyond the vocabulary")
            }
            let isWord = WordBytes.contains(words.bytes.byte(at: offset))
            table.append(WordJoiner.Word(offset: offset, length: Int(length), isWord: isWord))
            offset += Int(length)
        }
    }

    private func takeText(
        byteCount: Int, _ values: IntegerCodec, _ escapeCount: Int, into output: Buffer
    ) throws(ColumnarFault) {
        // Copies of 16 bytes may reach behind a word, and behind the last value.
        for buffer in [words, escapes] { buffer.append(zeros: WordJoiner.slack) }
        let table = table
        var fault: ColumnarFault? = nil
        let (low, high, words, escapes, lengths) = (low, high, words, escapes, lengths)
        unsafe output.appendUninitialized(upTo: byteCount + WordJoiner.slack) { target in
            var joiner = unsafe WordJoiner(target: target.baseAddress!, limit: byteCount)
            do throws(ColumnarFault) {
                for number in 0..<values.count {
                    try joiner.join(
                        values.value(at: number), low.bytes, high.bytes, words.bytes, table, escapes.bytes, lengths)
                }
                guard joiner.count == byteCount, joiner.token == low.count, joiner.escape == escapeCount else {
                    throw ColumnarFault.malformed("words beyond the text")
                }
            } catch { fault = error }
            return joiner.count
        }
        if let fault { throw fault }
    }
}
