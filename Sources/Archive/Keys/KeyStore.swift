public import Bytes
import ObjectStore

/// One key object, as `key list` shows it.
public struct KeyDescription: Hashable, Sendable {
    /// The id of the key object.
    public var id: RandomID
    /// What the user called it.
    public var label: String
    /// When it was added, in milliseconds since 1970-01-01 UTC.
    public var created: Int64
    /// Whether a passphrase opens it; a key file otherwise.
    public var isPassphrase: Bool
    /// Whether the repository was opened with it.
    public var isCurrent: Bool
}

/// The objects under `keys/`.
enum KeyStore {
    /// Every key object that belongs to the repository and can be read, and what is wrong with the others.
    struct Listing {
        var objects: [(key: KeyObject, bytes: Buffer)] = []
        var damaged: [CairnError] = []
    }

    static func list(_ store: any ObjectStore, repository: RandomID) throws -> Listing {
        try read(try ids(store), store, repository: repository)
    }

    /// What is in the folder, ascending.
    static func ids(_ store: any ObjectStore) throws -> [RandomID] {
        var ids: [RandomID] = []
        try store.list(prefix: Names.keys) { info in
            if let id = Names.keyID(of: info.name) { ids.append(id) }
        }
        return ids.sorted()
    }

    /// The key objects of those ids. Those that are gone are passed over.
    static func read(_ ids: [RandomID], _ store: any ObjectStore, repository: RandomID) throws -> Listing {
        var listing = Listing()
        for id in ids {
            let name = Names.key(id)
            do {
                guard let (key, bytes) = try read(store, id, name) else { continue }
                // Left over from an init that stopped before its config was there.
                if key.repository == repository { listing.objects.append((key, bytes)) }
            } catch let error as CairnError where error.code == .corrupt || error.code == .unsupportedFormat {
                listing.damaged.append(error)
            }
        }
        return listing
    }

    private static func read(
        _ store: any ObjectStore, _ id: RandomID, _ name: ObjectName
    ) throws -> (KeyObject, Buffer)? {
        let bytes = Buffer(capacity: 1024)
        do {
            try store.get(name, sizeMax: FormatLimits.keyObjectSizeMax, into: bytes)
        } catch let error as CairnError where error.code == .notFound {
            return nil
        }
        return (try KeyObject(id: id, bytes.bytes), bytes)
    }

    /// Tries `source` on every key object. format-spec.md §5.5 [K-9].
    ///
    /// - Returns: the keys, the object that gave them, and those that wrap no more master keys than it.
    /// - Throws: `.wrongKey` when none opens, naming damaged ones too; `.corrupt` when none is left to try.
    static func unlock(
        _ store: any ObjectStore, repository: RandomID, with source: KeySource
    ) throws -> (keys: KeyRing, by: RandomID, known: Set<RandomID>) {
        let listing = try list(store, repository: repository)
        var damaged = listing.damaged
        var tried = 0
        // After a rotation that stopped half-way a secret opens two objects. The one with more epochs reads everything,
        // and how many there are is told by the length of what is wrapped. [K-13]
        for (key, bytes) in listing.objects.sorted(by: { $0.key.wrapped.count > $1.key.wrapped.count }) {
            do {
                if key.method == source.method { tried += 1 }
                guard let masters = try key.unwrap(source) else { continue }
                let keys = KeyRing(masters: masters, repository: repository)
                try checkTag(
                    of: bytes.bytes, verificationKey: keys.verificationKey, prefix: key.id, object: key.name)
                let known = listing.objects.map(\.key).filter { $0.wrapped.count <= key.wrapped.count }
                return (keys, key.id, Set(known.map(\.id)))
            } catch let error as CairnError where error.code == .corrupt {
                damaged.append(error)
            }
        }
        let also = damaged.isEmpty ? "" : "; damaged key objects: " + damaged.map(\.description).joined(separator: "; ")
        if listing.objects.isEmpty {
            throw CairnError(
                .corrupt, "no usable key object is left: copy them back from a replica\(also)", object: Names.keys)
        }
        let what = source.method == .passphrase ? "passphrase" : "key file"
        throw CairnError(
            .wrongKey,
            tried == 0 && damaged.isEmpty
                ? "no key of this repository is a \(what)"
                : "this \(what) opens none of the \(tried) keys of its kind\(also)", object: Names.keys)
    }
}

extension Repository {
    /// All keys, oldest first. Labels and dates are authenticated.
    ///
    /// - Parameter damaged: is told of each key object that is damaged or altered.
    public func listKeys(damaged: (CairnError) -> Void = { _ in }) throws -> [KeyDescription] {
        let listing = try KeyStore.list(store, repository: config.id)
        listing.damaged.forEach(damaged)
        var result: [KeyDescription] = []
        for (key, bytes) in listing.objects {
            do {
                try checkTag(of: bytes.bytes, verificationKey: keys.verificationKey, prefix: key.id, object: key.name)
            } catch let error as CairnError {
                damaged(error)
                continue
            }
            result.append(
                KeyDescription(
                    id: key.id, label: key.label, created: key.created, isPassphrase: key.method == .passphrase,
                    isCurrent: key.id == openedBy))
        }
        return result.sorted { ($0.created, $0.id) < ($1.created, $1.id) }
    }

    /// Adds a key; the others stay.
    ///
    /// - Returns: its id.
    public func addKey(
        _ source: KeySource, label: String, cost: PassphraseCost = .standard
    ) throws -> RandomID {
        try requireWritable()
        let id = newID()
        let object = try KeyObject.make(
            id: id, source: source, keys: keys, label: label, created: now(),
            salt: surroundings.random(KeyObject.saltSize), cost: cost)
        try store.put(Names.key(id), object.bytes, mode: .ifAbsent)
        return id
    }

    /// Removes a key. Whoever has seen the master key by it keeps that: only rotation helps against them.
    ///
    /// - Throws: `.notFound`; `.usage` for the last usable key, without which nothing could be opened again.
    public func removeKey(_ id: RandomID) throws {
        try requireWritable()
        let remaining = try listKeys()
        guard remaining.contains(where: { $0.id == id }) else {
            throw CairnError(.notFound, "no such key: `cairn key list` shows them", object: Names.keys + id.hex)
        }
        guard remaining.count > 1 else {
            throw CairnError(
                .usage, "this is the last key: without it nothing could be opened again; add another one first",
                object: Names.keys + id.hex)
        }
        let bytes = Buffer(capacity: 1024)
        try store.get(Names.key(id), into: bytes)
        try store.delete(Names.key(id))
        // Somebody may have removed the other one in the same moment: of the two, the later finds none and undoes.
        if try listKeys().isEmpty { try store.put(Names.key(id), bytes.bytes, mode: .ifAbsent) }
    }
}
