public import Bytes
import Synchronization

/// Any store, with copies of what is read again and again kept nearby: small objects that are put once, and parts of
/// packs that `getOften` asks for.
///
/// What exists is the store's to say: a whole object comes from the cache only while the last listing of its folder by
/// this process names it, with the size that the copy has. So what others remove is gone here as well, as of that
/// listing. Copies are as the store holds them, encrypted, and their readers authenticate them: one that proves to be
/// damaged is dropped (`forget`) and read from the store.
public final class CachingStore: ObjectStore {
    private typealias Sizes = [ObjectName: Int]

    private let base: any ObjectStore
    private let cache: ObjectCache
    /// What was listed last of each of the folders whose objects are kept.
    private let listed: Mutex<[String: Sizes]>

    /// Where the base store is.
    public var location: String { base.location }
    /// As the base store's.
    public var parallelism: Int { base.parallelism }

    /// Keeps copies of the objects in `folders`, each with its slash, and of parts of others, in `cache`. What is in
    /// those folders must be put once, or be replaced by what means the same.
    public init(_ base: any ObjectStore, cache: ObjectCache, folders: [String]) {
        self.base = base
        self.cache = cache
        listed = Mutex(Dictionary(uniqueKeysWithValues: folders.map { ($0, Sizes()) }))
    }

    private static func folder(_ path: String) -> String {
        path.utf8.firstIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? ""
    }

    /// The size that an object of which copies are kept was listed with.
    private func listedSize(_ name: ObjectName) -> Int? {
        listed.withLock { $0[Self.folder(name.path)]?[name] }
    }

    private func note(_ name: ObjectName, size: Int?) {
        let folder = Self.folder(name.path)
        listed.withLock { if $0[folder] != nil { $0[folder]?[name] = size } }
    }

    private func isKept(_ name: ObjectName) -> Bool { listed.withLock { $0[Self.folder(name.path)] != nil } }

    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        try put(name, bytes, mode: mode, use: .seldom)
    }

    /// As `ObjectStore` asks.
    public var archive: (any ArchiveTier)? { base.archive }

    /// As `ObjectStore` asks.
    public func retention(of name: ObjectName) throws -> Int64? { try base.retention(of: name) }

    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode, use: ObjectUse) throws {
        try base.put(name, bytes, mode: mode, use: use)
        guard isKept(name) else { return }
        note(name, size: bytes.byteCount)
        cache.keep(name, bytes)
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, into buffer: Buffer) throws {
        try get(name, buffer, sizeMax: .max) { try base.get(name, into: buffer) }
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, sizeMax: Int, into buffer: Buffer) throws {
        try get(name, buffer, sizeMax: sizeMax) { try base.get(name, sizeMax: sizeMax, into: buffer) }
    }

    private func get(_ name: ObjectName, _ buffer: Buffer, sizeMax: Int, _ fetch: () throws -> Void) throws {
        guard let size = listedSize(name), size <= sizeMax else { return try fetch() }
        if cache.read(name, size: size, into: buffer) { return }
        let start = buffer.count
        try fetch()
        cache.keep(name, buffer.bytes.extracting(start...))
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try base.get(name, range: range, into: buffer)
    }

    /// As `ObjectStore` asks.
    public func getOften(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        let entry = ObjectName("\(name.path).\(range.lowerBound)-\(range.upperBound)")
        if let entry, cache.read(entry, size: range.count, into: buffer) { return }
        let start = buffer.count
        try base.get(name, range: range, into: buffer)
        if let entry { cache.keep(entry, buffer.bytes.extracting(start...)) }
    }

    /// As `ObjectStore` asks.
    public func forget(_ name: ObjectName) -> Bool {
        let hadParts = cache.drop(prefix: name.path + ".")
        let hadWhole = cache.drop(name)
        return base.forget(name) || hadParts || hadWhole
    }

    /// As `ObjectStore` asks.
    public func stat(_ name: ObjectName) throws -> ObjectInfo? { try base.stat(name) }

    /// As `ObjectStore` asks.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        try list(prefixes: [prefix], body)
    }

    /// As `ObjectStore` asks.
    public func list(prefixes: [String], _ body: (ObjectInfo) throws -> Void) throws {
        // A folder that is listed as a whole is known from then on; one of which a part is listed stays as it was.
        var found: [String: Sizes] = [:]
        for folder in listed.withLock({ Array($0.keys) }) where prefixes.contains(where: { folder.hasPrefix($0) }) {
            found[folder] = [:]
        }
        try base.list(prefixes: prefixes) { info in
            let folder = Self.folder(info.name.path)
            if found[folder] != nil { found[folder]?[info.name] = info.size }
            try body(info)
        }
        listed.withLock { $0.merge(found) { _, new in new } }
    }

    /// As `ObjectStore` asks.
    public func delete(_ name: ObjectName) throws {
        note(name, size: nil)
        try base.delete(name)
        if isKept(name) { cache.drop(name) }
    }

    /// As `ObjectStore` asks.
    public func settle(_ names: [ObjectName]) throws { try base.settle(names) }
}
