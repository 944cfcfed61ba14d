import BSON
import Bytes
import Glibc
import Synchronization

/// Reads everything a server has, in natural order and whole batches: reading alone, without anything done to it.
public struct BenchReader: Sendable {
    private let uri: String
    private let threads: Int
    private let destination: Destination

    /// What becomes of the documents.
    public enum Destination: Sendable {
        /// Nothing: they are counted.
        case nowhere
        /// Files in mongodump's layout below a folder.
        case folder(String)
        /// Standard output, batch by batch, collections mixed: what a program behind a pipe has to read.
        case standardOutput
    }

    /// What was read, and how long it took.
    public typealias Total = BenchLoader.Total

    /// Documents of a batch; of the benchmark's data about 2 MB.
    private static let batchSize = 5_000

    /// A reader over `threads` connections that brings what it reads to `destination`.
    public init(uri: String, threads: Int, destination: Destination) {
        self.uri = uri
        self.threads = max(threads, 1)
        self.destination = destination
    }

    /// Reads all collections but views and those of the server's own databases, the largest first.
    ///
    /// - Throws: `.server`, `.unreachable`, `.io`.
    public func run() throws -> Total {
        let start = BenchLoader.now()
        let namespaces = try list()
        let next = Atomic<Int>(0)
        let outcome = Mutex<(total: Total, failure: (any Error)?)>((Total(), nil))
        let workers = (0..<threads).map { number in
            OwnedThread(name: "read-\(number)") {
                do {
                    let client = try WireClient(uri: uri)
                    while true {
                        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                        guard index < namespaces.count else { return }
                        let part = try read(namespaces[index], client)
                        outcome.withLock {
                            $0.total.documents += part.documents
                            $0.total.bytes += part.bytes
                        }
                    }
                } catch {
                    outcome.withLock { $0.failure = error }
                }
            }
        }
        for worker in workers { worker.join() }
        var (total, failure) = outcome.withLock { $0 }
        if let failure { throw failure }
        total.seconds = BenchLoader.now() - start
        return total
    }

    private struct Namespace: Sendable {
        let db: String
        let collection: String
        let bytes: Int
    }

    private func list() throws -> [Namespace] {
        let client = try WireClient(uri: uri)
        let reply = try client.run(["listDatabases": 1, "nameOnly": true], db: "admin")
        var found: [Namespace] = []
        for database in try reply.require("databases", as: [BSONDocument].self, in: "listDatabases") {
            let db: String = try database.require("name", in: "listDatabases")
            if ["admin", "config", "local"].contains(db) { continue }
            for listed in try client.documents(of: ["listCollections": 1, "nameOnly": true], db: db) {
                let name: String = try listed.require("name", in: "listCollections")
                let type: String = try listed.require("type", in: "listCollections")
                if type != "collection" { continue }
                let stats = try client.run(["collStats": .string(name)], db: db)
                found.append(Namespace(db: db, collection: name, bytes: try stats.require("size", in: "collStats")))
            }
        }
        return found.sorted { $0.bytes > $1.bytes }
    }

    private func open(_ namespace: Namespace) throws -> DocumentFile? {
        switch destination {
        case .nowhere: nil
        case .folder(let folder): try DocumentFile(folder: folder, db: namespace.db, collection: namespace.collection)
        case .standardOutput: .standardOutput
        }
    }

    private func read(_ namespace: Namespace, _ client: WireClient) throws -> Total {
        var total = Total()
        let file = try open(namespace)
        let find: BSONDocument = [
            "find": .string(namespace.collection), "hint": ["$natural": 1], "batchSize": BSONValue(Self.batchSize),
        ]
        try client.scan(find, db: namespace.db, batchSize: Self.batchSize) { batch in
            total.bytes += batch.byteCount
            var documents = DocumentBatch.Chunk(batch)
            while try documents.next() != nil { total.documents += 1 }
            try file?.append(batch)
        }
        return total
    }
}
