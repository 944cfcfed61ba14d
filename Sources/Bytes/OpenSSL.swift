import COpenSSL

/// Traps for the failures of libcrypto that only a bug or an exhausted machine can cause (allocation, wrong
/// parameters).
///
/// Failed authentication is not one of them: that is the world's, and throws.
@inline(never)
func requireOpenSSL(_ status: Int32, _ call: StaticString) {
    precondition(status == 1, "libcrypto: \(call) failed: \(OpenSSLVersion.lastError)")
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
