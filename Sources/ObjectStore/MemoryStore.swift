public import Bytes
import Glibc
import Synchronization

/// Objects in memory: for tests and benchmarks, where the medium should cost nothing.
public final class MemoryStore: ObjectStore {
    private struct Entry {
        /// Never changed once it is in the table, so that several threads may read it.
        let content: Buffer
        let modified: Int64
    }

    /// For messages.
    public let location: String
    private let entries = Mutex<[ObjectName: Entry]>([:])

    /// An empty store.
    public init(location: String = "memory") {
        self.location = location
    }

    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        let content = Buffer(capacity: bytes.byteCount)
        content.append(bytes)
        let entry = Entry(content: content, modified: Int64(Glibc.time(nil)))
        let isTaken = entries.withLock { entries in
            if mode == .ifAbsent, entries[name] != nil { return true }
            entries[name] = entry
            return false
        }
        if isTaken {
            throw CairnError(.alreadyExists, "\(name) exists already in \(location)", object: name.path)
        }
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, into buffer: Buffer) throws {
        let content = try content(name)
        buffer.append(content.bytes)
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        precondition(range.lowerBound >= 0, "a range of an object begins at 0 or later")
        let content = try content(name)
        guard range.upperBound <= content.count else {
            throw Failure.truncated(name, location, size: content.count, range)
        }
        buffer.append(content.bytes.extracting(range))
    }

    /// As `ObjectStore` asks.
    public func stat(_ name: ObjectName) throws -> ObjectInfo? {
        entries.withLock { $0[name].map { ObjectInfo(name: name, size: $0.content.count, modified: $0.modified) } }
    }

    /// As `ObjectStore` asks.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        // The body may call the store, so it runs outside the lock.
        let found = entries.withLock { entries in
            entries.compactMap { name, entry in
                name.path.hasPrefix(prefix)
                    ? ObjectInfo(name: name, size: entry.content.count, modified: entry.modified) : nil
            }
        }
        for info in found { try body(info) }
    }

    /// As `ObjectStore` asks.
    public func delete(_ name: ObjectName) throws {
        entries.withLock { _ = $0.removeValue(forKey: name) }
    }

    /// Nothing to do.
    public func settle(_ names: [ObjectName]) throws {}

    private func content(_ name: ObjectName) throws -> Buffer {
        guard let entry = entries.withLock({ $0[name] }) else {
            throw CairnError(.notFound, "\(name) is missing in \(location)", object: name.path)
        }
        return entry.content
    }
}
