import Bytes
import Foundation

/// What is known of how to reach the administration API of MongoDB Atlas.
public struct AtlasSettings: Sendable {
    /// The service's address without a path. Other clouds have others: `https://cloud.mongodbgov.com`.
    public var endpoint = "https://cloud.mongodb.com"
    /// The project's id, 24 hexadecimal digits.
    public var project: String?
    /// The cluster's name.
    public var cluster: String?
    /// A service account's id, `mdb_sa_id_…`.
    public var clientID: String?
    /// A service account's secret.
    public var clientSecret: SecretText?
    /// An API key's public part.
    public var publicKey: String?
    /// An API key's private part.
    public var privateKey: SecretText?

    /// Nothing known but the address.
    public init() {}

    /// The secrets that the environment holds; everything else is a setting of the program.
    public init(environment: [String: String]) {
        func secret(_ name: String) -> SecretText? {
            environment[name].flatMap { $0.isEmpty ? nil : SecretText($0) }
        }
        clientSecret = secret("CAIRN_ATLAS_CLIENT_SECRET")
        privateKey = secret("CAIRN_ATLAS_PRIVATE_KEY")
    }
}

/// Checks, and the choice of the credential.
extension AtlasSettings {
    /// The address without a slash at its end.
    ///
    /// - Throws: `.usage` for what is no address, and for one that would carry secrets over a network unencrypted.
    func address() throws(CairnError) -> String {
        let trimmed = endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint
        let url = URL(string: trimmed)
        let isLocal = ["127.0.0.1", "[::1]", "::1", "localhost"].contains(url?.host ?? "")
        guard let url, url.host?.isEmpty == false, url.path.isEmpty, url.query == nil, url.user == nil,
            url.scheme == "https" || (url.scheme == "http" && isLocal)
        else {
            throw CairnError(
                .usage, "not an address of the Atlas administration API; one is https://cloud.mongodb.com",
                object: "atlas.endpoint")
        }
        return trimmed
    }

    /// Who asks: the service account when it is given, else the API key.
    ///
    /// - Throws: `.usage` naming what is missing.
    func credential(exchange: HTTPExchange) throws(CairnError) -> AtlasCredential {
        switch (clientID, clientSecret, publicKey, privateKey) {
        case (let id?, let secret?, _, _):
            let account = ServiceAccount(
                exchange: exchange, endpoint: try address(), clientID: id, clientSecret: secret)
            return .serviceAccount(TokenSource(account))
        case (_, _, let name?, let password?):
            return .keyPair(HTTPCredentials(name: name, password: password))
        case (_?, nil, _, _):
            throw Self.missing("the service account's secret: CAIRN_ATLAS_CLIENT_SECRET or atlas.client-secret-file")
        case (nil, _?, _, _):
            throw Self.missing("the service account's id: CAIRN_ATLAS_CLIENT_ID or atlas.client-id")
        case (_, _, _?, nil):
            throw Self.missing("the API key's private part: CAIRN_ATLAS_PRIVATE_KEY or atlas.private-key-file")
        case (_, _, nil, _?):
            throw Self.missing("the API key's public part: CAIRN_ATLAS_PUBLIC_KEY or atlas.public-key")
        case (nil, nil, nil, nil):
            throw Self.missing(
                "a service account (CAIRN_ATLAS_CLIENT_ID and CAIRN_ATLAS_CLIENT_SECRET) or an API key "
                    + "(CAIRN_ATLAS_PUBLIC_KEY and CAIRN_ATLAS_PRIVATE_KEY)")
        }
    }

    /// The project's id.
    func checkedProject() throws(CairnError) -> String {
        guard let project else { throw Self.missing("a project: CAIRN_ATLAS_PROJECT_ID or atlas.project-id") }
        return try Self.objectID(project, "a project's id")
    }

    /// The cluster's name.
    func checkedCluster() throws(CairnError) -> String {
        guard let cluster else { throw Self.missing("a cluster: CAIRN_ATLAS_CLUSTER or atlas.cluster") }
        return cluster
    }

    /// The text, when it is 24 hexadecimal digits.
    static func objectID(_ text: String, _ what: String) throws(CairnError) -> String {
        guard text.utf8.count == 24, text.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
            throw CairnError(.usage, "\(what) is 24 hexadecimal digits", object: text)
        }
        return text
    }

    private static func missing(_ what: String) -> CairnError {
        CairnError(.usage, "the Atlas administration API needs \(what)")
    }
}
