import Bytes
import Foundation
import ObjectStore

/// The Blob service of one account: requests signed, sent, and tried again while that can help.
struct AzureBlobService: Sendable {
    let access: AzureAccess
    let exchange: HTTPExchange

    /// The version of the REST interface that is spoken: the first with the cold tier.
    static let version = "2021-12-02"

    /// Sends a request.
    ///
    /// - Returns: the answer, whatever its status; the number of tries made for it.
    func send(
        _ request: AzureRequest, body: RawSpan? = nil, into buffer: Buffer, bodyMax: Int = 1 << 30
    ) throws -> (response: HTTPResponse, tries: Int) {
        var tries = 0
        var response = try attempt(request, body: body, into: buffer, bodyMax: bodyMax, tries: &tries)
        // A token can be withdrawn, and a clock be wrong about its end: once more with a new one.
        if Self.refusesToken(response.response), case .tokens(let source) = access.credential,
            let token = response.token
        {
            source.discard(token)
            buffer.truncate(to: response.start)
            response = try attempt(request, body: body, into: buffer, bodyMax: bodyMax, tries: &tries)
        }
        return (response.response, tries)
    }

    private static func refusesToken(_ response: HTTPResponse) -> Bool {
        response.status == 401
            || (response.status == 403
                && ["AuthenticationFailed", "InvalidAuthenticationInfo"].contains(AzureFailure.code(response)))
    }

    /// Bytes that were damaged on their way there may arrive whole the next time.
    private static func isDamage(_ response: HTTPResponse) -> Bool {
        ["Md5Mismatch", "Crc64Mismatch"].contains(AzureFailure.code(response))
    }

    private func attempt(
        _ request: AzureRequest, body: RawSpan?, into buffer: Buffer, bodyMax: Int, tries: inout Int
    ) throws -> (response: HTTPResponse, token: String?, start: Int) {
        let start = buffer.count
        var signature: String?
        if case .sharedAccessSignature(let secret) = access.credential {
            signature = secret.text
        }
        var token: String?
        let plain = request.http(endpoint: access.endpoint, signature: signature)
        let response = try exchange.send(
            plain, body: body, into: buffer, bodyMax: bodyMax, tries: &tries, isPassing: Self.isDamage
        ) {
            http in
            var dated = request
            dated.headers["x-ms-version"] = Self.version
            dated.headers["x-ms-date"] = HTTPDate.text(Int64(Date().timeIntervalSince1970))
            switch access.credential {
            case .sharedKey(let key):
                dated.headers["Authorization"] = key.authorization(
                    dated, path: "\(access.path)/\(request.path)", contentLength: body?.byteCount ?? 0)
            case .tokens(let source):
                token = try source.token()
                dated.headers["Authorization"] = "Bearer \(token ?? "")"
            case .sharedAccessSignature: break
            }
            http.headers = dated.headers
        }
        return (response, token, start)
    }
}
