import COpenSSL

/// HMAC-SHA-256 (RFC 2104, FIPS 198-1) under one key; one instance per worker thread.
///
/// The key is absorbed once: each message starts from a copy of the keyed state, which `EVP_MAC_init` without a key
/// restores.
@safe
public final class HMACSHA256 {
    private let context: OpaquePointer

    /// Absorbs `key`.
    public init(key: SecretBytes) {
        let algorithm = unsafe EVP_MAC_fetch(nil, "HMAC", nil)
        unsafe precondition(algorithm != nil, "libcrypto offers no HMAC")
        unsafe context = EVP_MAC_CTX_new(algorithm)
        unsafe EVP_MAC_free(algorithm)
        unsafe key.bytes.withUnsafeBytes { bytes in
            unsafe requireOpenSSL(
                cairn_hmac_sha256_key(context, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count),
                "EVP_MAC_init")
        }
    }

    deinit { unsafe EVP_MAC_CTX_free(context) }

    /// The tag of `prefix ‖ message`.
    public func authenticate(prefix: UInt8, _ message: RawSpan) -> Digest256 {
        unsafe requireOpenSSL(EVP_MAC_init(context, nil, 0, nil), "EVP_MAC_init")
        var first = prefix
        unsafe requireOpenSSL(EVP_MAC_update(context, &first, 1), "EVP_MAC_update")
        return finish(message)
    }

    /// The tag of `message`.
    public func authenticate(_ message: RawSpan) -> Digest256 {
        unsafe requireOpenSSL(EVP_MAC_init(context, nil, 0, nil), "EVP_MAC_init")
        return finish(message)
    }

    private func finish(_ message: RawSpan) -> Digest256 {
        unsafe message.withUnsafeBytes { bytes in
            unsafe requireOpenSSL(
                EVP_MAC_update(context, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count), "EVP_MAC_update")
        }
        var tag: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        unsafe withUnsafeMutableBytes(of: &tag) { output in
            var written = 0
            unsafe requireOpenSSL(
                EVP_MAC_final(context, output.bindMemory(to: UInt8.self).baseAddress, &written, output.count),
                "EVP_MAC_final")
        }
        return Digest256(words: (tag.0.bigEndian, tag.1.bigEndian, tag.2.bigEndian, tag.3.bigEndian))
    }
}
