internal import BSON
internal import Bytes

/// One `insert` command that is being filled, and where its documents are.
///
///     | length | fields of the header … | 04 "documents" 0 | length | { 03 "0" 0 document }* | 0 | 0 |
///
/// A struct with one mutating loop, so that the fields are accessed exclusively once a chunk and not once a document.
struct InsertBatch {
    /// Bytes of documents at most, unless one alone is larger.
    private let bytesMax: Int
    private let documentsMax: Int
    private let header: [UInt8]
    /// Whether the server changes documents with an empty timestamp, so that they must be told.
    private let marksEmptyTimestamps: Bool
    /// The command so far.
    let message: Buffer
    /// Where each document begins in `message`.
    private(set) var starts: [Int] = []
    /// Raw bytes of the documents.
    private(set) var bytes = 0
    /// Which documents have a top-level `Timestamp(0, 0)`, ascending.
    private(set) var emptyTimestamps: [Int] = []

    /// - Parameter command: the command without `documents`.
    init(command: BSONDocument, bytesMax: Int, documentsMax: Int, marksEmptyTimestamps: Bool) {
        // Array keys and the type go into one 8-byte store.
        precondition(documentsMax > 0 && documentsMax <= 1_000_000)
        self.bytesMax = bytesMax
        self.documentsMax = documentsMax
        self.marksEmptyTimestamps = marksEmptyTimestamps
        header = command.bytes.dropLast() + [BSONType.array.rawValue] + Array("documents".utf8) + [0, 0, 0, 0, 0]
        message = Buffer(capacity: bytesMax + (256 << 10))
        clear()
    }

    var isEmpty: Bool { starts.isEmpty }

    /// Takes documents of `chunk` from `offset` on until the batch is full or the chunk ends; moves `offset` behind
    /// the last one taken.
    ///
    /// - Returns: whether documents are left.
    mutating func fill(from chunk: RawSpan, _ offset: inout Int) throws -> Bool {
        let end = chunk.byteCount
        while offset < end {
            guard end - offset >= 5, case let count = Int(chunk.integer(at: offset, as: Int32.self)), count >= 5,
                count <= end - offset
            else { throw CairnError(.corrupt, "documents do not follow each other.", object: "insert", offset: offset) }
            if starts.count == documentsMax || (bytes + count > bytesMax && !starts.isEmpty) { return true }
            try append(chunk.extracting(offset..<(offset + count)))
            offset += count
        }
        return false
    }

    private mutating func append(_ document: RawSpan) throws {
        if marksEmptyTimestamps, try InsertBatch.hasEmptyTimestamp(document) { emptyTimestamps.append(starts.count) }
        appendKey(starts.count)
        starts.append(message.count)
        message.append(document)
        bytes += document.byteCount
    }

    /// Type, decimal digits and the zero, as one little-endian number.
    private func appendKey(_ index: Int) {
        var key: UInt64 = 0
        var rest = UInt64(index)
        var count = 2
        repeat {
            key = key << 8 | (48 + rest % 10)
            rest /= 10
            count += 1
        } while rest > 0
        message.append(littleEndian: key << 8 | UInt64(BSONType.document.rawValue))
        message.truncate(to: message.count - (8 - count))
    }

    /// Closes the array and the command. Nothing may be added until `clear`.
    func close() {
        message.append(littleEndian: UInt8(0))
        setLength(at: header.count - 4)
        message.append(littleEndian: UInt8(0))
        setLength(at: 0)
    }

    private func setLength(at offset: Int) {
        let length = UInt32(message.count - offset)
        let bytes: [UInt8] = (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(8 * $0)) }
        message.overwrite(at: offset, with: bytes.rawSpan)
    }

    /// Begins the next batch.
    mutating func clear() {
        message.removeAll()
        message.append(header)
        starts.removeAll(keepingCapacity: true)
        emptyTimestamps.removeAll(keepingCapacity: true)
        bytes = 0
    }

    /// The raw size of a document.
    func byteCount(of index: Int) -> Int {
        let message = message
        return Int(message.bytes.integer(at: starts[index], as: Int32.self))
    }

    /// A copy of a document.
    func document(_ index: Int) throws -> BSONDocument {
        let message = message
        let start = starts[index]
        return try BSONDocument(copying: message.bytes.extracting(start..<(start + byteCount(of: index))))
    }
}

extension InsertBatch {
    /// Whether a top-level field is `Timestamp(0, 0)`. (One inside `_id` or deeper is kept by the server.)
    ///
    /// A walk over types and lengths only: this looks at every document that goes to a server before MongoDB 8.0.
    static func hasEmptyTimestamp(_ document: RawSpan) throws -> Bool {
        let end = document.byteCount - 1
        var offset = 4
        while offset < end {
            let type = document.byte(at: offset)
            offset += 1
            while offset < end, document.byte(at: offset) != 0 { offset += 1 }
            offset += 1
            if type == BSONType.timestamp.rawValue, offset + 8 <= end,
                document.integer(at: offset, as: UInt64.self) == 0
            {
                return true
            }
            guard let size = valueByteCount(type, document, offset, end), size <= end - offset else {
                throw CairnError(.corrupt, "a document has a malformed field.", object: "insert", offset: offset)
            }
            offset += size
        }
        return false
    }

    /// The bytes of a value of that type, nil for a type that does not exist.
    @inline(__always)
    private static func valueByteCount(_ type: UInt8, _ bytes: RawSpan, _ offset: Int, _ end: Int) -> Int? {
        switch type {
        case 0x02, 0x0D, 0x0E: return prefixed(bytes, offset, end, plus: 4)
        case 0x03, 0x04, 0x0F: return prefixed(bytes, offset, end, plus: 0)
        case 0x05: return prefixed(bytes, offset, end, plus: 5)
        case 0x01, 0x09, 0x11, 0x12: return 8
        case 0x10: return 4
        case 0x07: return 12
        case 0x08: return 1
        case 0x06, 0x0A, 0x7F, 0xFF: return 0
        case 0x13: return 16
        case 0x0C: return prefixed(bytes, offset, end, plus: 16)
        case 0x0B: return twoCStrings(bytes, offset, end)
        default: return nil
        }
    }

    @inline(__always)
    private static func prefixed(_ bytes: RawSpan, _ offset: Int, _ end: Int, plus extra: Int) -> Int? {
        guard offset + 4 <= end, case let count = Int(bytes.integer(at: offset, as: Int32.self)), count >= 0 else {
            return nil
        }
        return count + extra
    }

    private static func twoCStrings(_ bytes: RawSpan, _ offset: Int, _ end: Int) -> Int? {
        var zeros = 0
        for index in offset..<end where bytes.byte(at: index) == 0 {
            zeros += 1
            if zeros == 2 { return index + 1 - offset }
        }
        return nil
    }
}
