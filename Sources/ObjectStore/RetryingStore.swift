public import Bytes
import Glibc

/// When and how long a `RetryingStore` waits before it tries again.
public struct RetryPolicy: Sendable {
    /// How often a call is tried in all, at least once.
    public var triesMax: Int
    /// The longest wait before the second try; it doubles with each further one.
    public var firstDelay: Duration
    /// The longest wait of all.
    public var delayMax: Duration
    /// How waiting is done; tests put a recorder here.
    public var wait: @Sendable (Duration) -> Void

    /// Six tries within about 15 seconds unless told otherwise.
    public init(
        triesMax: Int = 6, firstDelay: Duration = .milliseconds(500), delayMax: Duration = .seconds(30),
        wait: @escaping @Sendable (Duration) -> Void = pause
    ) {
        precondition(triesMax >= 1, "a call is tried at least once")
        self.triesMax = triesMax
        self.firstDelay = firstDelay
        self.delayMax = delayMax
        self.wait = wait
    }

    /// The wait after failure number `failures`: half of the bound is certain and the other half random, so that many
    /// clients that a store turned away together do not come back together, yet none comes back at once.
    public func delay(afterFailures failures: Int) -> Duration {
        var bound = firstDelay
        for _ in 1..<max(failures, 1) where bound < delayMax { bound *= 2 }
        bound = min(bound, delayMax)
        return bound / 2 + bound / 2 * Double.random(in: 0...1)
    }

    /// Whether trying again can help. What the store *answered* (not found, exists, full, damaged, refused) stands;
    /// what kept it from answering may pass.
    public static func isTransient(_ error: any Error) -> Bool {
        guard let error = error as? CairnError else { return false }
        switch error.code {
        case .unreachable, .server:
            return true
        case .io:
            guard let cause = error.underlying as? SystemError else { return true }
            return ![EACCES, EPERM, EROFS, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EFBIG, EINVAL].contains(cause.number)
        default:
            return false
        }
    }
}

/// Blocks the calling thread.
@Sendable
public func pause(_ duration: Duration) {
    let end = ContinuousClock.now + duration
    while true {
        let left = end - .now
        if left <= .zero { return }
        // usleep may refuse a second or more, and a signal ends it early.
        let (seconds, attoseconds) = left.components
        usleep(seconds > 0 ? 999_999 : UInt32(attoseconds / 1_000_000_000_000) + 1)
    }
}

/// Any store, with calls tried again when an error may pass.
public final class RetryingStore: ObjectStore {
    private let base: any ObjectStore
    private let policy: RetryPolicy

    /// Where the base store is.
    public var location: String { base.location }
    /// As the base store's.
    public var parallelism: Int { base.parallelism }

    /// Decorates `base`.
    public init(_ base: any ObjectStore, policy: RetryPolicy = RetryPolicy()) {
        self.base = base
        self.policy = policy
    }

    /// A put whose answer was lost finds its own object when it is tried again. So after a failed try, an object that
    /// exists and has the same bytes is the success of the earlier try.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        try put(name, bytes, mode: mode, use: .seldom)
    }

    /// As `ObjectStore` asks.
    public var archive: (any ArchiveTier)? { base.archive }

    /// As `ObjectStore` asks.
    public func retention(of name: ObjectName) throws -> Int64? { try base.retention(of: name) }

    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode, use: ObjectUse) throws {
        var failures = 0
        while true {
            do {
                return try base.put(name, bytes, mode: mode, use: use)
            } catch let error as CairnError where error.code == .alreadyExists && failures > 0 {
                if try holds(name, bytes) { return }
                throw error
            } catch {
                try waitAfter(error, &failures)
            }
        }
    }

    private func holds(_ name: ObjectName, _ bytes: RawSpan) throws -> Bool {
        guard try stat(name)?.size == bytes.byteCount else { return false }
        let stored = Buffer(capacity: bytes.byteCount)
        try get(name, into: stored)
        return spansEqual(stored.bytes, bytes)
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, into buffer: Buffer) throws {
        try retrying { try base.get(name, into: buffer) }
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, sizeMax: Int, into buffer: Buffer) throws {
        try retrying { try base.get(name, sizeMax: sizeMax, into: buffer) }
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try retrying { try base.get(name, range: range, into: buffer) }
    }

    /// As `ObjectStore` asks.
    public func stat(_ name: ObjectName) throws -> ObjectInfo? {
        try retrying { try base.stat(name) }
    }

    /// The listing is collected before `body` sees any of it: a second try would name objects twice, and an error of
    /// `body` is not the store's.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        let found = try retrying {
            var found: [ObjectInfo] = []
            try base.list(prefix: prefix) { found.append($0) }
            return found
        }
        for info in found { try body(info) }
    }

    /// As `ObjectStore` asks; what fails together is tried again one by one, since it may be many requests.
    public func list(prefixes: [String], _ body: (ObjectInfo) throws -> Void) throws {
        var found: [ObjectInfo] = []
        do {
            try base.list(prefixes: prefixes) { found.append($0) }
        } catch  where RetryPolicy.isTransient(error) {
            found.removeAll()
            for prefix in prefixes { try list(prefix: prefix) { found.append($0) } }
        }
        for info in found { try body(info) }
    }

    /// As `ObjectStore` asks.
    public func delete(_ name: ObjectName) throws {
        try retrying { try base.delete(name) }
    }

    /// As `ObjectStore` asks.
    public func settle(_ names: [ObjectName]) throws {
        try retrying { try base.settle(names) }
    }

    private func retrying<Result>(_ body: () throws -> Result) throws -> Result {
        var failures = 0
        while true {
            do {
                return try body()
            } catch {
                try waitAfter(error, &failures)
            }
        }
    }

    /// Counts the failure and waits, or throws it on when no further try can help.
    private func waitAfter(_ error: any Error, _ failures: inout Int) throws {
        failures += 1
        guard failures < policy.triesMax, RetryPolicy.isTransient(error) else { throw error }
        policy.wait(policy.delay(afterFailures: failures))
    }
}
