import BSON
import Bytes

/// Writes one column after the other, each with the codec that suits its type and values.
final class ColumnWriter {
    private let sink: StreamSink
    private let integers = IntegerCodec()
    private let objectIDs = ObjectIDCodec()
    private let dictionary = DictionaryCodec()
    private let text = TextCodec()
    private let words = WordCodec()
    private let scratch = Buffer(capacity: 1 << 14)

    private let wordEffort: WordEffort?

    /// - Parameter wordEffort: when text becomes numbers of words; nil for never.
    init(sink: StreamSink, wordEffort: WordEffort?) {
        self.sink = sink
        self.wordEffort = wordEffort
    }

    /// Writes a column of values of `type`.
    func put(_ column: RawSpan, type: UInt8) {
        switch BSONType(rawValue: type) {
        case .int32: putIntegers(column, width: 4)
        case .int64, .date, .timestamp: putIntegers(column, width: 8)
        case .double: putDoubles(column)
        case .objectID: putObjectIDs(column)
        case .decimal128: putFixed(column, width: 16)
        case .string, .code, .symbol: putText(column)
        case .binary: putBinary(column)
        default: putPlain(column)
        }
    }

    private func begin(_ codec: ColumnCodec, _ column: RawSpan) {
        sink.directory.append(byte: codec.rawValue)
        sink.directory.append(varint: UInt64(column.byteCount))
    }

    private func putPlain(_ column: RawSpan) {
        begin(.plain, column)
        sink.put(column, isText: true)
    }

    private func putDictionary(_ column: RawSpan, width: Int) {
        begin(.dictionary, column)
        sink.directory.append(byte: UInt8(width))
        dictionary.put(to: sink)
    }

    private func putIntegers(_ column: RawSpan, width: Int) {
        integers.begin(column, width: width)
        integers.prepare()
        if integers.bitsPerValue > 8, dictionary.build(column, layout: .fixed(width)),
            dictionary.bitsPerValue < integers.bitsPerValue
        {
            return putDictionary(column, width: width)
        }
        begin(.integers, column)
        sink.directory.append(byte: UInt8(width))
        integers.put(to: sink)
    }

    private func putDoubles(_ column: RawSpan) {
        guard let exponent = DecimalCodec.exponent(column) else { return putFixed(column, width: 8) }
        integers.begin(column.byteCount / 8) { number in
            guard let digits = DecimalCodec.digits(column, number, exponent) else {
                preconditionFailure("the exponent was tried on every value")
            }
            return digits
        }
        integers.prepare()
        begin(.decimals, column)
        sink.directory.append(byte: UInt8(exponent))
        integers.put(to: sink)
    }

    private func putFixed(_ column: RawSpan, width: Int) {
        if dictionary.build(column, layout: .fixed(width)) { return putDictionary(column, width: width) }
        begin(.shuffled, column)
        sink.directory.append(byte: UInt8(width))
        ShuffledCodec.put(column, width: width, to: sink, scratch)
    }

    private func putObjectIDs(_ column: RawSpan) {
        // Ids that were made one behind the other take about two bytes in their own codec.
        if dictionary.build(column, layout: .fixed(ObjectIDCodec.width)), dictionary.bitsPerValue < 24 {
            return putDictionary(column, width: ObjectIDCodec.width)
        }
        begin(.objectIDs, column)
        objectIDs.put(column, to: sink, dictionary, scratch)
    }

    private func putText(_ column: RawSpan) {
        if dictionary.build(column, layout: .prefixed) { return putDictionary(column, width: 0) }
        guard text.split(column) else { return putPlain(column) }
        if let wordEffort, words.build(text.text, ends: text.ends, wordEffort, sink) {
            begin(.words, column)
            text.putLengths(to: sink)
            words.put(to: sink)
        } else {
            begin(.text, column)
            text.put(to: sink)
        }
    }

    private func putBinary(_ column: RawSpan) {
        let head = column.extracting(0..<5)
        let width = 5 + Int(head.integer(at: 0, as: Int32.self))
        guard column.byteCount % width == 0 else { return putPlain(column) }
        scratch.removeAll()
        for offset in stride(from: 0, to: column.byteCount, by: width) {
            guard spansEqual(column.extracting(offset..<(offset + 5)), head) else { return putPlain(column) }
            scratch.append(column.extracting((offset + 5)..<(offset + width)))
        }
        begin(.uniform, column)
        sink.directory.append(head)
        let scratch = scratch
        sink.put(scratch.bytes, isText: true)
    }
}
