import COpenSSL

/// Keys from keys (HKDF) and keys from passphrases (scrypt).
public enum KeyDerivation {
    /// HKDF-SHA-256 (RFC 5869), extract and expand; `info` is the label that keeps derived keys apart.
    public static func hkdf(key: SecretBytes, salt: [UInt8], info: [UInt8], count: Int) -> SecretBytes {
        unsafe SecretBytes(count: count) { output in
            unsafe key.bytes.withUnsafeBytes { keyBytes in
                var (salt, info) = (salt, info)
                unsafe salt.withUnsafeMutableBytes { salt in
                    unsafe info.withUnsafeMutableBytes { info in
                        unsafe derive(
                            "HKDF", output,
                            digest: "SHA256",
                            [
                                octets(OSSL_KDF_PARAM_KEY, UnsafeMutableRawBufferPointer(mutating: keyBytes)),
                                octets(OSSL_KDF_PARAM_SALT, salt),
                                octets(OSSL_KDF_PARAM_INFO, info),
                            ])
                    }
                }
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

    @unsafe
    private static func octets(_ name: UnsafePointer<CChar>, _ bytes: UnsafeMutableRawBufferPointer) -> OSSL_PARAM {
        unsafe OSSL_PARAM_construct_octet_string(name, bytes.baseAddress, bytes.count)
    }

    @unsafe
    private static func derive(
        _ algorithm: String, _ output: UnsafeMutableRawBufferPointer, digest: String, _ octets: [OSSL_PARAM]
    ) {
        let kdf = unsafe EVP_KDF_fetch(nil, algorithm, nil)
        unsafe precondition(kdf != nil, "libcrypto offers no \(algorithm)")
        let context = unsafe EVP_KDF_CTX_new(kdf)
        unsafe EVP_KDF_free(kdf)
        defer { unsafe EVP_KDF_CTX_free(context) }
        unsafe digest.withCString { name in
            var parameters = unsafe octets
            unsafe parameters.append(
                OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, UnsafeMutablePointer(mutating: name), 0))
            unsafe parameters.append(OSSL_PARAM_construct_end())
            unsafe requireOpenSSL(
                EVP_KDF_derive(
                    context, output.bindMemory(to: UInt8.self).baseAddress, output.count, &parameters),
                "EVP_KDF_derive")
        }
    }
}
