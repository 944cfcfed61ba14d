import Bytes
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
    private static let retryAfterMax = 120

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
    ///   - tries: counts the tries made.
    func send(
        _ request: HTTPRequest, body: RawSpan? = nil, into buffer: Buffer, bodyMax: Int = 1 << 30,
        tries: inout Int, prepare: (inout HTTPRequest) throws -> Void = { _ in }
    ) throws -> HTTPResponse {
        let start = buffer.count
        while true {
            tries += 1
            var prepared = request
            try prepare(&prepared)
            do {
                let response = try client.send(prepared, body: body, into: buffer, bodyMax: bodyMax)
                guard Self.isTransient(response.status), tries < policy.triesMax,
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
        _ request: HTTPRequest, body: RawSpan? = nil, into buffer: Buffer, bodyMax: Int = 1 << 30
    ) throws -> HTTPResponse {
        var tries = 0
        return try send(request, body: body, into: buffer, bodyMax: bodyMax, tries: &tries)
    }

    /// 501 and 505 are about the request, and stay so.
    static func isTransient(_ status: Int) -> Bool {
        [408, 429, 500, 502, 503, 504].contains(status)
    }

    private static func pause(_ response: HTTPResponse) -> Duration? {
        guard let seconds = response.headers["Retry-After"].flatMap({ Int($0) }), seconds >= 0 else { return nil }
        return .seconds(min(seconds, retryAfterMax))
    }
}
