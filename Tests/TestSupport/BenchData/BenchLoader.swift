import BSON
import Bytes
import Glibc
import Synchronization

/// Sends generated data to a server over several connections: the bare loop that bounds every restore.
///
/// A loop that makes its documents on the way shows what loading takes, a loop from memory what the server takes.
public struct BenchLoader: Sendable {
    private let uri: String
    private let data: BenchData
    private let threads: Int

    /// What was sent, and how long it took.
    public struct Total: Sendable {
        /// Documents inserted.
        public var documents = 0
        /// Their bytes.
        public var bytes = 0
        /// Wall time, indexes included.
        public var seconds = 0.0
    }

    private struct Batch: Sendable {
        let collection: BenchCollection
        let documents: Int
        let bytes: [UInt8]
    }

    /// A loader of `data` over `threads` connections.
    public init(uri: String, data: BenchData, threads: Int) {
        self.uri = uri
        self.data = data
        self.threads = max(threads, 1)
    }

    /// Creates the collections, inserts everything, builds the indexes.
    ///
    /// - Parameter fromMemory: make all data before the clock starts; needs as much memory.
    /// - Throws: `.server` when a document or an index is refused, `.unreachable` when a connection ends.
    public func run(indexes: Bool, fromMemory: Bool = false) throws -> Total {
        let ready = fromMemory ? prepare() : nil
        let start = Self.now()
        var total = try insert(ready)
        if indexes { try buildIndexes() }
        total.seconds = Self.now() - start
        return total
    }

    /// Blocks of all collections, those of one collection in order.
    private var blocks: [(collection: BenchCollection, number: Int)] {
        data.collections.flatMap { collection in (0..<data.blocks(of: collection)).map { (collection, $0) } }
    }

    private func prepare() -> [Batch] {
        var generator = BenchDataGenerator(data)
        return blocks.map { collection, number in
            let documents = generator.generate(collection, block: number)
            return Batch(collection: collection, documents: documents, bytes: generator.bytes)
        }
    }

    private func insert(_ ready: [Batch]?) throws -> Total {
        let blocks = blocks
        let next = Atomic<Int>(0)
        let outcome = Mutex<(total: Total, failure: (any Error)?)>((Total(), nil))
        let workers = (0..<threads).map { number in
            OwnedThread(name: "load-\(number)") { [data, uri] in
                do {
                    let client = try WireClient(uri: uri)
                    var generator = BenchDataGenerator(data)
                    while true {
                        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                        guard index < blocks.count, outcome.withLock({ $0.failure == nil }) else { return }
                        let batch = ready?[index] ?? Self.make(blocks[index], &generator)
                        try client.insert(
                            sequence: batch.bytes, db: batch.collection.db, collection: batch.collection.name)
                        outcome.withLock {
                            $0.total.documents += batch.documents
                            $0.total.bytes += batch.bytes.count
                        }
                    }
                } catch {
                    outcome.withLock { $0.failure = error }
                }
            }
        }
        for worker in workers { worker.join() }
        let (total, failure) = outcome.withLock { $0 }
        if let failure { throw failure }
        return total
    }

    private static func make(
        _ block: (collection: BenchCollection, number: Int), _ generator: inout BenchDataGenerator
    ) -> Batch {
        let documents = generator.generate(block.collection, block: block.number)
        return Batch(collection: block.collection, documents: documents, bytes: generator.bytes)
    }

    private func buildIndexes() throws {
        let client = try WireClient(uri: uri)
        for collection in data.collections where !collection.indexes.isEmpty {
            try client.run(
                [
                    "createIndexes": .string(collection.name),
                    "indexes": .array(collection.indexes.map { .document($0) }),
                ], db: collection.db)
        }
    }

    static func now() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
