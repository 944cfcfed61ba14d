import Bytes
import Glibc
public import ObjectStore

/// A request with its answer, tried again while the service is too busy or the connection breaks.
///
/// Waits as the service asks in `Retry-After`, otherwise by the policy. What is sent here can be sent twice: reading,
/// writing the same bytes under the same name, asking for a token; requests say so where it is otherwise
/// (`HTTPRequest.isRepeatable`). Callers who need to know whether an earlier try may have taken effect count the tries.
public struct HTTPExchange: Sendable {
    private let client: HTTPClient
    private let policy: RetryPolicy

    /// Longer waits than this are the operator's to decide about.
    private static let retryAfterMax: Int64 = 120

    /// Requests of `client`, tried again by `policy`.
    public init(client: HTTPClient = HTTPClient(), policy: RetryPolicy = RetryPolicy()) {
        self.client = client
        self.policy = policy
    }

    /// Sends until there is an answer that stands, which may be any status but 408, 429 and 5xx, or until the policy
    /// is exhausted: the last answer then stands, and a last error is thrown.
    ///
    /// - Parameters:
    ///   - prepare: called before each try; for what must be fresh, such as the date and the signature.
    ///   - isPassing: tells of other answers that they may be better the next time.
    ///   - tries: counts the tries made.
    func send(
        _ request: HTTPRequest, body: RawSpan? = nil, into buffer: Buffer, bodyMax: Int = 1 << 30,
        tries: inout Int, isPassing: (HTTPResponse) -> Bool = { _ in false },
        prepare: (inout HTTPRequest) throws -> Void = { _ in }
    ) throws -> HTTPResponse {
        let start = buffer.count
        while true {
            tries += 1
            var prepared = request
            try prepare(&prepared)
            do {
                let response = try client.send(prepared, body: body, into: buffer, bodyMax: bodyMax)
                tries += max(0, response.sends - 1)
                guard Self.isTransient(response.status) || isPassing(response), tries < policy.triesMax,
                    request.isRepeatable || response.status == 429
                else { return response }
                buffer.truncate(to: start)
                policy.wait(Self.pause(response) ?? policy.delay(afterFailures: tries))
            } catch let error as CairnError
                where error.code == .unreachable && request.isRepeatable && tries < policy.triesMax
            {
                policy.wait(policy.delay(afterFailures: tries))
            }
        }
    }

    /// The same for callers who do not count.
    func send(
        _ request: HTTPRequest, body: RawSpan? = nil, into buffer: Buffer, bodyMax: Int = 1 << 30,
        isPassing: (HTTPResponse) -> Bool = { _ in false }
    ) throws -> HTTPResponse {
        var tries = 0
        return try send(request, body: body, into: buffer, bodyMax: bodyMax, tries: &tries, isPassing: isPassing)
    }

    /// 501 and 505 are about the request, and stay so.
    static func isTransient(_ status: Int) -> Bool {
        [408, 429, 500, 502, 503, 504].contains(status)
    }

    /// RFC 9110 §10.2.3: seconds, or a date.
    private static func pause(_ response: HTTPResponse) -> Duration? {
        guard let text = response.headers["Retry-After"] else { return nil }
        let seconds = Int64(text) ?? HTTPDate.seconds(text).map { max(0, $0 - Int64(time(nil))) }
        guard let seconds, seconds >= 0 else { return nil }
        return .seconds(min(seconds, retryAfterMax))
    }
}
