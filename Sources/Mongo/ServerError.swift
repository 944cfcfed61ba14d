public import BSON
public import Bytes

/// An error as libmongoc or the server reported it, before it is put in `cairn`'s words. It is the `underlying` of
/// the `CairnError` that a command throws, for callers that decide by server code.
public struct ServerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Where the error arose.
    public enum Origin: Hashable, Sendable {
        /// The server answered with an error.
        case server
        /// The connection failed or timed out.
        case network
        /// No suitable server was found in time.
        case selection
        /// The driver refused (authentication, TLS, arguments).
        case driver
    }

    /// Where the error arose.
    public let origin: Origin
    /// The server's code (`src/mongo/base/error_codes.yml`), or libmongoc's when the origin is not the server.
    public let code: Int
    /// The server's name of the code, empty when it gave none.
    public let name: String
    /// The text, without any command body.
    public let message: String

    /// An error with a message that is cut before any command body, which could hold data.
    public init(origin: Origin, code: Int, name: String, message: String) {
        self.origin = origin
        self.code = code
        self.name = name
        self.message = ServerError.withoutCommandBody(message)
    }

    /// The name and the code. The text is in the message of the `CairnError` that this is the cause of.
    public var description: String {
        origin == .server ? (name.isEmpty ? "server error \(code)" : "\(name) \(code)") : "libmongoc error \(code)"
    }

    /// "not authorized on db to execute command { find: …}" repeats the command with all its values: keep its name
    /// only.
    private static func withoutCommandBody(_ message: String) -> String {
        let marker = "to execute command {"
        let text = message.utf8
        var index = text.startIndex
        while index < text.endIndex {
            if text[index...].starts(with: marker.utf8) {
                let body = text[text.index(index, offsetBy: marker.utf8.count)...]
                let name = body.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != UInt8(ascii: ":") }
                return String(message[..<index]) + "to execute command " + String(decoding: name, as: UTF8.self)
            }
            index = text.index(after: index)
        }
        return message
    }
}

extension ServerError {
    /// The connection is gone or the node changes its role: the same read may succeed a little later.
    public var isTransient: Bool {
        switch origin {
        case .network: true
        case .selection, .driver: false
        case .server: ServerError.transientCodes.contains(code)
        }
    }

    /// The server error that made `error`, if one did.
    public init?(causing error: any Error) {
        guard let cause = (error as? CairnError)?.underlying as? ServerError else { return nil }
        self = cause
    }

    /// What a `writeConcernError` of a reply says.
    public init(writeConcernError error: BSONDocument) {
        let text = try? error.optional("errmsg", as: String.self, in: "reply")
        let name = try? error.optional("codeName", as: String.self, in: "reply")
        let code = try? error.optional("code", as: Int.self, in: "reply")
        self.init(origin: .server, code: code ?? 0, name: name ?? "", message: text ?? "unknown reason")
    }

    /// Whether `error` is a `CairnError` with a transient cause.
    static func isTransient(_ error: any Error) -> Bool { ServerError(causing: error)?.isTransient ?? false }

    /// The cursor is gone, and nothing else is wrong.
    public var isCursorLost: Bool { origin == .server && ServerError.cursorCodes.contains(code) }

    /// The drivers' retryable codes (specification "Retryable Reads") and ReadConcernMajorityNotAvailableYet 134,
    /// LockTimeout 24.
    private static let transientCodes: Set<Int> = [
        6, 7, 24, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436,
    ]
    /// CursorNotFound, OperationFailed of a killed plan, QueryPlanKilled, CursorKilled, Interrupted.
    private static let cursorCodes: Set<Int> = [43, 175, 237, 11601]
    static let duplicateKey: Set<Int> = [11000, 11001, 12582]
    static let unauthorized = 13
    static let authenticationFailed = 18
}

extension ServerError {
    /// The error in `cairn`'s words: a code, the place, and the remedy.
    ///
    /// - Parameters:
    ///   - place: the node's host or the redacted connection string.
    ///   - namespace: what the command was about, when it was about one.
    ///   - access: which built-in role the user should have.
    public func asCairnError(place: String, namespace: String?, access: Access) -> CairnError {
        CairnError(
            cairnCode, "\(place): \(message).\(remedy(access).map { " " + $0 } ?? "")", object: namespace,
            underlying: self)
    }

    /// What the connection is for; decides which role a missing privilege is told to need.
    public enum Access: Sendable {
        /// Reading for a backup.
        case read
        /// Writing for a restore.
        case write
        /// Reading and writing the objects of a repository, in its database alone.
        case store

        /// Whether commands go to the primary.
        var writes: Bool { self != .read }
    }

    private var cairnCode: CairnError.Code {
        switch origin {
        case .selection: return .unreachable
        case .network: return .cursorLost
        case .driver: return isAuthentication ? .authentication : .server
        case .server: break
        }
        switch code {
        case ServerError.unauthorized, 8000: return .privilege
        case ServerError.authenticationFailed, 11: return .authentication
        case 239: return .snapshotTooOld
        case 246: return .snapshotUnavailable
        case 26: return .notFound
        case 48: return .alreadyExists
        default: return isTransient || isCursorLost ? .cursorLost : .server
        }
    }

    private var isAuthentication: Bool {
        message.utf8.count > 0 && (name == "AuthenticationFailed" || message.contains("uthentication"))
    }

    /// By the words of libcrypto's verification (`X509_verify_cert_error_string`).
    private var tlsRemedy: String {
        if message.contains("mismatch") {
            return "The server's certificate is for other host names: use one of them in the connection string."
        }
        if message.contains("certificate verify failed") {
            return "No authority that is trusted here signed the server's certificate: name the one that did with "
                + "tlsCAFile in the connection string."
        }
        return "Check that the server speaks TLS, and the TLS options of the connection string."
    }

    private func remedy(_ access: Access) -> String? {
        switch cairnCode {
        case .unreachable:
            if message.contains("TLS handshake failed") { return tlsRemedy }
            return "Check host names, ports, replica set name, TLS options and firewall of the connection string, "
                + "and that the server runs."
        case .authentication:
            return "Check user name, password, authSource and authMechanism of the connection string."
        case .privilege:
            let missing = missingAction.map { "The privilege action `\($0)` is missing. " } ?? ""
            switch access {
            case .read: return missing + "Grant the user the built-in role `backup` on the database admin."
            case .write:
                return missing + "Grant the user the built-in role `restore` on the database admin "
                    + "(and `readAnyDatabase` for --verify)."
            case .store: return missing + "Grant the user the built-in role `readWrite` on the repository's database."
            }
        case .snapshotTooOld:
            return "The read time left the server's history window; raise minSnapshotHistoryWindowInSeconds or read "
                + "again at a newer time."
        case .snapshotUnavailable:
            return "The collection was created or changed by DDL around the read time; read again at a newer time."
        default: return nil
        }
    }
}

extension ServerError {
    /// The privilege action that the refused command needs, where the two names are known to belong together.
    var missingAction: String? {
        guard code == ServerError.unauthorized,
            let command = message.components(after: "to execute command ")
        else { return nil }
        return ServerError.actions[command] ?? command
    }

    /// Commands that are named otherwise than the action that allows them (`src/mongo/db/auth/action_type.idl`).
    private static let actions = [
        "getMore": "find", "aggregate": "find", "count": "find", "dataSize": "find", "create": "createCollection",
        "createIndexes": "createIndex", "drop": "dropCollection", "_mergeAuthzCollections": "createUser",
    ]
}

extension String {
    /// What follows the last occurrence of `marker`, nil when it does not occur.
    fileprivate func components(after marker: String) -> String? {
        var index = startIndex
        var found: String?
        while index < endIndex {
            if self[index...].hasPrefix(marker) {
                found = String(self[self.index(index, offsetBy: marker.count)...])
            }
            index = self.index(after: index)
        }
        return found
    }
}
