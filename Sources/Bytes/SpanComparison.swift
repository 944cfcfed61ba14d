import COpenSSL
import Glibc

/// Whether two spans hold the same bytes; not for secrets.
public func spansEqual(_ left: RawSpan, _ right: RawSpan) -> Bool {
    let count = left.byteCount
    guard count == right.byteCount else { return false }
    guard count > 0 else { return true }
    return unsafe left.withUnsafeBytes { l in
        unsafe right.withUnsafeBytes { r in unsafe memcmp(l.baseAddress!, r.baseAddress!, count) == 0 }
    }
}

/// Whether two spans hold the same bytes, in a time that depends on their length alone: for tags and keys.
public func constantTimeEqual(_ left: RawSpan, _ right: RawSpan) -> Bool {
    let count = left.byteCount
    guard count == right.byteCount else { return false }
    guard count > 0 else { return true }
    return unsafe left.withUnsafeBytes { l in
        unsafe right.withUnsafeBytes { r in unsafe CRYPTO_memcmp(l.baseAddress!, r.baseAddress!, count) == 0 }
    }
}
