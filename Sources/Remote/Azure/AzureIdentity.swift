import Bytes
import Foundation

/// The scope of the tokens that Azure Storage takes.
private let storageResource = "https://storage.azure.com/"

/// Tokens for a machine's managed identity, from the instance metadata service on its own link.
///
/// Source: *How to use managed identities on a VM to acquire an access token* (api-version 2018-02-01).
struct ManagedIdentity: TokenIssuer {
    let exchange: HTTPExchange
    /// `http://169.254.169.254`, or another in tests.
    var endpoint = "http://169.254.169.254"
    /// Which of several user-assigned identities; nil for the only one.
    let clientID: String?

    /// While the service is being updated, for up to 70 seconds, it answers with 404 or 410.
    func issue() throws -> AccessToken {
        var url =
            "\(endpoint)/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
            + PercentEncoding.encode(storageResource)
        if let clientID { url += "&client_id=" + PercentEncoding.encode(clientID) }
        var request = HTTPRequest(.get, url)
        request.headers["Metadata"] = "true"
        request.usesProxy = false
        return try exchange.token(
            request, remedy: "is a managed identity assigned to this machine, and AZURE_CLIENT_ID one of its?"
        ) { [404, 410].contains($0.status) }
    }
}

/// An application's registration with Microsoft Entra ID, which it proves by a secret or by a token that Kubernetes
/// signed for its service account.
///
/// Source: *Microsoft identity platform and the OAuth 2.0 client credentials flow*.
struct ClientCredentials: TokenIssuer {
    enum Proof: Sendable {
        case secret(SecretText)
        /// Path of a file that Kubernetes replaces about hourly: read anew each time.
        case federatedTokenFile(String)
    }

    let exchange: HTTPExchange
    var authority = "https://login.microsoftonline.com"
    let tenant: String
    let clientID: String
    let proof: Proof

    func issue() throws -> AccessToken {
        var fields = [
            ("grant_type", "client_credentials"), ("client_id", clientID), ("scope", storageResource + ".default"),
        ]
        switch proof {
        case .secret(let secret):
            fields.append(("client_secret", secret.text))
        case .federatedTokenFile(let path):
            guard let data = FileManager.default.contents(atPath: path), !data.isEmpty else {
                throw CairnError(
                    .authentication,
                    "the federated token cannot be read; is the pod labelled azure.workload.identity/use: \"true\"?",
                    object: path)
            }
            fields += [
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                (
                    "client_assertion",
                    String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
                ),
            ]
        }
        let base = authority.hasSuffix("/") ? String(authority.dropLast()) : authority
        var request = HTTPRequest(.post, "\(base)/\(PercentEncoding.encode(tenant))/oauth2/v2.0/token")
        request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        let form = fields.map { "\($0.0)=\(PercentEncoding.encode($0.1))" }.joined(separator: "&")
        return try exchange.token(
            request, form: form,
            remedy: "check tenant, client and what it proves itself by (secret not expired; federated credential with "
                + "this cluster's issuer and service account)")
    }
}
