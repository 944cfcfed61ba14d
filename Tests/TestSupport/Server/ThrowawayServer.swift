import BSON
import Bytes
import Glibc
import Synchronization

/// A single-node replica set in a folder of its own on a free loopback port, gone when the last reference is.
public final class ThrowawayServer: Sendable {
    /// What to connect to; names the replica set.
    public let uri: String
    /// The loopback port.
    public let port: Int
    /// Where mongod keeps its data and its log.
    public let path: String
    private let folder: TemporaryDirectory?
    private let process: ChildProcess

    /// The name of the replica set.
    public static let setName = "cairn"

    /// How to start a server.
    public struct Options: Sendable {
        /// The port; a free one when nil.
        public var port: Int?
        /// An existing folder for data and log; a temporary one, removed afterwards, when nil.
        public var folder: String?
        /// False for a standalone server, which has no cluster time.
        public var isReplicaSet = true
        /// False for a server that waits to be taken into a set.
        var isInitiated = true
        /// The storage engine's cache.
        public var cacheMebibytes = 256
        /// The oplog's size.
        public var oplogMebibytes = 256
        /// More arguments for mongod, such as `--setParameter`, `enableTestCommands=1`.
        public var arguments: [String] = []

        /// A replica set on a free port.
        public init() {}
    }

    /// Starts a server and waits until it takes writes.
    ///
    /// - Throws: `.notFound` without a mongod, `.unreachable` with the end of its log when it does not come up.
    public init(_ options: Options = Options()) throws {
        guard let mongod = Self.mongodPath else { throw CairnError(.notFound, "no mongod; set CAIRN_MONGOD") }
        folder = options.folder == nil ? try TemporaryDirectory("cairn-mongod") : nil
        path = options.folder ?? folder?.path ?? ""
        port = try options.port ?? Self.freePort()
        var arguments = [
            "--dbpath", path, "--port", "\(port)", "--bind_ip", "127.0.0.1", "--logpath", path + "/mongod.log",
            "--wiredTigerCacheSizeGB", "\(Double(max(options.cacheMebibytes, 256)) / 1024)",
            "--setParameter", "diagnosticDataCollectionEnabled=false", "--nounixsocket",
        ]
        if options.isReplicaSet {
            arguments += ["--replSet", Self.setName, "--oplogSize", "\(options.oplogMebibytes)"]
        }
        // The shell ends mongod when its input ends, that is when this process does, even by SIGKILL, and only it is
        // still there then to remove a temporary folder.
        let script = """
            remove="$1"; shift; "$@" & server=$!; cat >/dev/null; exec 2>/dev/null
            kill -9 $server; wait $server; [ -z "$remove" ] || rm -rf "$remove"
            """
        process = try ChildProcess(
            "sh", ["-c", script, "sh", folder?.path ?? "", mongod] + arguments + options.arguments,
            outputPath: "/dev/null")
        uri =
            "mongodb://127.0.0.1:\(port)/"
            + (options.isReplicaSet ? "?replicaSet=\(Self.setName)" : "?directConnection=true")
        try waitUntilReady(options)
    }

    deinit {
        process.closeInput()
        _ = process.wait()
    }

    /// Whether there is a mongod to start.
    public static var isAvailable: Bool { mongodPath != nil }

    /// CAIRN_MONGOD, else the one on PATH, else the one that the set-up script fetched.
    public static let mongodPath: String? = {
        if let named = environment("CAIRN_MONGOD"), !named.isEmpty { return named }
        for folder in (environment("PATH") ?? "").split(separator: ":") {
            let candidate = "\(folder)/mongod"
            if unsafe access(candidate, X_OK) == 0 { return candidate }
        }
        let cache = environment("XDG_CACHE_HOME") ?? (environment("HOME") ?? "") + "/.cache"
        let cached = cache + "/cairn/mongod-6.0.5/mongod"
        return unsafe access(cached, X_OK) == 0 ? cached : nil
    }()

    private static let shared = Mutex<[String: ThrowawayServer]>([:])

    /// The server that all tests of this process share under `role`, started at the first call and stopped with the
    /// process. Tests keep apart by database name.
    public static func shared(_ role: String = "source") throws -> ThrowawayServer {
        try shared.withLock { servers in
            if let running = servers[role] { return running }
            let server = try ThrowawayServer()
            servers[role] = server
            return server
        }
    }

    /// A connection for commands of the test itself.
    public func connect() throws -> WireClient { try WireClient(port: port) }

    private static func environment(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// Ports below those that Linux gives to outgoing connections: one of these could take the port of a server that is
    /// stopped and started again.
    private static let ports = 15_000..<32_000

    /// A port that nothing listens on now.
    ///
    /// - Throws: `.io` when a thousand are taken.
    public static func freePort() throws -> Int {
        for _ in 0..<1_000 {
            let port = Int.random(in: ports)
            if isFree(port) { return port }
        }
        throw CairnError(.io, "no free port: errno \(errno)")
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        address.sin_port = in_port_t(port).bigEndian
        return unsafe withUnsafeMutableBytes(of: &address) { raw in
            let pointer = unsafe raw.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            return unsafe bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }

    /// Starts another server and makes it a member that copies this one, without a vote, so that no write ever waits
    /// for it. Returns when it has copied what is there.
    ///
    /// - Throws: `.unreachable` when that does not come to pass.
    public func startSecondary(_ options: Options = Options()) throws -> ThrowawayServer {
        var options = options
        options.isInitiated = false
        let other = try ThrowawayServer(options)
        let members: [BSONValue] = [
            ["_id": 0, "host": .string("127.0.0.1:\(port)")],
            ["_id": 1, "host": .string("127.0.0.1:\(other.port)"), "priority": 0, "votes": 0],
        ]
        try connect().run(
            [
                "replSetReconfig": ["_id": .string(Self.setName), "version": 2, "members": .array(members)],
                "force": true,
            ],
            db: "admin")
        try ThrowawayReplicaSet.wait(for: "port \(other.port) to be a secondary") {
            try other.connect().exchange(["hello": 1], db: "admin")["secondary"] == .bool(true)
        }
        return other
    }

    private var initiation: BSONDocument {
        let member: BSONValue = ["_id": 0, "host": .string("127.0.0.1:\(port)")]
        return ["replSetInitiate": ["_id": .string(Self.setName), "members": [member]]]
    }

    private func waitUntilReady(_ options: Options) throws {
        var isInitiated = !options.isReplicaSet || !options.isInitiated
        for _ in 0..<Self.pollsMax {
            if process.hasEnded { break }
            if let client = try? connect() {
                if !isInitiated {
                    _ = try? client.exchange(initiation, db: "admin")
                    isInitiated = true
                }
                let hello = try? client.exchange(["hello": 1], db: "admin")
                if hello?["isWritablePrimary"] == .bool(true) || hello != nil && !options.isInitiated { return }
            }
            usleep(Self.pollMicroseconds)
        }
        let log = String(decoding: readWholeFile(path + "/mongod.log").suffix(2_000), as: UTF8.self)
        throw CairnError(.unreachable, "mongod on port \(port) did not come up; the end of its log:\n\(log)")
    }

    /// A minute in all: a busy machine takes several seconds.
    private static let pollsMax = 1_200
    private static let pollMicroseconds: UInt32 = 50_000
}
