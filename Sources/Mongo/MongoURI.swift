internal import Bytes
internal import CMongoC

/// A parsed connection string.
@safe
final class MongoURI {
    /// For C calls, which copy it.
    let pointer: OpaquePointer
    /// Scheme, hosts, database and replica set: nothing that could be a secret.
    let redacted: String
    private let namesReadPreference: Bool

    /// - Throws: `.usage` when libmongoc cannot parse it. Its message is passed on only when it repeats nothing of
    ///   the user information.
    init(_ text: String) throws {
        var error = bson_error_t()
        guard !text.utf8.contains(0), let pointer = unsafe mongoc_uri_new_with_error(text, &error) else {
            let reason = message(of: &error)
            let detail = MongoURI.repeatsSecret(reason, of: text) || reason.isEmpty ? "" : ": \(reason)"
            throw CairnError(
                .usage,
                "malformed connection string\(detail). It looks like "
                    + "mongodb://user:password@host:27017,host2:27017/?replicaSet=name; "
                    + "escape reserved characters of user and password as %XX.")
        }
        unsafe self.pointer = pointer
        redacted = unsafe MongoURI.redact(pointer)
        namesReadPreference = text.lowercased().contains("readpreference=")
    }

    deinit { unsafe mongoc_uri_destroy(pointer) }

    /// Sets a numeric option that the connection string does not name.
    func setDefault(_ option: String, _ value: Int) {
        if unsafe !mongoc_uri_has_option(pointer, option) {
            _ = unsafe mongoc_uri_set_option_as_int32(pointer, option, Int32(value))
        }
    }

    /// The read preference to pin by: the override, the connection string's, or `secondaryPreferred`. The caller
    /// destroys it.
    func makeReadPreference(override: String?, access: ServerError.Access) throws -> OpaquePointer {
        if let override { return unsafe mongoc_read_prefs_new(try MongoURI.mode(named: override)) }
        if namesReadPreference { return unsafe mongoc_read_prefs_copy(mongoc_uri_get_read_prefs_t(pointer)) }
        return unsafe mongoc_read_prefs_new(MONGOC_READ_SECONDARY_PREFERRED)
    }

    private static func mode(named name: String) throws -> mongoc_read_mode_t {
        switch name.lowercased() {
        case "primary": return MONGOC_READ_PRIMARY
        case "primarypreferred": return MONGOC_READ_PRIMARY_PREFERRED
        case "secondary": return MONGOC_READ_SECONDARY
        case "secondarypreferred": return MONGOC_READ_SECONDARY_PREFERRED
        case "nearest": return MONGOC_READ_NEAREST
        default:
            throw CairnError(
                .usage,
                "unknown read preference '\(name)': use primary, primaryPreferred, secondary, secondaryPreferred or "
                    + "nearest.")
        }
    }

    private static func redact(_ uri: OpaquePointer) -> String {
        var text = "mongodb://"
        if let service = unsafe mongoc_uri_get_srv_hostname(uri) {
            text = unsafe "mongodb+srv://" + String(cString: service)
        } else {
            var host = unsafe mongoc_uri_get_hosts(uri)
            var hosts: [String] = []
            while let current = unsafe host {
                unsafe hosts.append(String(cString: cairn_host_and_port(current)))
                unsafe host = UnsafePointer(current.pointee.next)
            }
            text += hosts.joined(separator: ",")
        }
        if let set = unsafe mongoc_uri_get_replica_set(uri) { text += unsafe "/?replicaSet=" + String(cString: set) }
        return text
    }

    private static func repeatsSecret(_ reason: String, of text: String) -> Bool {
        guard let at = text.utf8.lastIndex(of: UInt8(ascii: "@")) else { return false }
        let userInformation = text[..<at].split(whereSeparator: { "/:@".contains($0) }).dropFirst()
        return userInformation.contains { reason.contains($0) }
    }
}
