import BSON
import Bytes
import Glibc
import Synchronization

/// A replica set whose nodes a test may kill, freeze and start again, with or without access control. Gone when the
/// last reference is.
///
/// For the ordinary case, one node that stays up, `ThrowawayServer.shared()` costs nothing more.
public final class ThrowawayReplicaSet: Sendable {
    /// What to connect to, with the root user's credentials under access control.
    public let uri: String
    /// `uri` without credentials.
    public let plainURI: String
    /// `host:port` of each node.
    public let hosts: [String]
    private let nodes: [Node]
    private let folder: TemporaryDirectory

    /// The user that access control begins with; its name and password need escaping in a connection string.
    public static let root = (name: "root", password: "p@ss:w/r%d")
    private static let setName = "cairn"

    /// Starts `count` nodes and waits until the first is primary and the others are secondaries.
    ///
    /// - Parameter authenticated: turn access control on and create `root`.
    /// - Throws: `.notFound` without a mongod, `.unreachable` when a node does not come up.
    public init(nodes count: Int = 1, authenticated: Bool = false, arguments: [String] = []) throws {
        let folder = try TemporaryDirectory("cairn-set")
        self.folder = folder
        var arguments = arguments
        if authenticated { arguments += ["--keyFile", try Self.writeKey(folder.path + "/key")] }
        let common = arguments
        var nodes: [Node] = []
        for number in 0..<count {
            // A port given out once may be given out again until somebody listens on it.
            var port = try ThrowawayServer.freePort()
            while nodes.contains(where: { $0.port == port }) { port = try ThrowawayServer.freePort() }
            nodes.append(try Node(folder.path + "/node\(number)", port: port, common))
        }
        self.nodes = nodes
        hosts = nodes.map { "127.0.0.1:\($0.port)" }
        plainURI = "mongodb://\(hosts.joined(separator: ","))/?replicaSet=\(Self.setName)"
        uri = authenticated ? Self.addCredentials(to: plainURI) : plainURI
        try initiate()
        if authenticated { try createRoot() }
    }

    /// Kills a node (SIGKILL); its data stays.
    public func kill(_ node: Int) { nodes[node].kill() }

    /// Starts a killed node again on its data and port and waits until it answers.
    public func restart(_ node: Int) throws {
        try nodes[node].start()
        try Self.wait(for: "\(hosts[node]) to answer") { (try? WireClient(port: nodes[node].port)) != nil }
    }

    /// Stops a node without closing its connections (SIGSTOP): to clients and peers, a network that swallows all.
    public func freeze(_ node: Int) { nodes[node].signal(SIGSTOP) }

    /// Lets a frozen node go on.
    public func thaw(_ node: Int) { nodes[node].signal(SIGCONT) }

    /// A connection without login to one node, for commands of the test itself.
    public func connect(_ node: Int = 0) throws -> WireClient { try WireClient(port: nodes[node].port) }

    /// Polls `condition` until it holds, for a minute at most.
    ///
    /// - Throws: `.unreachable` naming `what` after that; what `condition` throws.
    public static func wait(for what: String, until condition: () throws -> Bool) throws {
        for _ in 0..<1_200 {
            if try condition() { return }
            usleep(50_000)
        }
        throw CairnError(.unreachable, "waited a minute for \(what)")
    }

    private func initiate() throws {
        for node in nodes {
            try Self.wait(for: "port \(node.port) to answer") { (try? WireClient(port: node.port)) != nil }
        }
        let members: [BSONValue] = hosts.enumerated().map { index, host in
            ["_id": BSONValue(index), "host": .string(host), "priority": BSONValue(index == 0 ? 2 : 1)]
        }
        let settings: BSONValue = ["electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 200]
        let config: BSONValue = ["_id": .string(Self.setName), "members": .array(members), "settings": settings]
        try connect().run(["replSetInitiate": config], db: "admin")
        for (index, host) in hosts.enumerated() {
            let client = try connect(index)
            let role = index == 0 ? "isWritablePrimary" : "secondary"
            try Self.wait(for: "\(host) to say \(role)") {
                try client.exchange(["hello": 1], db: "admin")[role] == .bool(true)
            }
        }
    }

    /// By the localhost exception, which holds until the first user exists.
    private func createRoot() throws {
        let user: BSONDocument = [
            "createUser": .string(Self.root.name), "pwd": .string(Self.root.password), "roles": ["root"],
            "writeConcern": ["w": "majority"],
        ]
        try connect().run(user, db: "admin")
    }

    /// A connection string with user and password in it, all bytes but lower-case letters escaped.
    public static func addCredentials(
        to uri: String, user: String = root.name, password: String = root.password
    ) -> String {
        let escaped = [user, password].map { text in
            text.utf8.map { (97...122).contains($0) ? String(UnicodeScalar($0)) : "%" + Hex.encode([$0]) }.joined()
        }
        return "mongodb://\(escaped[0]):\(escaped[1])@" + uri.dropFirst("mongodb://".count)
    }

    private static func writeKey(_ path: String) throws -> String {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT, 0o600)
        guard descriptor >= 0 else { throw CairnError(.io, "cannot create \(path): errno \(errno)") }
        defer { close(descriptor) }
        let key = Array("a2V5IG9mIGEgdGhyb3dhd2F5IHNldA==".utf8)
        guard unsafe write(descriptor, key, key.count) == key.count else {
            throw CairnError(.io, "cannot write \(path): errno \(errno)")
        }
        return path
    }
}

/// One mongod of a set.
private final class Node: Sendable {
    let port: Int
    private let path: String
    private let arguments: [String]
    private let process = Mutex<ChildProcess?>(nil)

    init(_ path: String, port: Int, _ arguments: [String]) throws {
        self.path = path
        self.port = port
        self.arguments = arguments
        guard unsafe mkdir(path, 0o700) == 0 else { throw CairnError(.io, "cannot create \(path): errno \(errno)") }
        try start()
    }

    func start() throws {
        guard let mongod = ThrowawayServer.mongodPath else {
            throw CairnError(.notFound, "no mongod; set CAIRN_MONGOD")
        }
        let own = [
            "--dbpath", path, "--port", "\(port)", "--bind_ip", "127.0.0.1", "--logpath", path + "/mongod.log",
            "--logappend", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "256",
            "--replSet", "cairn", "--setParameter", "diagnosticDataCollectionEnabled=false",
            "--setParameter", "enableTestCommands=1",
        ]
        // The shell ends mongod when its input ends, that is when this process does, even by SIGKILL.
        let script = "\"$@\" & server=$!; cat >/dev/null; kill -9 $server 2>/dev/null; wait $server"
        let child = try ChildProcess(
            "sh", ["-c", script, "sh", mongod] + own + arguments, outputPath: "/dev/null", errorPath: "/dev/null")
        process.withLock { $0 = child }
    }

    func kill() {
        process.withLock { process in
            process?.closeInput()
            _ = process?.wait()
            process = nil
        }
    }

    /// The server's own process number is in its lock file; `process` is the shell around it.
    func signal(_ number: Int32) {
        let text = String(decoding: readWholeFile(path + "/mongod.lock"), as: UTF8.self)
        if let server = Int32(text.prefix { $0.isNumber }) { _ = Glibc.kill(server, number) }
    }
}
