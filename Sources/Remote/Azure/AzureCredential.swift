import Bytes
import Foundation

/// What shows the Blob service who asks.
public enum AzureCredential: Sendable {
    /// The account's key.
    case sharedKey(SharedKey)
    /// A shared access signature of the account, the container or a policy: query text without its question mark.
    case sharedAccessSignature(SecretText)
    /// Tokens of Microsoft Entra ID.
    case tokens(TokenSource)
}

/// How messages call it.
extension AzureCredential {
    var kind: String {
        switch self {
        case .sharedKey: "the account's key"
        case .sharedAccessSignature: "the shared access signature"
        case .tokens: "the identity"
        }
    }
}

/// Where an account's Blob service answers, and with what.
public struct AzureAccess: Sendable {
    /// Address of the service without a slash at its end: `https://ACCOUNT.blob.core.windows.net`, or with the account
    /// in its path as emulators have it.
    public var endpoint: String
    /// Who asks.
    public var credential: AzureCredential

    /// Access to the account's service in Azure's public cloud, unless another address is given.
    public init(account: String, endpoint: String? = nil, credential: AzureCredential) throws {
        self.endpoint = try Self.address(endpoint ?? "https://\(account).blob.core.windows.net")
        self.credential = credential
    }

    private static func address(_ text: String) throws -> String {
        let trimmed = text.hasSuffix("/") ? String(text.dropLast()) : text
        guard trimmed.hasPrefix("https://") || trimmed.hasPrefix("http://"), URL(string: trimmed)?.host != nil,
            !trimmed.contains("?")
        else {
            throw CairnError(
                .usage, "not the address of a Blob service; one looks like https://ACCOUNT.blob.core.windows.net",
                object: String(text.prefix { $0 != "?" }))
        }
        return trimmed
    }

    /// The path of the address, with its first slash; empty when it has none.
    var path: String {
        guard let scheme = endpoint.range(of: "://"),
            let slash = endpoint[scheme.upperBound...].firstIndex(of: "/")
        else { return "" }
        return String(endpoint[slash...])
    }
}
