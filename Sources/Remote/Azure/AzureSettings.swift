import Bytes
import Foundation

/// What is known of how to reach an account, from which the way to show who asks is chosen.
public struct AzureSettings: Sendable {
    /// How to show who asks.
    public enum Authentication: String, Sendable, CaseIterable {
        /// The first of the following for which everything is given, managed identity last.
        case auto
        /// A connection string, with a key or a signature in it.
        case connectionString = "connection-string"
        /// The account's key.
        case key
        /// A shared access signature.
        case signature = "sas"
        /// AKS workload identity: the service account's token is exchanged.
        case workloadIdentity = "workload-identity"
        /// An application and its secret.
        case clientSecret = "client-secret"
        /// The machine's managed identity.
        case managedIdentity = "managed-identity"
    }

    /// Which way to take.
    public var authentication = Authentication.auto
    /// The service's address, for other clouds and emulators; nil means the public cloud's.
    public var endpoint: String?
    /// `DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…`.
    public var connectionString: SecretText?
    /// The account's key in base64.
    public var accountKey: SecretText?
    /// Query text of a signature, with or without its question mark.
    public var sharedAccessSignature: SecretText?
    /// The directory's id.
    public var tenant: String?
    /// The application's, or the user-assigned identity's, id.
    public var clientID: String?
    /// The application's secret.
    public var clientSecret: SecretText?
    /// The file with the token that Kubernetes signs.
    public var federatedTokenFile: String?
    /// The address of Microsoft Entra ID, for other clouds.
    public var authority: String?
    /// The address of the instance metadata service; nil means the one that every machine in Azure has.
    public var metadataEndpoint: String?

    /// A PEM file of authorities to trust in place of the system's.
    public var authorities: String?

    /// Nothing known.
    public init() {}

    /// What the environment says by the names that Azure's own tools use.
    public init(environment: [String: String]) {
        func value(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        connectionString = value("AZURE_STORAGE_CONNECTION_STRING").map(SecretText.init)
        accountKey = value("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY").map(SecretText.init)
        sharedAccessSignature = value("AZURE_STORAGE_SAS_TOKEN").map(SecretText.init)
        tenant = value("AZURE_TENANT_ID")
        clientID = value("AZURE_CLIENT_ID")
        clientSecret = value("AZURE_CLIENT_SECRET").map(SecretText.init)
        federatedTokenFile = value("AZURE_FEDERATED_TOKEN_FILE")
        authority = value("AZURE_AUTHORITY_HOST")
        metadataEndpoint = value("AZURE_POD_IDENTITY_AUTHORITY_HOST")
        // libcurl itself, unlike its command, looks at neither.
        authorities = value("CURL_CA_BUNDLE", "SSL_CERT_FILE")
    }

    /// Requests as these settings want them.
    public func exchange() -> HTTPExchange {
        var options = HTTPOptions()
        options.authorities = authorities
        return HTTPExchange(client: HTTPClient(options: options))
    }

    /// Access to an account.
    ///
    /// - Throws: `.usage` naming what the chosen way lacks.
    public func access(account: String, exchange: HTTPExchange) throws -> AzureAccess {
        switch chosen {
        case .connectionString:
            let string = try ConnectionString(try need(connectionString, "AZURE_STORAGE_CONNECTION_STRING"))
            guard string.account == nil || string.account == account else {
                throw CairnError(
                    .usage, "the connection string is of account \(string.account ?? ""), the location of \(account)")
            }
            return try AzureAccess(
                account: account, endpoint: endpoint ?? string.endpoint(account: account),
                credential: try string.credential(account: account))
        case .key:
            let key = try need(accountKey, "AZURE_STORAGE_KEY")
            return try access(account, .sharedKey(try SharedKey(account: account, base64: key.text)))
        case .signature:
            let signature = try need(sharedAccessSignature, "AZURE_STORAGE_SAS_TOKEN")
            return try access(account, .sharedAccessSignature(signature.withoutQuestionMark))
        default:
            return try access(account, .tokens(TokenSource(try issuer(exchange))))
        }
    }

    private func access(_ account: String, _ credential: AzureCredential) throws -> AzureAccess {
        try AzureAccess(account: account, endpoint: endpoint, credential: credential)
    }

    private var chosen: Authentication {
        guard authentication == .auto else { return authentication }
        if connectionString != nil { return .connectionString }
        if accountKey != nil { return .key }
        if sharedAccessSignature != nil { return .signature }
        if tenant != nil, clientID != nil {
            if federatedTokenFile != nil { return .workloadIdentity }
            if clientSecret != nil { return .clientSecret }
        }
        return .managedIdentity
    }

    private func issuer(_ exchange: HTTPExchange) throws -> any TokenIssuer {
        if chosen == .managedIdentity {
            return ManagedIdentity(
                exchange: exchange, endpoint: metadataEndpoint ?? "http://169.254.169.254", clientID: clientID)
        }
        let proof: ClientCredentials.Proof =
            chosen == .workloadIdentity
            ? .federatedTokenFile(try need(federatedTokenFile, "AZURE_FEDERATED_TOKEN_FILE"))
            : .secret(try need(clientSecret, "AZURE_CLIENT_SECRET"))
        return ClientCredentials(
            exchange: exchange, authority: authority ?? "https://login.microsoftonline.com",
            tenant: try need(tenant, "AZURE_TENANT_ID"), clientID: try need(clientID, "AZURE_CLIENT_ID"),
            proof: proof)
    }

    private func need<Value>(_ value: Value?, _ name: String) throws -> Value {
        guard let value else {
            throw CairnError(.usage, "Azure authentication by \(chosen.rawValue) needs \(name)")
        }
        return value
    }
}
