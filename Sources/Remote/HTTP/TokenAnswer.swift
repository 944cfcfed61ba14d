import Bytes
import Foundation

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
    ///
    /// - Throws: `.unreachable` while the service is too busy, `.authentication` with the remedy when it refuses.
    func token(
        _ request: HTTPRequest, form: String? = nil, remedy: String,
        isPassing: (HTTPResponse) -> Bool = { _ in false }
    ) throws -> AccessToken {
        let asked = Int64(Date().timeIntervalSince1970)
        let body = Buffer(capacity: 4096)
        let text = form.map { Array($0.utf8) }
        let response =
            try text.map { try send(request, body: $0.rawSpan, into: body, bodyMax: 1 << 20) }
            ?? send(request, into: body, bodyMax: 1 << 20, isPassing: isPassing)
        guard response.isSuccess, let answer = try? JSONDecoder().decode(TokenAnswer.self, from: Data(body.array))
        else {
            guard !Self.isTransient(response.status) else {
                throw CairnError(
                    .unreachable,
                    "the identity service is too busy or failed (status \(response.status)); try again later",
                    object: request.resource)
            }
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
