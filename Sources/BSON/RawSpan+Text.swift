public import Bytes

/// Text out of borrowed bytes and back. One of the module's few files with `unsafe`: pointers live only inside each
/// function.
extension RawSpan {
    /// Whether the bytes are those of `text`.
    @inlinable
    func equals(_ text: StaticString) -> Bool {
        guard byteCount == text.utf8CodeUnitCount, text.hasPointerRepresentation else { return false }
        for offset in 0..<byteCount where unsafe byte(at: offset) != text.utf8Start[offset] { return false }
        return true
    }

    /// Whether the bytes are those of `text`, without allocating.
    func equals(_ text: String) -> Bool {
        let utf8 = text.utf8
        guard byteCount == utf8.count else { return false }
        var offset = 0
        for unit in utf8 {
            if byte(at: offset) != unit { return false }
            offset += 1
        }
        return true
    }
}

extension String {
    /// The text, each ill-formed sequence replaced by U+FFFD.
    init(repairing bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// The text, or nil when the bytes are not well-formed UTF-8.
    init?(validating bytes: RawSpan) {
        let text = unsafe bytes.withUnsafeBytes { bytes in
            unsafe String(validating: bytes.assumingMemoryBound(to: UInt8.self), as: UTF8.self)
        }
        guard let text else { return nil }
        self = text
    }
}

extension [UInt8] {
    /// Appends a copy of `span`.
    mutating func append(_ span: RawSpan) {
        unsafe span.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
}
