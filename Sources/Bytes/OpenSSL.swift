import COpenSSL

/// Traps for the failures of libcrypto that only a bug or an exhausted machine can cause (allocation, wrong
/// parameters).
///
/// Failed authentication is not one of them: that is the world's, and throws.
@inline(never)
func requireOpenSSL(_ status: Int32, _ call: StaticString) {
    precondition(status == 1, "libcrypto: \(call) failed: \(OpenSSLVersion.lastError)")
}

/// How libcrypto lives and ends in this process.
public enum OpenSSLLifetime {
    /// Keeps libcrypto's global state until the process is gone. To be called before anything else uses libcrypto.
    ///
    /// It would otherwise be freed by an `atexit` handler, while libmongoc's monitor threads may still be in a TLS
    /// call.
    public static func lastsUntilProcessEnds() {
        requireOpenSSL(OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil), "OPENSSL_init_crypto")
    }
}

/// What libcrypto says about itself.
public enum OpenSSLVersion {
    /// For instance `OpenSSL 3.0.15 3 Sep 2024`.
    public static var text: String { unsafe String(cString: OpenSSL_version(OPENSSL_VERSION)) }

    static var lastError: String {
        guard let reason = unsafe ERR_reason_error_string(ERR_peek_last_error()) else { return "no reason given" }
        return unsafe String(cString: reason)
    }
}
