import Bytes
import Glibc
import Synchronization

/// A bearer token (RFC 6750) with its end.
struct AccessToken: Sendable {
    let text: String
    /// Seconds since 1970-01-01 UTC.
    let expires: Int64
}

/// What gets a token from an identity service. Calls block.
protocol TokenIssuer: Sendable {
    /// Asks for a new token; `.authentication` when the service refuses, `.unreachable` when it does not answer.
    func issue() throws -> AccessToken
}

/// Keeps a token until shortly before its end, for all threads.
public final class TokenSource: Sendable {
    private let issuer: any TokenIssuer
    private let current = Mutex<AccessToken?>(nil)
    private let now: @Sendable () -> Int64

    /// A request that begins with a valid token may end after it has expired: 5 minutes cover any request here.
    private static let margin: Int64 = 300

    init(_ issuer: any TokenIssuer, now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }) {
        self.issuer = issuer
        self.now = now
    }

    /// A token that is valid for some minutes. One thread renews it while the others wait: identity services limit the
    /// rate.
    func token() throws -> String {
        try current.withLock { current in
            if let current, current.expires - Self.margin > now() { return current.text }
            do {
                let issued = try issuer.issue()
                current = issued
                return issued.text
            } catch let error as CairnError where error.code == .unreachable {
                // An outage of the identity service is none of the store's as long as the old token lasts.
                if let current, current.expires > now() { return current.text }
                throw error
            }
        }
    }

    /// Forgets `text`, which a service has refused, unless it was renewed meanwhile.
    func discard(_ text: String) {
        current.withLock { current in
            if current?.text == text { current = nil }
        }
    }
}
