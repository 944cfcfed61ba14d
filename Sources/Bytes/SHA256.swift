import COpenSSL

/// SHA-256 (FIPS 180-4) of one span; for content checks outside the keyed chunk ids.
public enum SHA256 {
    /// The digest of `span`.
    public static func hash(_ span: RawSpan) -> Digest256 {
        var output = [UInt8](repeating: 0, count: Digest256.byteCount)
        unsafe span.withUnsafeBytes { input in
            unsafe requireOpenSSL(
                EVP_Digest(input.baseAddress, input.count, &output, nil, EVP_sha256(), nil), "EVP_Digest")
        }
        return Digest256(output.rawSpan)
    }
}
