/// A MongoDB deployment as the user named it: the connection string and how to choose the node.
public struct DeploymentAccess: Sendable, CustomStringConvertible {
    /// The connection string; may hold a password, so it is never printed.
    public var uri: String
    /// A read preference mode that replaces the one in the connection string; nil keeps it
    /// (`secondaryPreferred` when it names none).
    public var readPreference: String?
    /// How long to wait for a usable server before giving up, in seconds.
    public var serverSelectionTimeoutSeconds: Int

    /// Access by a connection string.
    public init(uri: String, readPreference: String? = nil, serverSelectionTimeoutSeconds: Int = 30) {
        self.uri = uri
        self.readPreference = readPreference
        self.serverSelectionTimeoutSeconds = serverSelectionTimeoutSeconds
    }

    /// The connection string without its secrets.
    public var description: String { Self.redacted(uri) }

    /// A connection string for messages: scheme, hosts and database, without user information and without
    /// options, because options can carry secrets too (`authMechanismProperties`, `tlsCertificateKeyFilePassword`).
    public static func redacted(_ uri: String) -> String {
        guard let schemeEnd = uri.firstIndex(of: ":"), uri[schemeEnd...].hasPrefix("://") else {
            return "(not a connection string)"
        }
        let scheme = uri[..<schemeEnd]
        let rest = uri[uri.index(schemeEnd, offsetBy: 3)...]
        let credentialsEnd = rest.lastIndex(of: "@")
        let optionsStart = rest.firstIndex(of: "?")
        // An unescaped `?` in a password or an `@` in an option: which is which cannot be told, so say nothing.
        if let credentialsEnd, let optionsStart, optionsStart < credentialsEnd { return "\(scheme)://***" }
        let placeStart = credentialsEnd.map { rest.index(after: $0) } ?? rest.startIndex
        let place = rest[placeStart..<(optionsStart ?? rest.endIndex)]
        return "\(scheme)://\(credentialsEnd == nil ? "" : "***@")\(place)\(optionsStart == nil ? "" : "?…")"
    }

    /// The hosts of a connection string without ports, in lower case; none where they cannot be told.
    static func hosts(_ uri: String) -> Set<String> {
        let place = redacted(uri)
        guard let start = place.firstRange(of: "://")?.upperBound, !place.hasSuffix("://***") else { return [] }
        let rest = place[(place[start...].firstIndex(of: "@").map { place.index(after: $0) } ?? start)...]
        return Set(
            rest.prefix { $0 != "/" && $0 != "?" }.split(separator: ",").map { host in
                let end = host.hasSuffix("]") ? nil : host.lastIndex(of: ":")
                return host[..<(end ?? host.endIndex)].lowercased()
            })
    }

    /// Whether a connection string carries a password in its user information.
    public static func holdsPassword(_ uri: String) -> Bool {
        guard let at = uri.lastIndex(of: "@"), let slashes = uri.firstRange(of: "://"), slashes.upperBound < at else {
            return false
        }
        return uri[slashes.upperBound..<at].contains(":")
    }
}
