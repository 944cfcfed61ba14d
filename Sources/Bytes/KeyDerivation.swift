import COpenSSL

/// Keys from keys (HKDF) and keys from passphrases (scrypt).
public enum KeyDerivation {
    /// HKDF-SHA-256 (RFC 5869), extract and expand; `info` is the label that keeps derived keys apart.
    public static func hkdf(key: SecretBytes, salt: [UInt8], info: [UInt8], count: Int) -> SecretBytes {
        let kdf = unsafe EVP_KDF_fetch(nil, "HKDF", nil)
        unsafe precondition(kdf != nil, "libcrypto offers no HKDF")
        let context = unsafe EVP_KDF_CTX_new(kdf)
        unsafe EVP_KDF_free(kdf)
        defer { unsafe EVP_KDF_CTX_free(context) }
        return unsafe SecretBytes(count: count) { output in
            unsafe key.bytes.withUnsafeBytes { key in
                unsafe requireOpenSSL(
                    cairn_hkdf_sha256(
                        context, key.baseAddress, key.count, salt, salt.count, info, info.count,
                        output.bindMemory(to: UInt8.self).baseAddress, output.count),
                    "EVP_KDF_derive")
            }
        }
    }

    /// HKDF-SHA-256 with a text label.
    public static func hkdf(key: SecretBytes, salt: [UInt8], info: String, count: Int) -> SecretBytes {
        hkdf(key: key, salt: salt, info: Array(info.utf8), count: count)
    }

    /// scrypt (RFC 7914). Needs about 128 · `r` · `n` bytes of memory; callers bound the parameters that they read from
    /// disk.
    ///
    /// - Throws: `.limit` when the parameters are invalid or memory is short.
    public static func scrypt(
        passphrase: SecretBytes, salt: [UInt8], n: UInt64, r: UInt32, p: UInt32, count: Int = 32
    ) throws -> SecretBytes {
        let memoryMax = 128 &* n &* UInt64(r) &+ 128 &* UInt64(r) &* UInt64(p) &+ (1 << 20)
        return try unsafe SecretBytes(count: count) { output in
            let status = unsafe passphrase.bytes.withUnsafeBytes { phrase in
                unsafe EVP_PBE_scrypt(
                    phrase.bindMemory(to: CChar.self).baseAddress, phrase.count, salt, salt.count, n, UInt64(r),
                    UInt64(p), memoryMax, output.bindMemory(to: UInt8.self).baseAddress, output.count)
            }
            guard status == 1 else {
                throw CairnError(
                    .limit, "scrypt with N=\(n), r=\(r), p=\(p) fails: invalid parameters, or too little memory")
            }
        }
    }
}
