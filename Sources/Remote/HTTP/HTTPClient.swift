public import Bytes
import Synchronization

/// How requests are made.
public struct HTTPOptions: Sendable {
    /// Seconds until a connection, TLS included, must stand.
    public var connectTimeout = 30
    /// Seconds after which a transfer that moves less than a kilobyte a second is given up.
    public var stallTimeout = 60
    /// A PEM file of authorities to trust in place of the system's; nil means the system's.
    public var authorities: String?

    /// The defaults above.
    public init() {}
}

/// Blocking HTTP/1.1 and HTTP/2 on libcurl: TLS verified against the system's authorities, proxies by the usual
/// environment variables (`HTTPS_PROXY`, `NO_PROXY`), connections kept alive between requests.
///
/// Calls block and may come from any number of threads: each takes an idle handle with its connections or makes one,
/// so there are as many connections as there are calls at once. Redirects are not followed: none of the services here
/// sends one, and following would carry credentials to another host.
public final class HTTPClient: Sendable {
    private let options: HTTPOptions
    private let idle = Mutex<[CurlHandle]>([])

    /// A client without connections.
    public init(options: HTTPOptions = HTTPOptions()) {
        self.options = options
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// The answer's body is appended to `buffer`, of which nothing is kept after an error. Any status is an answer, not
    /// an error.
    /// - Throws: `.unreachable` for what may pass (no address, no connection, a connection that broke or stalled),
    ///   `.authentication` for a certificate that is not to be trusted, `.limit` for a body above `bodyMax` bytes.
    public func send(
        _ request: HTTPRequest, body: RawSpan? = nil, into buffer: Buffer, bodyMax: Int = 1 << 30
    ) throws -> HTTPResponse {
        let handle = try idle.withLock { $0.popLast() } ?? CurlHandle()
        // After an error the handle goes, and the connection with it: what it still holds belongs to no request.
        let response = try handle.perform(request, options: options, body: body, into: buffer, bodyMax: bodyMax)
        idle.withLock { $0.append(handle) }
        return response
    }
}
