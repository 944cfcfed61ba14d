import Bytes
import Foundation

/// The scope of the tokens that Azure Storage takes.
private let storageResource = "https://storage.azure.com/"

/// What an identity service answers.
private struct TokenAnswer: Decodable {
    let token: String
    let lifetime: Int64

    private enum CodingKeys: String, CodingKey {
        case token = "access_token"
        case lifetime = "expires_in"
    }

    /// The instance metadata service writes the number of seconds as text, the others as a number.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        token = try container.decode(String.self, forKey: .token)
        if let seconds = try? container.decode(Int64.self, forKey: .lifetime) {
            lifetime = seconds
        } else {
            lifetime = Int64(try container.decode(String.self, forKey: .lifetime)) ?? 0
        }
    }
}

extension HTTPExchange {
    /// Sends a request for a token and reads the answer.
    fileprivate func token(_ request: HTTPRequest, form: String? = nil, remedy: String) throws -> AccessToken {
        let asked = Int64(Date().timeIntervalSince1970)
        let body = Buffer(capacity: 4096)
        let text = form.map { Array($0.utf8) }
        let response =
            try text.map { try send(request, body: $0.rawSpan, into: body, bodyMax: 1 << 20) }
            ?? send(request, into: body, bodyMax: 1 << 20)
        guard response.isSuccess, let answer = try? JSONDecoder().decode(TokenAnswer.self, from: Data(body.array))
        else {
            throw CairnError(
                .authentication,
                "the identity service gave no token (status \(response.status)\(Self.reason(body))); \(remedy)",
                object: request.resource)
        }
        return AccessToken(text: answer.token, expires: asked + answer.lifetime)
    }

    /// The error's code, such as `AADSTS700016`; the description beside it can repeat what was sent.
    private static func reason(_ body: Buffer) -> String {
        struct Refusal: Decodable {
            let error: String
            let error_codes: [Int]?
        }
        guard let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(body.array)) else { return "" }
        let codes = (refusal.error_codes ?? []).map { ", AADSTS\($0)" }.joined()
        return ", \(refusal.error.prefix(100))\(codes)"
    }
}

/// Tokens for a machine's managed identity, from the instance metadata service on its own link.
///
/// Source: *How to use managed identities on a VM to acquire an access token* (api-version 2018-02-01).
struct ManagedIdentity: TokenIssuer {
    let exchange: HTTPExchange
    /// `http://169.254.169.254`, or another in tests.
    var endpoint = "http://169.254.169.254"
    /// Which of several user-assigned identities; nil for the only one.
    let clientID: String?

    func issue() throws -> AccessToken {
        var url =
            "\(endpoint)/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
            + PercentEncoding.encode(storageResource)
        if let clientID { url += "&client_id=" + PercentEncoding.encode(clientID) }
        var request = HTTPRequest(.get, url)
        request.headers["Metadata"] = "true"
        request.usesProxy = false
        return try exchange.token(
            request, remedy: "is a managed identity assigned to this machine, and AZURE_CLIENT_ID one of its?")
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
