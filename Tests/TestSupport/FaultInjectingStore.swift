public import Bytes
public import ObjectStore
import Synchronization

/// Any store, with faults at the level of objects: for what a remote store or a lying disk does to an archive.
public final class FaultInjectingStore: ObjectStore {
    /// The calls that a test can decide about.
    public enum Operation: String, Sendable {
        case put, get, getRange, stat, list, delete, settle
    }

    /// One call, before it is made.
    public struct Call: Sendable {
        /// What is called.
        public let operation: Operation
        /// The object's path, or the prefix of a listing.
        public let path: String
        /// Its number among all calls, from 1 on.
        public let index: Int
        /// Its number among the calls of the same operation, from 1 on.
        public let number: Int
    }

    /// What happens instead of the call, or to its result.
    public enum Fault: Sendable {
        /// It fails and has no effect.
        case fail(CairnError)
        /// It takes effect, but the answer is lost.
        case loseAnswer(CairnError)
        /// This and every later call fails.
        case stop
        /// What is put or got ends after this many bytes, and nobody says so.
        case truncate(to: Int)
        /// One bit of what is put or got is flipped, and nobody says so; taken modulo the length.
        case flipBit(Int)
    }

    private struct State {
        var calls = 0
        var numbers: [Operation: Int] = [:]
        var isStopped = false
    }

    private let base: any ObjectStore
    private let decide: @Sendable (Call) -> Fault?
    private let state = Mutex(State())

    /// Where the base store is.
    public var location: String { base.location }
    /// How many calls there were.
    public var calls: Int { state.withLock { $0.calls } }

    /// `decide` is called before each call, on the caller's thread and without a lock: it may block to freeze the call.
    public init(_ base: any ObjectStore, decide: @escaping @Sendable (Call) -> Fault? = { _ in nil }) {
        self.base = base
        self.decide = decide
    }

    private func admit(_ operation: Operation, _ path: String) throws -> Fault? {
        let stopped = CairnError(.io, "the injected fault stopped \(location)", object: path)
        let call: Call = try state.withLock { state in
            if state.isStopped { throw stopped }
            state.calls += 1
            state.numbers[operation, default: 0] += 1
            return Call(
                operation: operation, path: path, index: state.calls, number: state.numbers[operation] ?? 0)
        }
        let fault = decide(call)
        switch fault {
        case .fail(let error):
            throw error
        case .stop:
            state.withLock { $0.isStopped = true }
            throw stopped
        default:
            return fault
        }
    }

    private func answer(_ fault: Fault?) throws {
        if case .loseAnswer(let error) = fault { throw error }
    }

    /// What the fault makes of `bytes`, nil when nothing.
    private func damaged(_ bytes: RawSpan, _ fault: Fault?) -> [UInt8]? {
        var result = [UInt8](bytes)
        switch fault {
        case .truncate(let count):
            return Array(result.prefix(count))
        case .flipBit(let bit):
            guard !result.isEmpty else { return nil }
            result[bit / 8 % result.count] ^= 1 << UInt8(bit % 8)
            return result
        default:
            return nil
        }
    }

    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        let fault = try admit(.put, name.path)
        if let damaged = damaged(bytes, fault) {
            try base.put(name, damaged.rawSpan, mode: mode)
        } else {
            try base.put(name, bytes, mode: mode)
        }
        try answer(fault)
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, into buffer: Buffer) throws {
        try getting(.get, name, buffer) { try base.get(name, into: $0) }
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try getting(.getRange, name, buffer) { try base.get(name, range: range, into: $0) }
    }

    private func getting(
        _ operation: Operation, _ name: ObjectName, _ buffer: Buffer, _ body: (Buffer) throws -> Void
    ) throws {
        let fault = try admit(operation, name.path)
        let own = Buffer(capacity: 0)
        try body(own)
        try answer(fault)
        if let damaged = damaged(own.bytes, fault) { buffer.append(damaged) } else { buffer.append(own.bytes) }
    }

    /// As `ObjectStore` asks.
    public func stat(_ name: ObjectName) throws -> ObjectInfo? {
        let fault = try admit(.stat, name.path)
        let info = try base.stat(name)
        try answer(fault)
        return info
    }

    /// As `ObjectStore` asks.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        let fault = try admit(.list, prefix)
        try base.list(prefix: prefix, body)
        try answer(fault)
    }

    /// As `ObjectStore` asks.
    public func delete(_ name: ObjectName) throws {
        let fault = try admit(.delete, name.path)
        try base.delete(name)
        try answer(fault)
    }

    /// As `ObjectStore` asks.
    public func settle(_ names: [ObjectName]) throws {
        let fault = try admit(.settle, names.first?.path ?? "")
        try base.settle(names)
        try answer(fault)
    }
}
