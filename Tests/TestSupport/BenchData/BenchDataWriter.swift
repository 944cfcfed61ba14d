import BSON

/// A field's type byte and name as they stand in a document, encoded once and appended millions of times.
struct BenchDataKey {
    let bytes: [UInt8]

    init(_ type: BSONType, _ name: String) {
        bytes = [type.rawValue] + Array(name.utf8) + [0]
    }
}

/// Appends documents to one growing array.
///
/// `BSON.DocumentBuilder` serves metadata and takes names as `String`; here names are keys encoded beforehand and
/// values are written byte by byte, because the generator must be several times as fast as the servers it feeds.
struct BenchDataWriter {
    /// Whole documents, one behind the other, and perhaps one that is being written.
    private(set) var bytes: [UInt8] = []
    /// Where the lengths of the open documents stand.
    private var open: [Int] = []

    /// Keys of array elements by position, made on demand; those of strings and documents are what arrays here hold.
    private let documentKeys = (0..<64).map { BenchDataKey(.document, String($0)) }
    private let stringKeys = (0..<64).map { BenchDataKey(.string, String($0)) }

    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    mutating func beginDocument() {
        open.append(bytes.count)
        appendLittleEndian(0 as UInt32)
    }

    mutating func endDocument() {
        bytes.append(0)
        let start = open.removeLast()
        setLength(at: start, to: bytes.count - start)
    }

    mutating func beginNested(_ key: BenchDataKey) {
        bytes.append(contentsOf: key.bytes)
        beginDocument()
    }

    /// Opens the embedded document at `position` (below 64) of the open array.
    mutating func beginElement(_ position: Int) { beginNested(documentKeys[position]) }

    mutating func int32(_ key: BenchDataKey, _ value: Int) {
        bytes.append(contentsOf: key.bytes)
        appendLittleEndian(UInt32(truncatingIfNeeded: value))
    }

    /// For the types of eight bytes: int64, date, double (its bit pattern), timestamp.
    mutating func word(_ key: BenchDataKey, _ value: UInt64) {
        bytes.append(contentsOf: key.bytes)
        appendLittleEndian(value)
    }

    mutating func double(_ key: BenchDataKey, _ value: Double) { word(key, value.bitPattern) }

    mutating func bool(_ key: BenchDataKey, _ value: Bool) {
        bytes.append(contentsOf: key.bytes)
        bytes.append(value ? 1 : 0)
    }

    mutating func null(_ key: BenchDataKey) { bytes.append(contentsOf: key.bytes) }

    mutating func string(_ key: BenchDataKey, _ value: [UInt8]) {
        bytes.append(contentsOf: key.bytes)
        appendLittleEndian(UInt32(value.count + 1))
        bytes.append(contentsOf: value)
        bytes.append(0)
    }

    mutating func element(_ position: Int, _ value: [UInt8]) { string(stringKeys[position], value) }

    mutating func objectID(_ key: BenchDataKey, _ id: BenchDataID) {
        bytes.append(contentsOf: key.bytes)
        appendBigEndian(id.seconds)
        appendBigEndian(UInt32(truncatingIfNeeded: id.machine >> 8))
        appendBigEndian(UInt32(truncatingIfNeeded: id.machine << 24) | (id.counter & 0xFF_FFFF))
    }

    /// Binary subtype 4.
    mutating func uuid(_ key: BenchDataKey, _ high: UInt64, _ low: UInt64) {
        bytes.append(contentsOf: key.bytes)
        appendLittleEndian(16 as UInt32)
        bytes.append(4)
        appendLittleEndian(high)
        appendLittleEndian(low)
    }

    /// A string whose bytes `body` appends.
    mutating func string(_ key: BenchDataKey, _ body: (inout [UInt8]) -> Void) {
        bytes.append(contentsOf: key.bytes)
        let start = bytes.count
        appendLittleEndian(0 as UInt32)
        body(&bytes)
        bytes.append(0)
        setLength(at: start, to: bytes.count - start - 4)
    }

    private mutating func setLength(at start: Int, to length: Int) {
        bytes[start] = UInt8(truncatingIfNeeded: length)
        bytes[start + 1] = UInt8(truncatingIfNeeded: length >> 8)
        bytes[start + 2] = UInt8(truncatingIfNeeded: length >> 16)
        bytes[start + 3] = UInt8(truncatingIfNeeded: length >> 24)
    }

    private mutating func appendLittleEndian<Integer: FixedWidthInteger>(_ value: Integer) {
        var rest = value
        for _ in 0..<MemoryLayout<Integer>.size {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    private mutating func appendBigEndian(_ value: UInt32) { appendLittleEndian(value.byteSwapped) }
}

/// The parts of an ObjectId, as a driver would have made it.
struct BenchDataID {
    /// Seconds since 1970.
    let seconds: UInt32
    /// Five bytes that stay the same for one process of an application.
    let machine: UInt64
    /// Three bytes that count.
    let counter: UInt32

    /// The id of the `index`-th document of a kind: ascending in time like real ones, from one of eight processes.
    init(kind: UInt64, index: Int, seed: UInt64, secondsBetween step: Int) {
        seconds = UInt32(1_650_000_000 + index * step / 16)
        machine = SeededGenerator.mix(seed ^ (kind << 8) ^ UInt64(index & 7)) & 0xFF_FFFF_FFFF
        counter = UInt32(truncatingIfNeeded: index)
    }

    var bytes: [UInt8] {
        let tail = (UInt128(machine) << 24) | UInt128(counter & 0xFF_FFFF)
        let whole = (UInt128(seconds) << 64) | tail
        return (0..<12).map { UInt8(truncatingIfNeeded: whole >> UInt128(88 - 8 * $0)) }
    }
}
