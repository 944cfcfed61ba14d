import Bytes
import Foundation

/// An account's key, and the signature that it makes of each request.
///
/// Source: the Storage REST documentation, *Authorize with Shared Key* (version 2009-09-19 and later).
public struct SharedKey: Sendable {
    let account: String
    private let key: SecretBytes

    /// The key as the portal shows it, in base64.
    ///
    /// - Throws: `.usage` when it is no base64.
    public init(account: String, base64 text: String) throws {
        guard let bytes = Data(base64Encoded: text), !bytes.isEmpty else {
            throw CairnError(.usage, "the key of storage account \(account) is not base64; copy it whole")
        }
        self.account = account
        key = SecretBytes(copying: [UInt8](bytes).rawSpan)
    }

    /// The value of the `Authorization` header.
    ///
    /// - Parameters:
    ///   - path: the path of the address as it is sent, with its first slash.
    ///   - contentLength: bytes of the body.
    func authorization(_ request: AzureRequest, path: String, contentLength: Int) -> String {
        let text = stringToSign(request, path: path, contentLength: contentLength)
        let tag = HMACSHA256(key: key).authenticate(Array(text.utf8).rawSpan)
        return "SharedKey \(account):\(Data(tag.bytes).base64EncodedString())"
    }

    /// What is signed.
    func stringToSign(_ request: AzureRequest, path: String, contentLength: Int) -> String {
        let headers = request.headers
        let standard = [
            request.method.rawValue,
            headers["Content-Encoding"] ?? "", headers["Content-Language"] ?? "",
            contentLength == 0 ? "" : String(contentLength),
            headers["Content-MD5"] ?? "", headers["Content-Type"] ?? "",
            // The date is in x-ms-date, which is signed below.
            "",
            headers["If-Modified-Since"] ?? "", headers["If-Match"] ?? "", headers["If-None-Match"] ?? "",
            headers["If-Unmodified-Since"] ?? "", headers["Range"] ?? "",
        ]
        let extended = headers.fields.map { (name: $0.name.lowercased(), value: $0.value) }
            .filter { $0.name.hasPrefix("x-ms-") }.sorted { $0.name < $1.name }
            .map { "\($0.name):\($0.value)" }
        let parameters = request.query.sorted { $0.name < $1.name }.map { "\($0.name):\($0.value)" }
        return (standard + extended + ["/\(account)\(path)"] + parameters).joined(separator: "\n")
    }
}
