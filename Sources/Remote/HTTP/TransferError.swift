import Bytes
import CCurl

/// What libcurl's codes mean to a caller: which may pass when tried again, and what a person can do.
enum TransferError {
    /// The error of a request that got no answer, or not all of it. `detail` is libcurl's own sentence.
    static func of(_ code: CURLcode, _ detail: String, _ request: HTTPRequest) -> CairnError {
        let reason = detail.isEmpty ? unsafe String(cString: curl_easy_strerror(code)) : detail
        switch code {
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
            CURLE_SSL_INVALIDCERTSTATUS:
            return CairnError(
                .authentication,
                "the server's certificate is not to be trusted: \(reason); check the host's name and clock, and name "
                    + "the authority's certificate, if it is your own, in azure.ca-file or CURL_CA_BUNDLE",
                object: request.resource)
        case CURLE_SSL_CACERT_BADFILE:
            return CairnError(
                .usage, "the file of trusted authorities cannot be read: \(reason)", object: request.resource)
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
            return CairnError(.usage, "not an address that HTTP can reach: \(reason)", object: request.resource)
        case CURLE_OUT_OF_MEMORY:
            return CairnError(.io, "libcurl is out of memory", object: request.resource)
        default:
            return CairnError(.unreachable, "the request got no answer: \(reason)", object: request.resource)
        }
    }
}
