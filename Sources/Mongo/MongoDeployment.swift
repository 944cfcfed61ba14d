internal import BSON
internal import Bytes
internal import Synchronization

/// A connection to a deployment, with one node pinned: all reading of a backup (or all writing of a restore) goes
/// there.
///
/// Safe to share between threads; each thread checks out a `MongoClient` of its own.
public final class MongoDeployment: Sendable {
    private let pool: ConnectionPool
    /// What was found out at connection time.
    public let server: ServerFacts

    /// What kind of deployment the pinned node belongs to.
    public enum Topology: Hashable, Sendable {
        /// A member of the replica set of that name.
        case replicaSet(String)
        /// A server alone: no cluster time.
        case standalone
    }

    /// What the pinned node says of itself.
    public struct ServerFacts: Sendable {
        /// `host:port` as the replica set names it.
        public var host: String
        /// Replica set or standalone.
        public var topology: Topology
        /// For instance `6.0.5`.
        public var version: String
        /// `version` as numbers, for instance `[6, 0, 5, 0]`.
        public var versionNumbers: [Int]
        /// The newest wire version (`hello.maxWireVersion`).
        public var maxWireVersion: Int
        /// The feature compatibility version, nil when the user may not ask.
        public var featureCompatibilityVersion: String?
        /// `minSnapshotHistoryWindowInSeconds`: how far back a snapshot read may go; nil when the user may not ask or
        /// it has none.
        public var snapshotWindowSeconds: Int?
        /// The largest document in bytes (`hello.maxBsonObjectSize`).
        public var documentBytesMax: Int
        /// The largest message in bytes.
        public var messageBytesMax: Int
        /// The most documents in one insert.
        public var writeBatchMax: Int

        /// The set's name, nil on a standalone.
        public var setName: String? {
            if case .replicaSet(let name) = topology { return name }
            return nil
        }
    }

    /// Connects, pins a node and asks what it is.
    ///
    /// - Throws: `.usage` for a malformed connection string, a standalone that was not allowed, or a mongos;
    ///   `.unreachable` when no suitable server answers within the selection timeout; `.authentication`; `.privilege`.
    public static func connect(uri: String, options: MongoOptions = MongoOptions()) throws -> MongoDeployment {
        let pool = try ConnectionPool(uri: uri, options: options)
        try pool.pin(preferredHost: options.preferredHost)
        let client = try MongoClient(pool: pool)
        let server = try identify(client, options)
        // Record ids are the business of scans, and a user of one database may not ask for what they depend on.
        if options.access != .store { try client.noteNodeIdentity() }
        return MongoDeployment(pool: pool, server: server)
    }

    private init(pool: ConnectionPool, server: ServerFacts) {
        self.pool = pool
        self.server = server
    }

    /// The connection string without secrets.
    public var redactedURI: String { pool.redactedURI }

    /// The node that commands go to at present.
    public var host: String { pool.node.host }

    /// Takes a client for the calling thread; blocks while `clientsMax` are out. It goes back when it is released.
    public func checkOut() throws -> MongoClient { try MongoClient(pool: pool) }

    /// Chooses a node anew: after an election when writing, when the pinned node is gone for good, or when a scan says
    /// that it was restarted. Plans in natural order made before are void, for record ids differ.
    ///
    /// - Parameter preferredHost: the node to take if it is usable; the present one when nil.
    public func repin(preferredHost: String? = nil) throws {
        try pool.pin(preferredHost: preferredHost ?? host)
        try checkOut().noteNodeIdentity()
    }
}

extension MongoDeployment {
    private static func identify(_ client: MongoClient, _ options: MongoOptions) throws -> ServerFacts {
        let hello = try client.read(["hello": 1], db: "admin")
        var found = try hello.withView { hello in try facts(fromHello: hello, client, options) }
        // The first command that needs a logged-in user: a wrong password shows here.
        let build = try client.read(["buildInfo": 1], db: "admin")
        try build.withView { build in
            found.version = try build.string("version") ?? "unknown"
            if let numbers = try build.first(named: "versionArray")?.document {
                var elements = numbers.makeElements()
                while let element = try elements.next() { found.versionNumbers.append(Int(element.integer ?? 0)) }
            }
        }
        guard options.access != .store else { return found }
        let parameters: BSONDocument = [
            "getParameter": 1, "featureCompatibilityVersion": 1, "minSnapshotHistoryWindowInSeconds": 1,
        ]
        do {
            let reply = try client.read(parameters, db: "admin")
            try reply.withView { reply in
                let compatibility = try reply.first(named: "featureCompatibilityVersion")?.document
                found.featureCompatibilityVersion = try compatibility?.string("version")
                found.snapshotWindowSeconds = try reply.integer("minSnapshotHistoryWindowInSeconds")
            }
        } catch let error as CairnError where options.access == .write && error.code == .privilege {
            // A user who may only restore need not be allowed to ask.
        }
        return found
    }

    private static func facts(
        fromHello hello: DocumentView, _ client: MongoClient, _ options: MongoOptions
    ) throws -> ServerFacts {
        let place = client.pool.redactedURI
        if try hello.string("msg") == "isdbgrid" {
            throw CairnError(
                .usage,
                "\(place) is a mongos: sharded clusters are not supported yet. Back each shard up on its own."
            )
        }
        var topology = Topology.standalone
        if let name = try hello.string("setName") {
            topology = .replicaSet(name)
        } else if try hello.flag("isreplicaset") {
            throw CairnError(
                .usage,
                "\(place) belongs to a replica set that was not initiated: run rs.initiate() on it first."
            )
        } else if !options.allowStandalone, options.access == .read {
            throw CairnError(
                .usage,
                "\(place) is not a member of a replica set, so it has no cluster time and cannot be backed up "
                    + "exactly at one point in time. Start it with --replSet and run rs.initiate() (one member is "
                    + "enough), or pass --allow-standalone for a marked, not point-in-time-exact backup.")
        }
        if options.access.writes, try !hello.flag("isWritablePrimary") {
            throw CairnError(
                .usage,
                "\(place) is not the primary: name the replica set in the connection string (?replicaSet=NAME) to "
                    + "write to its primary."
            )
        }
        return ServerFacts(
            host: try hello.string("me") ?? client.host, topology: topology, version: "", versionNumbers: [],
            maxWireVersion: try hello.integer("maxWireVersion") ?? 0, featureCompatibilityVersion: nil,
            snapshotWindowSeconds: nil, documentBytesMax: try hello.integer("maxBsonObjectSize") ?? (16 << 20),
            messageBytesMax: try hello.integer("maxMessageSizeBytes") ?? 48_000_000,
            writeBatchMax: try hello.integer("maxWriteBatchSize") ?? 100_000)
    }
}
