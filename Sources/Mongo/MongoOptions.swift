/// How to connect to a deployment.
public struct MongoOptions: Sendable {
    /// What the connection is for: decides the node that is pinned and the role that error messages name.
    public var access: ServerError.Access
    /// A read preference mode (`primary`, `primaryPreferred`, `secondary`, `secondaryPreferred`, `nearest`) that
    /// replaces the connection string's; nil keeps that one, and takes `secondaryPreferred` when it names none.
    /// Writing always pins the primary.
    public var readPreference: String?
    /// `host:port` of the node to pin if it is a usable member: record ids, hence the ranges of a scan in natural
    /// order, are the node's own.
    public var preferredHost: String?
    /// Accept a server that is not a member of a replica set: it has no cluster time, so nothing read from it is
    /// exact at one time.
    public var allowStandalone: Bool
    /// How long to look for a usable server, unless the connection string says `serverSelectionTimeoutMS`.
    public var serverSelectionTimeoutMilliseconds: Int
    /// How long to wait for a connection, unless the connection string says `connectTimeoutMS`.
    public var connectTimeoutMilliseconds: Int
    /// How long to wait for a reply, unless the connection string says `socketTimeoutMS`. Writing waits for index
    /// builds, hence a day; TCP keep-alive (set by libmongoc) notices dead peers earlier.
    public var socketTimeoutMilliseconds: Int
    /// Connections at most; `checkOut` blocks beyond.
    public var clientsMax: Int

    /// The defaults for `access`.
    public init(access: ServerError.Access = .read) {
        self.access = access
        readPreference = nil
        preferredHost = nil
        allowStandalone = false
        serverSelectionTimeoutMilliseconds = 15_000
        connectTimeoutMilliseconds = 10_000
        socketTimeoutMilliseconds = access == .read ? 300_000 : 86_400_000
        clientsMax = 64
    }
}
