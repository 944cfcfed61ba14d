internal import BSON
internal import Bytes
internal import CMongoC
internal import Glibc
internal import Synchronization

/// libmongoc's client pool and the node that all its clients talk to.
///
/// `@unchecked Sendable`: `mongoc_client_pool_t` is documented as thread-safe ("Connection Pooling" in libmongoc's
/// manual), the read preference is never changed after `init`, and the pinned node is behind a mutex.
@safe
final class ConnectionPool: @unchecked Sendable {
    private let pool: OpaquePointer
    /// For commands; never changed after `init`.
    let readPreference: OpaquePointer
    /// The connection string without secrets.
    let redactedURI: String
    let access: ServerError.Access
    private let pinned = Mutex<Node>(Node(id: 0, host: "", isWritable: false, members: 0))
    /// Which life of the pinned node plans are made for; nil until it is asked.
    let identity = Mutex<NodeIdentity?>(nil)
    /// Whether the server knows `bypassEmptyTsReplacement`; nil until it is asked.
    let knowsEmptyTimestampBypass = Mutex<Bool?>(nil)

    /// One server of the topology as libmongoc knows it.
    struct Node: Sendable {
        /// libmongoc's number of the server, unique in this pool.
        var id: UInt32
        var host: String
        var isWritable: Bool
        /// Members that hold data, as the node says; 0 when it is not in a set.
        var members: Int
    }

    /// - Throws: `.usage` for a malformed connection string.
    init(uri text: String, options: MongoOptions) throws {
        _ = LibMongoC.ready
        let uri = try MongoURI(text)
        access = options.access
        redactedURI = uri.redacted
        uri.setDefault("serverselectiontimeoutms", options.serverSelectionTimeoutMilliseconds)
        uri.setDefault("connecttimeoutms", options.connectTimeoutMilliseconds)
        uri.setDefault("sockettimeoutms", options.socketTimeoutMilliseconds)
        uri.setDefault("maxpoolsize", options.clientsMax)
        unsafe readPreference = try uri.makeReadPreference(override: options.readPreference, access: options.access)
        var error = bson_error_t()
        guard let pool = unsafe mongoc_client_pool_new_with_error(uri.pointer, &error) else {
            unsafe mongoc_read_prefs_destroy(readPreference)
            throw CairnError(.usage, "cannot use the connection string \(uri.redacted): \(message(of: &error)).")
        }
        unsafe self.pool = pool
        _ = unsafe mongoc_client_pool_set_error_api(pool, 2)
        _ = unsafe mongoc_client_pool_set_appname(pool, "cairn")
    }

    /// Destroying a pool waits for libmongoc's monitors, which notice their end only at a tick of 500 ms. Nobody needs
    /// to wait for that: it was half a second of every command.
    deinit {
        unsafe mongoc_read_prefs_destroy(readPreference)
        // Safe: nothing else refers to the pool any more, and the pointer is used on that one thread.
        nonisolated(unsafe) let pool = unsafe pool
        OwnedThread(name: "pool-end") { unsafe mongoc_client_pool_destroy(pool) }.detach()
    }

    /// The node that commands go to.
    var node: Node { pinned.withLock { $0 } }

    /// Takes a client; blocks while all are out.
    func pop() -> OpaquePointer { unsafe mongoc_client_pool_pop(pool) }

    func push(_ client: OpaquePointer) { unsafe mongoc_client_pool_push(pool, client) }

    /// Looks for a node by purpose and preference and makes it the one that all commands go to.
    ///
    /// - Throws: `.unreachable` when none was found within the selection timeout.
    @discardableResult
    func pin(preferredHost: String?) throws -> Node {
        let client = unsafe pop()
        defer { unsafe push(client) }
        var error = bson_error_t()
        let forWrites = access.writes
        guard var node = unsafe select(client, forWrites, &error) else {
            throw serverError(&error, reply: nil).asCairnError(place: redactedURI, namespace: nil, access: access)
        }
        if !forWrites {
            if let preferredHost, let preferred = unsafe awaitMember(preferredHost, client) {
                node = preferred
            } else if unsafe mongoc_read_prefs_get_mode(readPreference) == MONGOC_READ_SECONDARY_PREFERRED {
                node = unsafe awaitSecondary(node, client)
            }
        }
        pinned.withLock { $0 = node }
        identity.withLock { $0 = nil }
        return node
    }

    private func select(_ client: OpaquePointer, _ forWrites: Bool, _ error: inout bson_error_t) -> Node? {
        let preference = unsafe forWrites ? nil : readPreference
        guard let chosen = unsafe mongoc_client_select_server(client, forWrites, preference, &error) else { return nil }
        defer { unsafe mongoc_server_description_destroy(chosen) }
        return unsafe describe(chosen)
    }

    /// Selection takes the primary when it answers first. In a set of several members the others get two seconds more.
    private func awaitSecondary(_ chosen: Node, _ client: OpaquePointer) -> Node {
        var node = chosen
        var error = bson_error_t()
        for _ in 0..<40 where node.isWritable && node.members > 1 {
            usleep(50_000)
            if let other = unsafe select(client, false, &error) { node = other }
        }
        return node
    }

    /// The data-bearing member of that name that the read preference allows. Selection returns when the first suitable
    /// member has answered; this one gets two seconds more.
    private func awaitMember(_ host: String, _ client: OpaquePointer) -> Node? {
        for _ in 0..<40 {
            switch unsafe member(host, client) {
            case .usable(let node): return node
            case .unsuitable: return nil
            case .silent: usleep(50_000)
            }
        }
        return nil
    }

    private enum Member {
        case usable(Node), unsuitable, silent
    }

    private func member(_ host: String, _ client: OpaquePointer) -> Member {
        var count = 0
        // Members that have not answered are not listed.
        guard let all = unsafe mongoc_client_get_server_descriptions(client, &count) else { return .silent }
        defer { unsafe mongoc_server_descriptions_destroy_all(all, count) }
        let mode = unsafe mongoc_read_prefs_get_mode(readPreference)
        for index in 0..<count {
            guard let description = unsafe all[index] else { continue }
            let node = unsafe describe(description)
            guard node.host == host else { continue }
            switch unsafe String(cString: mongoc_server_description_type(description)) {
            case "RSPrimary": return mode == MONGOC_READ_SECONDARY ? .unsuitable : .usable(node)
            case "RSSecondary": return mode == MONGOC_READ_PRIMARY ? .unsuitable : .usable(node)
            // It may be starting, or between two roles.
            default: return .silent
            }
        }
        return .silent
    }

    private func describe(_ description: OpaquePointer) -> Node {
        let type = unsafe String(cString: mongoc_server_description_type(description))
        let host = unsafe mongoc_server_description_host(description)
        let hello = unsafe mongoc_server_description_hello_response(description).map { unsafe BSONHandle.bytes(of: $0) }
        let answer = hello.flatMap { try? BSONDocument(validating: $0) }
        return Node(
            id: unsafe mongoc_server_description_id(description),
            host: unsafe host.map { unsafe String(cString: cairn_host_and_port($0)) } ?? "",
            isWritable: type != "RSSecondary",
            members: (try? answer?.optional("hosts", as: [String].self, in: "hello"))?.count ?? 0)
    }
}

/// The message of an error that libmongoc filled in.
func message(of error: inout bson_error_t) -> String { unsafe String(cString: cairn_error_message(&error)) }

/// What libmongoc reported, with the server's name of the code from `reply` where there is one.
func serverError(_ error: inout bson_error_t, reply: Reply?) -> ServerError {
    let domain = mongoc_error_domain_t(rawValue: error.domain)
    let origin: ServerError.Origin =
        switch domain {
        case MONGOC_ERROR_SERVER, MONGOC_ERROR_WRITE_CONCERN: .server
        case MONGOC_ERROR_STREAM: .network
        case MONGOC_ERROR_SERVER_SELECTION: .selection
        // "Cannot assemble command for invalidated server": the monitor has not seen the node again yet.
        case MONGOC_ERROR_COMMAND: .network
        default: .driver
        }
    let name = reply.flatMap { try? $0.withView { try $0.string("codeName") } } ?? ""
    return ServerError(origin: origin, code: Int(error.code), name: name, message: message(of: &error))
}
