import COpenSSL

/// MD5 (RFC 1321), which HTTP's `Content-MD5` asks for: against damage on the way, never against an adversary.
public enum MD5 {
    /// The 16 bytes of the digest of `span`; nil where libcrypto offers no MD5, as in FIPS mode.
    public static func hash(_ span: RawSpan) -> [UInt8]? {
        var output = [UInt8](repeating: 0, count: 16)
        let status = unsafe span.withUnsafeBytes { input in
            unsafe EVP_Digest(input.baseAddress, input.count, &output, nil, EVP_md5(), nil)
        }
        return status == 1 ? output : nil
    }
}
