import Bytes

/// Length-prefixed values that end in zero (strings, code, symbols, kept names): lengths as integers, and all text in
/// one stream.
final class TextCodec {
    let lengths = IntegerCodec()
    let text = Buffer(capacity: 1 << 16)
    /// Where each value's text ends in `text`.
    private(set) var ends: [Int] = []

    /// Takes a column apart; false when a value does not end in zero, which validated ones do.
    func split(_ column: RawSpan) -> Bool {
        text.removeAll()
        ends.removeAll(keepingCapacity: true)
        var ends = self.ends
        self.ends = []
        defer { self.ends = ends }
        let text = text
        var offset = 0
        while offset < column.byteCount {
            guard let size = DictionaryCodec.Layout.prefixed.size(in: column, at: offset), size > 4,
                column.byte(at: offset + size - 1) == 0
            else { return false }
            text.append(column.extracting((offset + 4)..<(offset + size - 1)))
            ends.append(text.count)
            offset += size
        }
        return true
    }

    func put(to sink: StreamSink) {
        let text = text
        sink.put(text.bytes, isText: true)
        putLengths(to: sink)
    }

    func putLengths(to sink: StreamSink) {
        let ends = ends
        sink.directory.append(varint: UInt64(ends.count))
        lengths.begin(ends.count) { Int64(ends[$0] - ($0 == 0 ? 0 : ends[$0 - 1])) }
        lengths.prepare()
        lengths.put(to: sink)
    }

    func take(byteCount: Int, from source: inout StreamSource, into output: Buffer) throws(ColumnarFault) {
        try source.take(into: text)
        try takeLengths(byteCount: byteCount, from: &source)
        try join(byteCount: byteCount, into: output)
    }

    func takeLengths(byteCount: Int, from source: inout StreamSource) throws(ColumnarFault) {
        let count = try source.directory.count(upTo: byteCount / 5)
        try lengths.take(count, from: &source)
    }

    /// Puts values together from `text` and the lengths.
    func join(byteCount: Int, into output: Buffer) throws(ColumnarFault) {
        guard text.count + lengths.count * 5 == byteCount else {
            throw ColumnarFault.malformed("a column of another length")
        }
        let text = text
        var offset = 0
        for number in 0..<lengths.count {
            let length = lengths.value(at: number)
            guard length >= 0, length <= Int64(text.count - offset) else {
                throw ColumnarFault.malformed("a length beyond the text")
            }
            let end = offset + Int(length)
            output.append(littleEndian: UInt32(end - offset + 1))
            output.append(text.bytes.extracting(offset..<end))
            output.append(byte: 0)
            offset = end
        }
        guard offset == text.count else { throw ColumnarFault.malformed("text beyond the lengths") }
    }
}
