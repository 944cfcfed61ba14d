public import BSON
internal import Bytes
internal import CMongoC

/// One connection of a deployment's pool, for one thread at a time. Given back to the pool when it is released.
///
/// Every command goes to the deployment's pinned node with the same explicit session: a cursor belongs to the session
/// that opened it, and libmongoc would add an implicit one to `find` but none to `getMore`, which the server then
/// refuses.
@safe
public final class MongoClient {
    let pool: ConnectionPool
    private let client: OpaquePointer
    private let session: OpaquePointer?
    private let command = BSONHandle()
    private var options = BSONHandle()
    private var optionsNode: UInt32 = 0

    init(pool: ConnectionPool) throws {
        self.pool = pool
        unsafe client = pool.pop()
        let settings = unsafe mongoc_session_opts_new()
        unsafe mongoc_session_opts_set_causal_consistency(settings, false)
        var error = bson_error_t()
        unsafe session = mongoc_client_start_session(client, settings, &error)
        unsafe mongoc_session_opts_destroy(settings)
        if unsafe session == nil {
            unsafe pool.push(client)
            throw serverError(&error, reply: nil)
                .asCairnError(place: pool.redactedURI, namespace: nil, access: pool.access)
        }
    }

    deinit {
        unsafe mongoc_client_session_destroy(session)
        unsafe pool.push(client)
    }

    /// The node that commands go to: `host:port`.
    public var host: String { pool.node.host }

    /// Runs a command on the pinned node, once.
    ///
    /// - Parameter namespace: names what the command is about in errors; the database when nil.
    /// - Throws: what `ServerError.asCairnError` makes of the failure.
    public func run(_ command: BSONDocument, db: String, namespace: String? = nil) throws -> Reply {
        let reply = Reply()
        try run(command.bytes.rawSpan, db: db, namespace: namespace, into: reply)
        return reply
    }

    /// Runs a command given as raw bytes, once, and fills `reply`, whose memory the allocator reuses. Nothing of
    /// `command` is kept.
    public func run(_ bytes: RawSpan, db: String, namespace: String? = nil, into reply: Reply) throws {
        let node = pool.node
        try prepareOptions(for: node)
        var error = bson_error_t()
        // On a node that is not the primary a command without $readPreference is refused (NotPrimaryNoSecondaryOk).
        let preference = unsafe pool.access.writes ? nil : pool.readPreference
        let succeeded = try unsafe command.withView(of: bytes) { view in
            // libmongoc initialises the reply itself, whatever happens; what it held must be freed before.
            reply.handle.reset()
            return unsafe mongoc_client_command_with_opts(
                client, db, view, preference, options.pointer, reply.handle.pointer, &error)
        }
        if !succeeded {
            throw serverError(&error, reply: reply)
                .asCairnError(place: node.host, namespace: namespace ?? db, access: pool.access)
        }
    }

    private func prepareOptions(for node: ConnectionPool.Node) throws {
        if optionsNode == node.id { return }
        let next = BSONHandle()
        var error = bson_error_t()
        let appended = unsafe mongoc_client_session_append(session, next.pointer, &error)
        precondition(appended, "a session of this client is always accepted")
        unsafe bson_append_int32(next.pointer, "serverId", -1, Int32(bitPattern: node.id))
        options = next
        optionsNode = node.id
    }
}
