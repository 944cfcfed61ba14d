public import Bytes

/// What a store knows of an object without reading it.
public struct ObjectInfo: Hashable, Sendable {
    /// The object's name.
    public let name: ObjectName
    /// The object's size in bytes.
    public let size: Int
    /// When it was put, by the clock of the store, in seconds since 1970-01-01 UTC.
    public let modified: Int64

    /// Everything given.
    public init(name: ObjectName, size: Int, modified: Int64) {
        self.name = name
        self.size = size
        self.modified = modified
    }
}

/// What a put does when the name is taken.
public enum PutMode: Sendable {
    /// Fails with `.alreadyExists`; of several concurrent puts of one name exactly one succeeds. For everything that is
    /// written once, which is all but leases.
    case ifAbsent
    /// Takes the place of the old object in one step: a reader sees the old bytes or the new ones, whole. For leases.
    case replace
}

/// What holds objects: immutable blobs with a name.
///
/// Calls block, and may come from several threads at once. They throw `CairnError`. A call that threw may have taken
/// effect or not; it never has taken effect in part: an object is visible whole or not at all. What a decorator
/// (`RetryingStore`, `ThrottledStore`) adds, it adds to any store; `Tests/TestSupport/StoreConformance.swift` states as
/// code what every store must do.
public protocol ObjectStore: Sendable {
    /// Where the objects are, for messages; never holds a secret.
    var location: String { get }

    /// How many calls at once the store gains from: 1 where it is the medium that takes the time, more where it is the
    /// way to it.
    var parallelism: Int { get }

    /// Stores `bytes` under `name`. When it returns, a power cut does not lose the object.
    ///
    /// The store does not keep `bytes`, and streams them without a copy of its own where the medium allows.
    /// Throws `.alreadyExists` (mode `.ifAbsent`), `.noSpace`, `.io`, and for remote stores `.unreachable`.
    func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws

    /// The same for a store with several tiers. What nothing is said of counts as seldom read.
    func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode, use: ObjectUse) throws

    /// Appends the whole object to `buffer`. Throws `.notFound`. A buffer is as before after an error.
    func get(_ name: ObjectName, into buffer: Buffer) throws

    /// As `get(_:into:)`, for an object of at most `sizeMax` bytes: what is larger is not read into memory.
    ///
    /// Throws `.notFound`, and `.corrupt` for a larger object.
    func get(_ name: ObjectName, sizeMax: Int, into buffer: Buffer) throws

    /// Appends exactly the bytes `range` of the object to `buffer`.
    ///
    /// Throws `.notFound`, and `.corrupt` with the offset when the object ends before the range does. A buffer is as
    /// before after an error.
    func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws

    /// As `get(_:range:into:)`, for bytes that are likely to be asked for again, also by other processes: a store with
    /// a cache keeps them in it.
    func getOften(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws

    /// Drops what a cache keeps of an object, which proved to be damaged.
    ///
    /// - Returns: whether there was anything: reading once more then is reading from the store itself.
    func forget(_ name: ObjectName) -> Bool

    /// Size and age of an object, nil when there is none.
    func stat(_ name: ObjectName) throws -> ObjectInfo?

    /// Calls `body` once for every object whose path begins with `prefix`, in any order; an empty prefix means all.
    ///
    /// Objects that are put or deleted meanwhile may be named or not; all others are. What cannot be read throws:
    /// a listing that returns is complete, for deletions rest on it. Things whose name is no `ObjectName`, which no
    /// put can have made, are passed over. What `body` throws ends the listing and is passed on.
    func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws

    /// Calls `body` once for every object whose path begins with one of `prefixes`, none of which begins another, in
    /// any order; otherwise as `list(prefix:_:)`. What a store can list in one request, it does.
    func list(prefixes: [String], _ body: (ObjectInfo) throws -> Void) throws

    /// Removes an object, durably. Absent is fine.
    func delete(_ name: ObjectName) throws

    /// Makes sure that objects that were listed or read survive a power cut.
    ///
    /// `put` does so for its own objects before it returns. But another writer's put may be seen before it returns, and
    /// a process that died inside it never comes to its end. Whoever is about to refer to objects of others asks this
    /// first. A store that shows objects only once they are durable has nothing to do.
    func settle(_ names: [ObjectName]) throws

    /// The part of the store that cannot be read at once; nil where there is none.
    var archive: (any ArchiveTier)? { get }

    /// Until when a retention policy keeps an object as it is, in seconds since 1970-01-01 UTC; nil without such.
    func retention(of name: ObjectName) throws -> Int64?
}

/// A store of one tier.
extension ObjectStore {
    /// A put like any other.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode, use: ObjectUse) throws {
        try put(name, bytes, mode: mode)
    }

    /// None.
    public var archive: (any ArchiveTier)? { nil }

    /// None.
    public func retention(of name: ObjectName) throws -> Int64? { nil }
}

/// What most stores need not bring themselves.
extension ObjectStore {
    /// Asks for the size first.
    public func get(_ name: ObjectName, sizeMax: Int, into buffer: Buffer) throws {
        guard let info = try stat(name) else {
            throw CairnError(.notFound, "\(name) is missing in \(location)", object: name.path)
        }
        try info.requireSize(atMost: sizeMax)
        try get(name, into: buffer)
    }

    /// 1.
    public var parallelism: Int { 1 }

    /// Nothing is kept.
    public func getOften(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try get(name, range: range, into: buffer)
    }

    /// Nothing is kept.
    public func forget(_ name: ObjectName) -> Bool { false }

    /// One listing after the other.
    public func list(prefixes: [String], _ body: (ObjectInfo) throws -> Void) throws {
        for prefix in prefixes { try list(prefix: prefix, body) }
    }
}

extension ObjectInfo {
    /// Throws `.corrupt` for an object of more than `sizeMax` bytes.
    public func requireSize(atMost sizeMax: Int) throws {
        guard size > sizeMax else { return }
        throw CairnError(
            .corrupt, "an object of \(size) bytes, where at most \(sizeMax) belong, is too large", object: name.path)
    }
}
