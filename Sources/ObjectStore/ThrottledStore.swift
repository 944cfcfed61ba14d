public import Bytes
import Synchronization

/// Any store, at no more than a given number of bytes a second on average, in each direction, over all threads.
///
/// An object passes at full speed and the pause comes after it, before the next: the protocol moves whole objects, and
/// at pack size (16 MiB) the average is what counts on a line that others share.
public final class ThrottledStore: ObjectStore {
    private let base: any ObjectStore
    private let uploads: Pacer?
    private let downloads: Pacer?

    /// Where the base store is.
    public var location: String { base.location }
    /// As the base store's.
    public var parallelism: Int { base.parallelism }

    /// Rates are in bytes a second; nil means no limit. `wait` blocks the calling thread; tests put a recorder here.
    public init(
        _ base: any ObjectStore, uploadRate: Int? = nil, downloadRate: Int? = nil,
        wait: @escaping @Sendable (Duration) -> Void = pause
    ) {
        self.base = base
        uploads = uploadRate.map { Pacer(bytesPerSecond: $0, wait: wait) }
        downloads = downloadRate.map { Pacer(bytesPerSecond: $0, wait: wait) }
    }

    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        try put(name, bytes, mode: mode, use: .seldom)
    }

    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode, use: ObjectUse) throws {
        uploads?.pass(bytes.byteCount)
        try base.put(name, bytes, mode: mode, use: use)
    }

    /// As `ObjectStore` asks.
    public var archive: (any ArchiveTier)? { base.archive }

    /// As `ObjectStore` asks.
    public func retention(of name: ObjectName) throws -> Int64? { try base.retention(of: name) }

    /// As `ObjectStore` asks. The size is known only afterwards, so the next download waits for this one.
    public func get(_ name: ObjectName, into buffer: Buffer) throws {
        try charging(buffer) { try base.get(name, into: buffer) }
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, sizeMax: Int, into buffer: Buffer) throws {
        try charging(buffer) { try base.get(name, sizeMax: sizeMax, into: buffer) }
    }

    private func charging(_ buffer: Buffer, _ body: () throws -> Void) throws {
        downloads?.pass(0)
        let before = buffer.count
        try body()
        downloads?.charge(buffer.count - before)
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        downloads?.pass(0)
        try base.get(name, range: range, into: buffer)
        downloads?.charge(range.count)
    }

    /// As `ObjectStore` asks.
    public func stat(_ name: ObjectName) throws -> ObjectInfo? { try base.stat(name) }

    /// As `ObjectStore` asks.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        try base.list(prefix: prefix, body)
    }

    /// As `ObjectStore` asks.
    public func list(prefixes: [String], _ body: (ObjectInfo) throws -> Void) throws {
        try base.list(prefixes: prefixes, body)
    }

    /// As `ObjectStore` asks.
    public func delete(_ name: ObjectName) throws { try base.delete(name) }

    /// As `ObjectStore` asks.
    public func settle(_ names: [ObjectName]) throws { try base.settle(names) }
}

/// Spaces bytes out over time: each passage moves the instant from which the next may start.
private final class Pacer: Sendable {
    private let bytesPerSecond: Int
    private let wait: @Sendable (Duration) -> Void
    private let free = Mutex(ContinuousClock.now)

    init(bytesPerSecond: Int, wait: @escaping @Sendable (Duration) -> Void) {
        precondition(bytesPerSecond > 0, "a rate is positive")
        self.bytesPerSecond = bytesPerSecond
        self.wait = wait
    }

    /// Waits for what passed before, then counts `bytes`.
    func pass(_ bytes: Int) {
        let delay = free.withLock { free in
            let now = ContinuousClock.now
            let start = max(free, now)
            free = start + cost(bytes)
            return start - now
        }
        if delay > .zero { wait(delay) }
    }

    /// Counts bytes that have passed already.
    func charge(_ bytes: Int) {
        free.withLock { $0 = max($0, .now) + cost(bytes) }
    }

    private func cost(_ bytes: Int) -> Duration {
        .seconds(Double(bytes) / Double(bytesPerSecond))
    }
}
