import Bytes

/// Values of a fixed size, a stream for each of their bytes: the sign and exponent of doubles resemble each other, the
/// lower bytes of their fractions do not.
enum ShuffledCodec {
    static func put(_ column: RawSpan, width: Int, to sink: StreamSink, _ scratch: Buffer) {
        let count = column.byteCount / width
        for place in 0..<width {
            scratch.removeAll()
            for number in 0..<count { scratch.append(byte: column.byte(at: number * width + place)) }
            sink.put(scratch.bytes)
        }
    }

    static func take(
        byteCount: Int, width: Int, from source: inout StreamSource, _ scratch: Buffer, into output: Buffer
    ) throws(ColumnarFault) {
        let start = output.count
        output.append(zeros: byteCount)
        for place in 0..<width {
            try source.take(into: scratch)
            guard scratch.count * width == byteCount else {
                throw ColumnarFault.malformed("a stream of another length")
            }
            output.scatter(scratch, from: start + place, step: width)
        }
    }
}

/// Doubles that came from decimal fractions, such as prices and grades: the same digits as integers take a third.
enum DecimalCodec {
    /// The largest power of ten that is tried. Up to 22 they are exact.
    static let exponentMax = 6
    private static let powers: [Double] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]
    private static let sampleMax = 32

    /// The exponent with which all doubles of a column come back bit for bit; nil when there is none.
    static func exponent(_ column: RawSpan) -> Int? {
        let count = column.byteCount / 8
        let step = max(1, count / sampleMax)
        for exponent in 0...exponentMax {
            guard stride(from: 0, to: count, by: step).allSatisfy({ digits(column, $0, exponent) != nil }) else {
                continue
            }
            if (0..<count).allSatisfy({ digits(column, $0, exponent) != nil }) { return exponent }
        }
        return nil
    }

    static func digits(_ column: RawSpan, _ number: Int, _ exponent: Int) -> Int64? {
        let bits = column.integer(at: number * 8, as: UInt64.self)
        let scaled = (Double(bitPattern: bits) * powers[exponent]).rounded()
        guard abs(scaled) < 9_007_199_254_740_992, double(Int64(scaled), exponent) == bits else { return nil }
        return Int64(scaled)
    }

    /// The bits of the double that the digits stand for.
    static func double(_ digits: Int64, _ exponent: Int) -> UInt64 {
        (Double(digits) / powers[exponent]).bitPattern
    }
}

/// Object ids as drivers make them: the seconds grow, the machine is one of a few, the counter goes up by one.
final class ObjectIDCodec {
    private let integers = IntegerCodec()
    private let machines = Buffer(capacity: 1 << 12)
    private var seconds: [Int64] = []
    static let width = 12

    /// The layout: seconds as integers, counters as integers, then machines as a column of 5 bytes each.
    func put(_ column: RawSpan, to sink: StreamSink, _ dictionary: DictionaryCodec, _ scratch: Buffer) {
        let count = column.byteCount / Self.width
        integers.begin(count) { Int64(column.integer(at: $0 &* Self.width, as: UInt32.self).byteSwapped) }
        integers.prepare()
        integers.put(to: sink)
        integers.begin(count) {
            Int64(column.integer(at: $0 &* Self.width &+ 8, as: UInt32.self).byteSwapped & 0xFF_FFFF)
        }
        integers.prepare()
        integers.put(to: sink)
        machines.removeAll()
        for number in 0..<count {
            let at = number * Self.width + 4
            machines.append(column.extracting(at..<(at + 5)))
        }
        let machines = machines
        if dictionary.build(machines.bytes, layout: .fixed(5)) {
            sink.directory.append(byte: ColumnCodec.dictionary.rawValue)
            dictionary.put(to: sink)
        } else {
            sink.directory.append(byte: ColumnCodec.shuffled.rawValue)
            ShuffledCodec.put(machines.bytes, width: 5, to: sink, scratch)
        }
    }

    func take(
        byteCount: Int, from source: inout StreamSource, _ dictionary: DictionaryCodec, _ scratch: Buffer,
        into output: Buffer
    ) throws(ColumnarFault) {
        let count = byteCount / Self.width
        try integers.take(count, from: &source)
        seconds.removeAll(keepingCapacity: true)
        for number in 0..<count { seconds.append(integers.value(at: number)) }
        try integers.take(count, from: &source)
        machines.removeAll()
        switch ColumnCodec(rawValue: try source.directory.byte()) {
        case .dictionary:
            try dictionary.take(byteCount: count * 5, layout: .fixed(5), from: &source, into: machines)
        case .shuffled:
            try ShuffledCodec.take(byteCount: count * 5, width: 5, from: &source, scratch, into: machines)
        default: throw ColumnarFault.malformed("an unknown codec")
        }
        let machines = machines
        for number in 0..<count {
            output.append(littleEndian: UInt32(truncatingIfNeeded: seconds[number]).byteSwapped)
            output.append(machines.bytes.extracting((number * 5)..<(number * 5 + 5)))
            let counter = UInt32(truncatingIfNeeded: integers.value(at: number))
            output.append(byte: UInt8(truncatingIfNeeded: counter >> 16))
            output.append(littleEndian: UInt16(truncatingIfNeeded: counter).byteSwapped)
        }
    }
}
