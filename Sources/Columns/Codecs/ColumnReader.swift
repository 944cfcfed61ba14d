import Bytes

/// Reads columns back as the values that were one behind the other.
final class ColumnReader {
    private let integers = IntegerCodec()
    private let objectIDs = ObjectIDCodec()
    private let dictionary = DictionaryCodec()
    private let text = TextCodec()
    private let words = WordCodec()
    private let scratch = Buffer(capacity: 1 << 14)

    /// Appends the next column's values to `output`: at most `maximum` bytes.
    func take(from source: inout StreamSource, upTo maximum: Int, into output: Buffer) throws(ColumnarFault) {
        guard let codec = ColumnCodec(rawValue: try source.directory.byte()) else {
            throw ColumnarFault.malformed("an unknown codec")
        }
        let byteCount = try source.directory.count(upTo: maximum)
        let start = output.count
        switch codec {
        case .plain:
            try source.take(into: scratch)
            let scratch = scratch
            output.append(scratch.bytes)
        case .integers:
            let width = try width(from: &source, oneOf: [4, 8], byteCount)
            try integers.take(byteCount / width, from: &source)
            integers.appendAll(to: output, width: width)
        case .shuffled:
            let width = try width(from: &source, oneOf: [8, 16], byteCount)
            try ShuffledCodec.take(byteCount: byteCount, width: width, from: &source, scratch, into: output)
        case .decimals: try takeDecimals(byteCount, from: &source, into: output)
        case .objectIDs:
            guard byteCount % ObjectIDCodec.width == 0 else { throw ColumnarFault.malformed("part of a value") }
            try objectIDs.take(byteCount: byteCount, from: &source, dictionary, scratch, into: output)
        case .dictionary:
            let width = Int(try source.directory.byte())
            try dictionary.take(
                byteCount: byteCount, layout: width == 0 ? .prefixed : .fixed(width), from: &source, into: output)
        case .text: try text.take(byteCount: byteCount, from: &source, into: output)
        case .words:
            try text.takeLengths(byteCount: byteCount, from: &source)
            try words.take(from: &source, byteCount: byteCount, into: output, values: text.lengths)
        case .uniform: try takeUniform(byteCount, from: &source, into: output)
        }
        guard output.count - start == byteCount else { throw ColumnarFault.malformed("a column of another length") }
    }

    private func width(
        from source: inout StreamSource, oneOf widths: [Int], _ byteCount: Int
    ) throws(ColumnarFault) -> Int {
        let width = Int(try source.directory.byte())
        guard widths.contains(width), byteCount % width == 0 else { throw ColumnarFault.malformed("part of a value") }
        return width
    }

    private func takeDecimals(
        _ byteCount: Int, from source: inout StreamSource, into output: Buffer
    ) throws(ColumnarFault) {
        let exponent = Int(try source.directory.byte())
        guard exponent <= DecimalCodec.exponentMax, byteCount % 8 == 0 else {
            throw ColumnarFault.malformed("an exponent beyond the largest")
        }
        try integers.take(byteCount / 8, from: &source)
        for number in 0..<integers.count {
            output.append(littleEndian: DecimalCodec.double(integers.value(at: number), exponent))
        }
    }

    private func takeUniform(
        _ byteCount: Int, from source: inout StreamSource, into output: Buffer
    ) throws(ColumnarFault) {
        let head = try source.directory.bytes(5)
        let length = Int(head.integer(at: 0, as: Int32.self))
        try source.take(into: scratch)
        let scratch = scratch
        guard length >= 0, byteCount % (length + 5) == 0,
            scratch.count == byteCount / (length + 5) * length
        else { throw ColumnarFault.malformed("a column of another length") }
        for number in 0..<(byteCount / (length + 5)) {
            output.append(head)
            output.append(scratch.bytes.extracting((number * length)..<(number * length + length)))
        }
    }
}
