import Bytes
import Foundation

/// What shows Atlas who asks.
enum AtlasCredential: Sendable {
    /// A service account: OAuth tokens.
    case serviceAccount(TokenSource)
    /// An API key: public part and private part, by digest.
    case keyPair(HTTPCredentials)

    /// How messages call it.
    var kind: String {
        switch self {
        case .serviceAccount: "the service account"
        case .keyPair: "the API key"
        }
    }
}

/// Tokens for a service account, each valid for an hour.
///
/// Source: *Generate Service Account Token* of the Atlas documentation; RFC 6749 §4.4, with the client's name and
/// secret in an `Authorization` header as §2.3.1 has it.
struct ServiceAccount: TokenIssuer {
    let exchange: HTTPExchange
    let endpoint: String
    let clientID: String
    let clientSecret: SecretText

    func issue() throws -> AccessToken {
        var request = HTTPRequest(.post, "\(endpoint)/api/oauth/token")
        let basic = Data("\(clientID):\(clientSecret.text)".utf8).base64EncodedString()
        request.headers["Authorization"] = "Basic \(basic)"
        request.headers["Accept"] = "application/json"
        request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        return try exchange.token(
            request, form: "grant_type=client_credentials",
            remedy: "check the service account's id and secret; secrets expire, and the organization's access list "
                + "must have this address")
    }
}
