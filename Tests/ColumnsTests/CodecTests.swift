import BSON
import Bytes
import TestSupport
import Testing

@testable import Columns

/// Each codec on the columns that it is for: chosen, and exact.
@Suite struct CodecTests {
    /// Writes a column, reads it back, and says with which codec it was written.
    private func roundTrip(_ column: [UInt8], _ type: BSONType) throws -> ColumnCodec? {
        let sink = StreamSink(level: 3)
        ColumnWriter(sink: sink, wordEffort: .always).put(column.rawSpan, type: type.rawValue)
        let codec = ColumnCodec(rawValue: sink.directory.array[0])
        let encoded = Buffer(capacity: 0)
        sink.finish(into: encoded)
        let output = Buffer(capacity: 0)
        try read(encoded, upTo: column.count, into: output)
        #expect(output.array == column)
        return codec
    }

    private func read(_ encoded: Buffer, upTo maximum: Int, into output: Buffer) throws {
        var head = VarintReader(encoded.bytes)
        let counts = (try head.integer(), try head.integer(), try head.integer(), try head.integer())
        let decompressor = ZstdDecompressor()
        let (directory, group) = (Buffer(capacity: 0), Buffer(capacity: 0))
        let (first, second) = (try head.bytes(Int(counts.1)), try head.bytes(Int(counts.3)))
        try StreamSource.open(first, rawCount: Int(counts.0), decompressor, into: directory)
        try StreamSource.open(second, rawCount: Int(counts.2), decompressor, into: group)
        let frames = encoded.bytes.extracting(head.offset..<encoded.count)
        var source = StreamSource(
            directory: directory.bytes, group: group.bytes, frames: frames, budget: 1 << 26, decompressor: decompressor)
        try ColumnReader().take(from: &source, upTo: maximum, into: output)
        let isAtEnd = source.isAtEnd
        #expect(isAtEnd)
    }

    private func column<Integer: FixedWidthInteger>(_ values: [Integer]) -> [UInt8] {
        values.flatMap { value in
            (0..<(Integer.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> Integer($0 * 8)) }
        }
    }

    @Test func integers() throws {
        var random = SeededGenerator(seed: 1)
        let sequences: [[Int64]] = [
            [0], [.min], [.max, .min], [.min, .max, 0, -1, 1], (0..<1_000).map { Int64($0) * 1_000 },
            (0..<1_000).map { _ in Int64(bitPattern: random.next()) }, (0..<700).map { _ in -5 },
            (0..<1_000).map { 1_700_000_000_000 + Int64($0 * $0) }, (0..<300).map { Int64($0 % 2 == 0 ? 1 : -1) << 62 },
        ]
        for values in sequences {
            for type in [BSONType.int64, .date, .timestamp] {
                #expect(try roundTrip(column(values), type) == .integers)
            }
            _ = try roundTrip(column(values.map { Int32(truncatingIfNeeded: $0) }), .int32)
        }
    }

    @Test func fewLargeIntegersAreADictionary() throws {
        var random = SeededGenerator(seed: 2)
        let few = (0..<40).map { _ in Int64(bitPattern: random.next()) }
        #expect(try roundTrip(column((0..<4_000).map { _ in random.pick(few) }), .int64) == .dictionary)
    }

    @Test func doubles() throws {
        var random = SeededGenerator(seed: 3)
        let prices = (0..<900).map { _ in Double(random.integer(0..<1_000_000)) / 100 }
        #expect(try roundTrip(column(prices.map(\.bitPattern)), .double) == .decimals)
        let odd: [Double] = [
            .nan, -0.0, .infinity, -.infinity, .signalingNaN, .leastNonzeroMagnitude, 1e300, 0.1 + 0.2,
        ]
        #expect(try roundTrip(column(odd.map(\.bitPattern)), .double) == .shuffled)
        let fractions = (0..<900).map { _ in Double.random(in: -1...1, using: &random) }
        #expect(try roundTrip(column(fractions.map(\.bitPattern)), .double) == .shuffled)
        // A not-a-number with a payload, and a zero with a sign, spoil a column of decimal fractions and nothing else.
        for bits in [0x7FF8_0000_0000_BEEF, 0x8000_0000_0000_0000] as [UInt64] {
            #expect(try roundTrip(column(prices.map(\.bitPattern) + [bits]), .double) == .shuffled)
        }
    }

    @Test func objectIDs() throws {
        var random = SeededGenerator(seed: 4)
        let machine = random.bytes(5)
        func id(_ seconds: UInt32, _ machine: [UInt8], _ counter: UInt32) -> [UInt8] {
            column([seconds.byteSwapped]) + machine + Array(column([counter.byteSwapped]).dropFirst())
        }
        let made = (0..<2_000).flatMap {
            id(1_700_000_000 + UInt32($0 / 50), machine, UInt32($0) + 0xFF_FF00 & 0xFF_FFFF)
        }
        #expect(try roundTrip(made, .objectID) == .objectIDs)
        #expect(try roundTrip(random.bytes(12 * 500), .objectID) == .objectIDs)
        let few = (0..<20).map { _ in random.bytes(12) }
        #expect(try roundTrip((0..<500).flatMap { _ in random.pick(few) }, .objectID) == .dictionary)
    }

    private func strings(_ values: [[UInt8]]) -> [UInt8] {
        values.flatMap { column([UInt32($0.count + 1)]) + $0 + [0] }
    }

    @Test func text() throws {
        var random = SeededGenerator(seed: 5)
        let unlike = (0..<300).map { _ in random.bytes(random.integer(0..<60)) }
        #expect(try roundTrip(strings(unlike), .string) == .text)
        #expect(try roundTrip(strings([[]]), .symbol) == .text)
        let few = (0..<30).map { Array("value number \($0)".utf8) }
        #expect(try roundTrip(strings((0..<500).map { _ in random.pick(few) }), .string) == .dictionary)
    }

    /// Words with all that can stand between and around them.
    @Test(arguments: 0..<40) func words(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let letters = Array("abcdefghijklmnopqrstuvwxyzABCXYZ0189\u{e9}".utf8)
        let vocabulary: [[UInt8]] = (0..<(30 + seed * 20)).map { _ in
            let length = random.integer(1..<(seed % 4 == 0 ? 70 : 12))
            return (0..<length).map { _ in random.pick(letters) }
        }
        let between = [
            " ", " ", " ", " ", ", ", ". ", "  ", "\n", "-", "\0", "", "(", " \u{2014} ", "/", "@", "[", "`{",
        ]
        let values: [[UInt8]] = (0..<400).map { _ in
            var value: [UInt8] = []
            for _ in 0..<random.integer(0..<40) {
                value += random.pick(vocabulary)
                value += Array(random.pick(between).utf8)
            }
            return value
        }
        let codec = try roundTrip(strings(values), .string)
        if seed % 4 != 0 { #expect(codec == .words) }
    }

    @Test func binaries() throws {
        var random = SeededGenerator(seed: 6)
        var uuids: [UInt8] = []
        for _ in 0..<400 { uuids += [16, 0, 0, 0, 4] + random.bytes(16) }
        #expect(try roundTrip(uuids, .binary) == .uniform)
        var mixed: [UInt8] = []
        for number in 0..<400 { mixed += [UInt8(number % 5), 0, 0, 0, UInt8(number % 3)] + random.bytes(number % 5) }
        #expect(try roundTrip(mixed, .binary) == .plain)
        #expect(try roundTrip([UInt8](repeating: 0, count: 5 * 40), .binary) == .uniform)
    }

    @Test func decimals() throws {
        var random = SeededGenerator(seed: 7)
        #expect(try roundTrip(random.bytes(16 * 300), .decimal128) == .shuffled)
    }
}
