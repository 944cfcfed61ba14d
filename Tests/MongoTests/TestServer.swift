import BSON
import Bytes
import Mongo
import Synchronization
import TestSupport

/// What suites of this target share: one server for the process, a database of its own for each test.
enum TestServer {
    private static let databases = Mutex(0)

    static let isAvailable = ThrowawayServer.isAvailable

    /// The shared single-node replica set.
    static func source() throws -> ThrowawayServer { try ThrowawayServer.shared("mongo") }

    static func reader() throws -> MongoDeployment { try MongoDeployment.connect(uri: source().uri) }

    static func writer() throws -> MongoDeployment {
        try MongoDeployment.connect(uri: source().uri, options: MongoOptions(access: .write))
    }

    /// A database name that no other test uses.
    static func database() -> String {
        let number = databases.withLock { number in
            number += 1
            return number
        }
        return "test\(number)"
    }

    /// Inserts by the witness client, in batches.
    static func insert(_ documents: [BSONDocument], into namespace: Namespace) throws {
        let client = try source().connect()
        for start in stride(from: 0, to: documents.count, by: 1_000) {
            let batch = documents[start..<min(start + 1_000, documents.count)].map(BSONValue.document)
            try client.run(["insert": .string(namespace.collection), "documents": .array(batch)], db: namespace.db)
        }
    }

    /// All documents of a scan, in the order in which they came, and the ranges they came from.
    static func scan(
        _ plan: ScanPlan, _ client: MongoClient, at time: Timestamp?
    ) throws -> [[BSONDocument]] {
        let scanner = RangeScanner(client: client)
        return try plan.ranges.map { range in
            var documents: [BSONDocument] = []
            try scanner.scan(range, at: time) { batch in
                try DocumentBatch.forEachDocument(inArray: batch) { documents.append(try BSONDocument(copying: $0)) }
            }
            return documents
        }
    }

    /// The listed description of one namespace.
    static func info(_ namespace: Namespace, _ deployment: MongoDeployment) throws -> CollectionInfo {
        let filter = NamespaceFilter(include: [namespace.description], exclude: [])
        guard let info = try Catalogue.list(deployment, filter: filter).first(where: { $0.namespace == namespace })
        else {
            throw CairnError(.notFound, "not listed", object: namespace.description)
        }
        return info
    }

    /// The time to read at: everything written so far is majority-committed then, as far as the client's node knows.
    static func settledTime(_ client: MongoClient) throws -> Timestamp {
        // The cluster time is gossiped, so a secondary knows of writes that it has not applied.
        let hello = try client.read(["hello": 1], db: "admin").document()
        let gossip = try hello.require("$clusterTime", as: BSONDocument.self, in: "hello")
        let time = try gossip.require("clusterTime", as: Timestamp.self, in: "hello")
        var settled = time
        try ThrowawayReplicaSet.wait(for: "majority") {
            guard let majority = try client.majorityTime() else { return false }
            settled = majority
            return majority >= time
        }
        return settled
    }
}
