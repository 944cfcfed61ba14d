import COpenSSL

/// Key material. Zeroised when the last reference goes; never printed, compared or encoded by accident, since it
/// conforms to nothing that could.
///
/// `@unchecked Sendable`: the bytes are written once, before `init` returns, and only read after that.
@safe
public final class SecretBytes: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer

    /// `count` bytes of zeros, for `fill` to overwrite before anybody else sees the object.
    init(count: Int, fill: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
        unsafe memory = .allocate(byteCount: max(count, 1), alignment: 16)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
        self.count = count
        try unsafe fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
    }

    /// A copy of `span`; wiping the original is the caller's business.
    public convenience init(copying span: RawSpan) {
        unsafe self.init(count: span.byteCount) { destination in
            unsafe span.withUnsafeBytes { source in unsafe destination.copyMemory(from: source) }
        }
    }

    deinit {
        unsafe OPENSSL_cleanse(memory.baseAddress!, memory.count)
        unsafe memory.deallocate()
    }

    /// The number of bytes.
    public let count: Int

    /// `count` bytes from the operating system's randomness.
    public static func random(_ count: Int) -> SecretBytes {
        unsafe SecretBytes(count: count) { unsafe SecureRandom.fill($0) }
    }

    /// The bytes, borrowed.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<count]))
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }
}
