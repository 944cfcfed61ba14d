/// The doors that the standard library's spans lack, or mark unsafe although bytes cannot be misread as bytes.
extension [UInt8] {
    /// The elements as raw bytes, borrowed.
    public var rawSpan: RawSpan {
        @_lifetime(borrow self)
        @inlinable
        get {
            let bytes = unsafe span.bytes
            return unsafe _overrideLifetime(bytes, borrowing: self)
        }
    }

    /// A copy of the bytes of `span`.
    public init(_ span: RawSpan) {
        self = unsafe span.withUnsafeBytes { unsafe [UInt8]($0) }
    }
}

extension RawSpan {
    /// The byte at `offset`; traps outside.
    @inlinable
    public func byte(at offset: Int) -> UInt8 {
        precondition(offset >= 0 && offset < byteCount)
        // Safe: the line above.
        return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    /// The little-endian integer at `offset`; traps when it does not lie inside.
    @inlinable
    public func integer<Integer: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Integer.Type) -> Integer
    {
        precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Integer>.size)
        // Safe: the line above.
        return Integer(littleEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: Integer.self))
    }
}
