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

    /// Different values at most: a number is a byte.
    static let valuesMax = 256
    private static let slotCount = 1_024

    private let table = Buffer(capacity: 1 << 12)
    private let numbers = Buffer(capacity: 1 << 14)
    private var offsets: [Int] = []
    private var slots = [Int16](repeating: -1, count: slotCount)

    /// Prepares what `put` writes; false when there are too many different values, or nearly as many as values.
    func build(_ column: RawSpan, layout: Layout) -> Bool {
        table.removeAll()
        numbers.removeAll()
        offsets.removeAll(keepingCapacity: true)
        for slot in slots.indices { slots[slot] = -1 }
        var offset = 0
        var count = 0
        while offset < column.byteCount {
            guard let size = layout.size(in: column, at: offset) else { return false }
            guard let number = number(of: column.extracting(offset..<(offset + size))) else { return false }
            numbers.append(byte: UInt8(number))
            offset += size
            count += 1
            // A column of single values is told from its beginning.
            if count == 64, offsets.count > 48 { return false }
        }
        return offsets.count * 2 <= count
    }

    /// About how many bits a value takes.
    var bitsPerValue: Double {
        let numbers = numbers
        let sample = min(numbers.count, 4_096)
        return Entropy.bits(sample) { numbers.bytes.byte(at: $0) }
            + Double(table.count * 6) / Double(max(1, numbers.count))
    }

    private func number(of value: RawSpan) -> Int? {
        var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
        var offset = 0
        while offset + 8 <= value.byteCount {
            hash = (hash ^ value.integer(at: offset, as: UInt64.self)) &* 0x9FB2_1C65_1E98_DF25
            hash ^= hash >> 32
            offset += 8
        }
        while offset < value.byteCount {
            hash = (hash ^ UInt64(value.byte(at: offset))) &* 0x9FB2_1C65_1E98_DF25
            hash ^= hash >> 32
            offset += 1
        }
        var slot = Int(hash % UInt64(Self.slotCount))
        while slots[slot] >= 0 {
            let number = Int(slots[slot])
            let end = number + 1 < offsets.count ? offsets[number + 1] : table.count
            let table = table
            if spansEqual(table.bytes.extracting(offsets[number]..<end), value) { return number }
            slot = (slot + 1) % Self.slotCount
        }
        guard offsets.count < Self.valuesMax else { return nil }
        slots[slot] = Int16(offsets.count)
        offsets.append(table.count)
        table.append(value)
        return offsets.count - 1
    }

    func put(to sink: StreamSink) {
        let (table, numbers) = (table, numbers)
        sink.put(table.bytes, isText: true)
        sink.put(numbers.bytes)
    }

    func take(
        byteCount: Int, layout: Layout, from source: inout StreamSource, into output: Buffer
    ) throws(ColumnarFault) {
        try source.take(into: table)
        try source.take(into: numbers)
        let (table, numbers) = (table, numbers)
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
