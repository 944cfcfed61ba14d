import Bytes

/// Few different values: each once, in the order in which they came, and a stream of their numbers.
final class DictionaryCodec {
    /// How values are told apart.
    enum Layout {
        case fixed(Int)
        /// A length that counts the bytes behind it, then these.
        case prefixed

        /// The size of the value at `offset`; nil when it does not lie inside.
        @inline(__always)
        func size(in column: RawSpan, at offset: Int) -> Int? {
            switch self {
            case .fixed(let width): return column.byteCount - offset >= width ? width : nil
            case .prefixed:
                guard column.byteCount - offset >= 4 else { return nil }
                let length = Int(column.integer(at: offset, as: Int32.self))
                return length >= 0 && length <= column.byteCount - offset - 4 ? length + 4 : nil
            }
        }
    }

    private var table = ValueTable()
    private let numbers = Buffer(capacity: 1 << 14)
    /// Where the values of a table that was read begin, and where the last ends.
    private var offsets: [Int] = []

    /// Prepares what `put` writes; false when there are too many different values, or nearly as many as values.
    func build(_ column: RawSpan, layout: Layout) -> Bool {
        numbers.removeAll()
        table.removeAll()
        return build(column, layout, &table)
    }

    /// The table is passed on as one exclusive access: one to each of its fields for each value would take as long as
    /// the look-up.
    private func build(_ column: RawSpan, _ layout: Layout, _ table: inout ValueTable) -> Bool {
        let numbers = numbers
        var offset = 0
        var count = 0
        while offset < column.byteCount {
            guard let size = layout.size(in: column, at: offset) else { return false }
            guard let number = table.number(of: column.extracting(offset..<(offset + size))) else { return false }
            numbers.append(byte: UInt8(number))
            offset += size
            count += 1
            // A column of single values is told from its beginning.
            if count == 64, table.count > 48 { return false }
        }
        return table.count * 2 <= count
    }

    /// About how many bits a value takes.
    var bitsPerValue: Double {
        let numbers = numbers
        let sample = min(numbers.count, 4_096)
        return Entropy.bits(sample) { numbers.bytes.byte(at: $0) }
            + Double(table.bytes.count * 6) / Double(max(1, numbers.count))
    }

    func put(to sink: StreamSink) {
        let (table, numbers) = (table.bytes, numbers)
        sink.put(table.bytes, isText: true)
        sink.put(numbers.bytes)
    }

    func take(
        byteCount: Int, layout: Layout, from source: inout StreamSource, into output: Buffer
    ) throws(ColumnarFault) {
        let (table, numbers) = (table.bytes, numbers)
        try source.take(into: table)
        try source.take(into: numbers)
        offsets.removeAll(keepingCapacity: true)
        var offset = 0
        while offset < table.count {
            guard let size = layout.size(in: table.bytes, at: offset) else { throw ColumnarFault.truncated }
            offsets.append(offset)
            offset += size
        }
        offsets.append(offset)
        let end = output.count + byteCount
        for place in 0..<numbers.count {
            let number = Int(numbers.bytes.byte(at: place))
            guard number + 1 < offsets.count, offsets[number + 1] - offsets[number] <= end - output.count else {
                throw ColumnarFault.malformed("a number beyond the dictionary")
            }
            output.append(table.bytes.extracting(offsets[number]..<offsets[number + 1]))
        }
        guard output.count == end else { throw ColumnarFault.malformed("a column of another length") }
    }
}
