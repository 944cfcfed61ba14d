/// Header fields of a request or a response, in order; names compare without regard to case (RFC 9110 §5.1).
public struct HTTPHeaders: Sendable {
    private(set) var fields: [(name: String, value: String)] = []

    /// No fields.
    public init() {}

    /// The value of the first field of that name; setting replaces all of them, nil removes them.
    public subscript(name: String) -> String? {
        get { fields.first { HTTPHeaders.isSame($0.name, name) }?.value }
        set {
            fields.removeAll { HTTPHeaders.isSame($0.name, name) }
            if let newValue { fields.append((name, newValue)) }
        }
    }

    /// Adds a field beside those of the same name.
    mutating func append(_ name: String, _ value: String) { fields.append((name, value)) }

    private static func isSame(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count
            && zip(left.utf8, right.utf8).allSatisfy { lowercased($0) == lowercased($1) }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
    }
}

/// What is asked of a server; the body goes beside it, because it is borrowed.
public struct HTTPRequest: Sendable {
    /// The methods in use here.
    public enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case put = "PUT"
        case post = "POST"
        case delete = "DELETE"
    }

    /// What to do.
    public var method: Method
    /// The whole address, percent-encoded. It may hold a shared access signature, so no message quotes it as it is:
    /// `resource` does.
    public var url: String
    /// The header fields.
    public var headers = HTTPHeaders()
    /// Name and password for a server that asks for digest authentication (RFC 7616); libcurl answers the challenge.
    public var digestCredentials: HTTPCredentials?
    /// False for what must not be done twice. It is tried again only where the server says that it did nothing (429).
    public var isRepeatable = true
    /// False for an address on the machine's own link (169.254.169.254), which no proxy reaches.
    public var usesProxy = true

    /// A request without header fields.
    public init(_ method: Method, _ url: String) {
        self.method = method
        self.url = url
    }

    /// The address without its query, for messages.
    var resource: String { String(url.prefix { $0 != "?" }) }
}

/// A name and a password.
public struct HTTPCredentials: Sendable {
    let name: String
    let password: SecretText

    /// Both parts.
    public init(name: String, password: SecretText) {
        self.name = name
        self.password = password
    }
}

/// What a server answered; the body is in the buffer that the caller gave.
public struct HTTPResponse: Sendable {
    /// The status code (RFC 9110 §15).
    public let status: Int
    /// The header fields.
    public let headers: HTTPHeaders
    /// How often the request went out: more than once when a connection that was kept alive turned out to be dead, when
    /// a server that got it the first time may have done it already.
    let sends: Int

    /// Whether the status says that the request was done.
    var isSuccess: Bool { 200..<300 ~= status }
}
