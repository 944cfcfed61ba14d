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
    private var escapeLengths: [Int] = []
    private var wordEnds: [Int] = []
    private var frequent: [Int] = []

    /// Text of which less is not worth a vocabulary.
    static let textMin = 1_024
    /// What of it decides, at most.
    private static let sampleMax = 1 << 16

    /// Prepares what `put` writes; false when the text is as small without.
    func build(_ text: Buffer, ends: [Int], _ sink: StreamSink) -> Bool {
        guard text.count >= Self.textMin else { return false }
        vocabulary.cut(text, ends: ends)
        frequent = vocabulary.number()
        fill(text)
        guard escapes.count < text.count / 2 else { return false }
        return isSmaller(text, sink)
    }

    private func fill(_ text: Buffer) {
        let (words, low, high, escapes, vocabulary) = (words, low, high, escapes, vocabulary)
        for buffer in [words, low, high, escapes] { buffer.removeAll() }
        for place in frequent {
            let entry = vocabulary.entry(place)
            words.append(text.bytes.extracting(Int(entry.offset)..<Int(entry.offset + entry.length)))
        }
        var lengths: [Int] = []
        let source = text.bytes
        vocabulary.forEachToken { code, offset, length in
            low.append(byte: UInt8(truncatingIfNeeded: code))
            high.append(byte: UInt8(truncatingIfNeeded: code >> 8))
            guard code == 0 else { return }
            escapes.append(source.extracting(offset..<(offset + length)))
            lengths.append(length)
        }
        escapeLengths = lengths
    }

    private var hasHigh: Bool { frequent.count > 255 }

    /// Compares by compressing a sample, the vocabulary counting by the sample's share of the text.
    private func isSmaller(_ text: Buffer, _ sink: StreamSink) -> Bool {
        let sample = min(text.count, Self.sampleMax)
        let share = Double(sample) / Double(text.count)
        let start = (text.count - sample) / 2
        let plain = sink.measure(text.bytes.extracting(start..<(start + sample)), isText: true)
        let tokens = Int(Double(low.count) * share)
        let first = (low.count - tokens) / 2
        let (low, high) = (low, high)
        var size = Double(sink.measure(low.bytes.extracting(first..<(first + tokens)), isText: false))
        if hasHigh { size += Double(sink.measure(high.bytes.extracting(first..<(first + tokens)), isText: false)) }
        // Words that come once each compress about alike everywhere: measuring them would cost more than it tells.
        let shared = (words.count + escapes.count) * 3 / 5
        size += Double(shared + frequent.count / 4 + escapeLengths.count / 2) * share
        return size < Double(plain) * 0.98
    }

    func put(to sink: StreamSink) {
        let (low, high, words, escapes) = (low, high, words, escapes)
        sink.directory.append(varint: UInt64(frequent.count))
        sink.directory.append(varint: UInt64(escapeLengths.count))
        sink.put(words.bytes, isText: true)
        let (frequent, escapeLengths) = (frequent, escapeLengths)
        lengths.begin(frequent.count) { Int64(vocabulary.entry(frequent[$0]).length) }
        lengths.prepare()
        lengths.put(to: sink)
        sink.put(low.bytes)
        if hasHigh { sink.put(high.bytes) }
        sink.put(escapes.bytes, isText: true)
        lengths.begin(escapeLengths.count) { Int64(escapeLengths[$0]) }
        lengths.prepare()
        lengths.put(to: sink)
    }

    /// Appends the text that the streams stand for to `text`, whose values have the given lengths.
    func take(from source: inout StreamSource, byteCount: Int, into text: Buffer, values: IntegerCodec)
        throws(ColumnarFault)
    {
        let wordCount = try source.directory.count(upTo: Int(UInt16.max))
        let escapeCount = try source.directory.count(upTo: byteCount)
        try source.take(into: words)
        try takeEnds(wordCount, of: words, from: &source)
        try source.take(into: low)
        high.removeAll()
        if wordCount > 255 {
            try source.take(into: high)
            guard high.count == low.count else { throw ColumnarFault.malformed("a stream of another length") }
        }
        try source.take(into: escapes)
        guard escapeCount <= escapes.count else { throw ColumnarFault.truncated }
        try lengths.take(escapeCount, from: &source)
        try takeText(byteCount: byteCount, values, escapeCount, into: text)
    }

    private func takeEnds(_ count: Int, of words: Buffer, from source: inout StreamSource) throws(ColumnarFault) {
        try lengths.take(count, from: &source)
        wordEnds.removeAll(keepingCapacity: true)
        var end = 0
        wordEnds.append(0)
        for number in 0..<count {
            let length = lengths.value(at: number)
            guard length > 0, length <= Int64(words.count - end) else {
                throw ColumnarFault.malformed("a word beyond the vocabulary")
            }
            end += Int(length)
            wordEnds.append(end)
        }
    }

    private func takeText(
        byteCount: Int, _ values: IntegerCodec, _ escapeCount: Int, into text: Buffer
    ) throws(ColumnarFault) {
        text.removeAll()
        // Copies of 16 bytes may reach behind a word, and behind the text.
        for buffer in [words, escapes] { buffer.append(zeros: WordJoiner.slack) }
        let ends = wordEnds
        var fault: ColumnarFault? = nil
        let (low, high, words, escapes, lengths) = (low, high, words, escapes, lengths)
        unsafe text.appendUninitialized(upTo: byteCount + WordJoiner.slack) { target in
            var joiner = unsafe WordJoiner(target: target.baseAddress!, limit: byteCount)
            do throws(ColumnarFault) {
                for number in 0..<values.count {
                    try joiner.join(
                        values.value(at: number), low.bytes, high.bytes, words.bytes, ends, escapes.bytes, lengths)
                }
                guard joiner.token == low.count, joiner.escape == escapeCount else {
                    throw ColumnarFault.malformed("words beyond the text")
                }
            } catch { fault = error }
            return joiner.count
        }
        if let fault { throw fault }
    }
}
