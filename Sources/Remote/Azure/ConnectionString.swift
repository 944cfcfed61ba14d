import Bytes

/// An account's connection string: `Name=Value` pairs joined by semicolons.
///
/// Source: *Configure Azure Storage connection strings*.
struct ConnectionString {
    private let parts: [String: String]

    /// - Throws: `.usage` when it has no account or address in it; never quoting it.
    init(_ secret: SecretText) throws {
        var parts: [String: String] = [:]
        for pair in secret.text.split(separator: ";") {
            guard let sign = pair.firstIndex(of: "=") else { continue }
            parts[String(pair[..<sign]).lowercased()] = String(pair[pair.index(after: sign)...])
        }
        guard parts["accountname"] != nil || parts["blobendpoint"] != nil || parts["usedevelopmentstorage"] == "true"
        else {
            throw CairnError(.usage, "the connection string has neither AccountName nor BlobEndpoint; copy it whole")
        }
        self.parts = parts
    }

    /// The account it names, nil when it names an address alone.
    var account: String? { isDevelopment ? Self.developmentAccount : parts["accountname"] }

    private var isDevelopment: Bool { parts["usedevelopmentstorage"] == "true" }
    private static let developmentAccount = "devstoreaccount1"
    /// The published key of the emulators' account, which is no secret.
    private static let developmentKey =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    /// The service's address.
    func endpoint(account: String) -> String {
        if isDevelopment { return "http://127.0.0.1:10000/\(Self.developmentAccount)" }
        if let endpoint = parts["blobendpoint"] { return endpoint }
        let scheme = parts["defaultendpointsprotocol"] ?? "https"
        return "\(scheme)://\(account).blob.\(parts["endpointsuffix"] ?? "core.windows.net")"
    }

    /// The key, or else the signature.
    func credential(account: String) throws -> AzureCredential {
        if let key = isDevelopment ? Self.developmentKey : parts["accountkey"] {
            return .sharedKey(try SharedKey(account: account, base64: key))
        }
        if let signature = parts["sharedaccesssignature"] {
            return .sharedAccessSignature(SecretText(signature).withoutQuestionMark)
        }
        throw CairnError(.usage, "the connection string has neither AccountKey nor SharedAccessSignature")
    }
}
