/// One request to the Blob service before it is authorised.
struct AzureRequest {
    var method: HTTPRequest.Method
    /// The path below the service's address: `container` or `container/blob`, made of characters that need no
    /// percent-encoding, which `AzureLocation` and `ObjectName` see to.
    var path: String
    /// The query, not yet encoded. Names are in lower case.
    var query: [(name: String, value: String)] = []
    var headers = HTTPHeaders()

    init(_ method: HTTPRequest.Method, _ path: String, query: [(name: String, value: String)] = []) {
        self.method = method
        self.path = path
        self.query = query
    }

    /// The request as HTTP, to the service at `endpoint`, with further query text that is encoded already.
    func http(endpoint: String, signature: String? = nil) -> HTTPRequest {
        var parts = query.map { "\(PercentEncoding.encode($0.name))=\(PercentEncoding.encode($0.value))" }
        if let signature { parts.append(signature) }
        let text = parts.isEmpty ? "" : "?" + parts.joined(separator: "&")
        var request = HTTPRequest(method, "\(endpoint)/\(path)\(text)")
        request.headers = headers
        return request
    }
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
enum PercentEncoding {
    static func encode(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                encoded += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return encoded
    }
}
