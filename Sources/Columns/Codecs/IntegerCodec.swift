import Bytes

/// Integers as distances from the smallest or from the one before, in units of their common divisor, a stream for each
/// byte: the upper ones are mostly zero, and each has statistics of its own. One of the module's few files with
/// `unsafe`.
///
///     parameters: transform (a byte), smallest (zigzag varint), unit (varint), number of streams (a byte)
///
/// Dates in whole days or seconds, counters, and times that grow become streams of a byte or two; the same numbers
/// everywhere become no stream at all.
@safe
final class IntegerCodec {
    enum Transform: UInt8 {
        case distance = 0
        case delta = 1
    }

    /// Values, wrapped into 64 bits; taken apart in place.
    private var values: [UInt64] = []
    private let stream = Buffer(capacity: 1 << 14)

    /// Values that decide which transform is better.
    private static let sampleMax = 512

    /// Begins a sequence of `count` values, which `value` gives; unsigned ones may wrap.
    @inline(__always)
    func begin(_ count: Int, _ value: (Int) -> Int64) {
        values = unsafe [UInt64](unsafeUninitializedCapacity: count) { target, filled in
            for number in 0..<count { unsafe target[number] = UInt64(bitPattern: value(number)) }
            filled = count
        }
    }

    /// Begins the sequence of a column's values of 4 or 8 bytes each.
    func begin(_ column: RawSpan, width: Int) {
        let count = column.byteCount / width
        if width == 4 {
            begin(count) { Int64(column.integer(at: $0 &* 4, as: Int32.self)) }
        } else {
            begin(count) { column.integer(at: $0 &* 8, as: Int64.self) }
        }
    }

    private var smallest: Int64 = 0
    private var unit: UInt64 = 1
    private var transform = Transform.distance
    /// About how many bits a value takes, once prepared.
    private(set) var bitsPerValue = 0.0

    /// Chooses how the sequence is written.
    func prepare() {
        (smallest, unit) = normalise()
        transform = choose()
    }

    /// Puts the sequence's parameters and streams.
    ///
    /// - Precondition: It is prepared.
    func put(to sink: StreamSink) {
        if transform == .delta { takeDifferences() }
        let all = unsafe values.withUnsafeBufferPointer { unsafe $0.reduce(0) { $0 | $1 } }
        let streams = (71 - all.leadingZeroBitCount) / 8
        sink.directory.append(littleEndian: transform.rawValue)
        sink.directory.append(varint: Self.zigzag(smallest))
        sink.directory.append(varint: unit)
        sink.directory.append(littleEndian: UInt8(streams))
        for place in 0..<streams {
            stream.removeAll()
            let shift = UInt64(8 * place)
            let count = values.count
            unsafe stream.appendUninitialized(upTo: count) { output in
                unsafe values.withUnsafeBufferPointer { values in
                    for number in 0..<count {
                        unsafe output[number] = UInt8(truncatingIfNeeded: values[number] &>> shift)
                    }
                }
                return count
            }
            let stream = stream
            sink.put(stream.bytes)
        }
    }

    /// Makes the values distances from the smallest, in units of their greatest common divisor.
    private func normalise() -> (smallest: Int64, unit: UInt64) {
        guard !values.isEmpty else { return (0, 1) }
        return unsafe values.withUnsafeMutableBufferPointer { values in
            var smallest = Int64.max
            for place in 0..<values.count { smallest = unsafe min(smallest, Int64(bitPattern: values[place])) }
            let base = UInt64(bitPattern: smallest)
            for place in 0..<values.count { unsafe values[place] &-= base }
            var unit: UInt64 = 0
            for place in 0..<values.count where unit != 1 { unit = unsafe Self.divisor(unit, values[place]) }
            if unit > 1 { for place in 0..<values.count { unsafe values[place] /= unit } }
            return (smallest, max(unit, 1))
        }
    }

    private static func divisor(_ left: UInt64, _ right: UInt64) -> UInt64 {
        var (a, b) = (left, right)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }

    private func choose() -> Transform {
        let count = values.count
        bitsPerValue = 0
        guard count > 2 else { return .distance }
        let sample = min(count - 1, Self.sampleMax)
        let start = (count - 1 - sample) / 2 + 1
        var distances = 0.0
        var deltas = 0.0
        unsafe values.withUnsafeBufferPointer { values in
            for place in 0..<8 {
                let shift = UInt64(8 * place)
                distances += Entropy.bits(sample) {
                    UInt8(truncatingIfNeeded: unsafe values[start &+ $0] &>> shift)
                }
                deltas += Entropy.bits(sample) { number in
                    let step = unsafe values[start &+ number] &- values[start &+ number &- 1]
                    return UInt8(truncatingIfNeeded: Self.zigzag(Int64(bitPattern: step)) &>> shift)
                }
            }
        }
        bitsPerValue = min(deltas, distances)
        return deltas < distances * 0.95 ? .delta : .distance
    }

    private func takeDifferences() {
        unsafe values.withUnsafeMutableBufferPointer { values in
            var previous: UInt64 = 0
            for place in 0..<values.count {
                let value = unsafe values[place]
                unsafe values[place] = Self.zigzag(Int64(bitPattern: value &- previous))
                previous = value
            }
        }
    }

    static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }

    static func unzigzag(_ value: UInt64) -> Int64 { Int64(bitPattern: (value >> 1) ^ (0 &- (value & 1))) }

    // MARK: Reading

    /// Takes a sequence of `count` values; `value(at:)` has them then.
    func take(_ count: Int, from source: inout StreamSource) throws(ColumnarFault) {
        guard let transform = Transform(rawValue: try source.directory.byte()) else {
            throw ColumnarFault.malformed("an unknown transform")
        }
        let smallest = UInt64(bitPattern: Self.unzigzag(try source.directory.integer()))
        let unit = try source.directory.integer()
        let streams = Int(try source.directory.byte())
        guard streams <= 8 else { throw ColumnarFault.malformed("more than eight bytes of an integer") }
        values.removeAll(keepingCapacity: true)
        values.append(contentsOf: repeatElement(0, count: count))
        for place in 0..<streams {
            try source.take(into: stream)
            guard stream.count == count else { throw ColumnarFault.malformed("a stream of another length") }
            let (stream, shift) = (stream, UInt64(8 * place))
            unsafe stream.bytes.withUnsafeBytes { input in
                unsafe values.withUnsafeMutableBufferPointer { values in
                    for number in 0..<count { unsafe values[number] |= UInt64(input[number]) &<< shift }
                }
            }
        }
        unsafe values.withUnsafeMutableBufferPointer { values in
            var previous: UInt64 = 0
            for place in 0..<values.count {
                var value = unsafe values[place]
                if transform == .delta { value = previous &+ UInt64(bitPattern: Self.unzigzag(value)) }
                previous = value
                unsafe values[place] = smallest &+ value &* unit
            }
        }
    }

    /// How many values were taken.
    var count: Int { values.count }

    /// A value that was taken.
    @inline(__always)
    func value(at place: Int) -> Int64 { Int64(bitPattern: values[place]) }

    /// Appends the values to `output`, 4 or 8 bytes each.
    func appendAll(to output: Buffer, width: Int) {
        unsafe values.withUnsafeBufferPointer { values in
            unsafe output.appendUninitialized(upTo: values.count * width) { target in
                for number in 0..<values.count {
                    let value = unsafe values[number].littleEndian
                    if width == 4 {
                        unsafe target.storeBytes(
                            of: UInt32(truncatingIfNeeded: value), toByteOffset: number &* 4, as: UInt32.self)
                    } else {
                        unsafe target.storeBytes(of: value, toByteOffset: number &* 8, as: UInt64.self)
                    }
                }
                return values.count * width
            }
        }
    }
}
