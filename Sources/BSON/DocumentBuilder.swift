public import Bytes

/// Builds one BSON document, field after field, in its own array.
///
/// Nested documents are opened and closed in place (`open`/`close`, or `appendDocument` with a closure), never built
/// apart and copied. Traps on our bugs: a name or C string with a zero byte, `finish` with a document still open.
/// Bytes that are copied unread must be well-formed: taken from a `BSONDocument`, from a server, or validated. The
/// finished document counts as valid, and reading it traps where it is not.
public struct DocumentBuilder {
    /// What is built so far; lengths of open documents are filled in when they are closed.
    private var bytes: [UInt8]
    /// Offsets of the lengths of the open documents, outermost first.
    private var open: [Int]

    /// An empty document with room for `capacity` bytes.
    public init(capacity: Int = 64) {
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(contentsOf: [0, 0, 0, 0])
        open = []
    }

    /// Appends one field.
    public mutating func append(_ name: String, _ value: BSONValue) {
        appendHeader(value.type, name)
        appendValue(value)
    }

    /// Appends `value`, or nothing when it is nil.
    public mutating func append(_ name: String, ifPresent value: BSONValue?) {
        if let value { append(name, value) }
    }

    /// Appends a field whose value is stored bytes of that type, copied unread.
    public mutating func append(_ name: String, type: BSONType, rawValue: RawSpan) {
        appendHeader(type, name)
        bytes.append(rawValue)
    }

    /// Appends a field whose value is a document, copied unread.
    public mutating func append(_ name: String, document: RawSpan) {
        append(name, type: .document, rawValue: document)
    }

    /// Appends generic binary data (subtype 0).
    public mutating func append(_ name: String, binary: RawSpan) {
        appendHeader(.binary, name)
        appendInteger(Int32(binary.byteCount))
        bytes.append(0)
        bytes.append(binary)
    }

    /// Appends an element as it is, name included.
    public mutating func append(_ element: borrowing ElementView) { bytes.append(element.bytes) }

    /// Appends stored elements as they are, none or several, without looking at them.
    public mutating func append(elementBytes: RawSpan) { bytes.append(elementBytes) }

    /// Appends a document that `body` fills.
    public mutating func appendDocument(
        _ name: String, _ body: (inout DocumentBuilder) throws -> Void
    ) rethrows {
        openDocument(name)
        try body(&self)
        close()
    }

    /// Opens an embedded document: what is appended next belongs to it, until `close`.
    public mutating func openDocument(_ name: String) { openNested(.document, name) }

    /// Opens an embedded array; the caller names its elements "0", "1", ….
    public mutating func openArray(_ name: String) { openNested(.array, name) }

    /// Closes the innermost open document or array.
    public mutating func close() {
        guard let start = open.popLast() else { preconditionFailure("close without an open document") }
        bytes.append(0)
        setLength(at: start)
    }

    /// The finished document.
    public consuming func finish() -> BSONDocument { BSONDocument(trusted: finishBytes()) }

    /// The bytes of the finished document.
    public consuming func finishBytes() -> [UInt8] {
        precondition(open.isEmpty, "an embedded document is still open")
        bytes.append(0)
        setLength(at: 0)
        return bytes
    }

    /// Appends the finished document to `buffer`.
    public consuming func finish(into buffer: Buffer) { buffer.append(finishBytes()) }

    private mutating func openNested(_ type: BSONType, _ name: String) {
        appendHeader(type, name)
        open.append(bytes.count)
        bytes.append(contentsOf: [0, 0, 0, 0])
    }

    private mutating func setLength(at start: Int) {
        let length = UInt32(Int32(bytes.count - start))
        for index in 0..<4 { bytes[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(8 * index)) }
    }

    private mutating func appendHeader(_ type: BSONType, _ name: String) {
        bytes.append(type.rawValue)
        appendCString(name)
    }

    private mutating func appendCString(_ text: String) {
        precondition(!text.utf8.contains(0), "a field name, pattern or option cannot hold a zero byte")
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }

    private mutating func appendString(_ text: String) {
        appendInteger(Int32(text.utf8.count + 1))
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }

    private mutating func appendInteger<Integer: FixedWidthInteger>(_ value: Integer) {
        var rest = value
        for _ in 0..<MemoryLayout<Integer>.size {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    private mutating func appendValue(_ value: BSONValue) {
        switch value {
        case .double(let number): appendInteger(number.bitPattern)
        case .string(let text), .code(let text), .symbol(let text): appendString(text)
        case .document(let document): bytes.append(contentsOf: document.bytes)
        case .array(let elements): appendArray(elements)
        case .binary(let subtype, let payload):
            appendInteger(Int32(payload.count))
            bytes.append(subtype)
            bytes.append(contentsOf: payload)
        case .objectID(let id): bytes.append(contentsOf: id.bytes)
        case .bool(let flag): bytes.append(flag ? 1 : 0)
        case .date(let milliseconds): appendInteger(milliseconds)
        case .regex(let pattern, let options):
            appendCString(pattern)
            appendCString(options)
        case .dbPointer(let namespace, let id):
            appendString(namespace)
            bytes.append(contentsOf: id.bytes)
        case .codeWithScope(let code, let scope):
            appendInteger(Int32(4 + 4 + code.utf8.count + 1 + scope.bytes.count))
            appendString(code)
            bytes.append(contentsOf: scope.bytes)
        case .int32(let number): appendInteger(number)
        case .timestamp(let time): appendInteger(time.rawValue)
        case .int64(let number): appendInteger(number)
        case .decimal128(let bits): appendInteger(bits)
        case .undefined, .null, .maxKey, .minKey: break
        }
    }

    private mutating func appendArray(_ elements: [BSONValue]) {
        let start = bytes.count
        bytes.append(contentsOf: [0, 0, 0, 0])
        for (index, element) in elements.enumerated() {
            appendHeader(element.type, String(index))
            appendValue(element)
        }
        bytes.append(0)
        setLength(at: start)
    }
}
