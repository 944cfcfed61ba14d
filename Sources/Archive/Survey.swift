import Bytes
import ObjectStore

/// What some folders of a repository hold, listed at once: names, sizes and ages. What a store can list in one request
/// is money saved by whoever needs several folders.
struct Survey: Sendable {
    private let infos: [String: [ObjectInfo]]
    /// When it was taken, by a clock that never goes back.
    let taken: ContinuousClock.Instant

    /// Lists the folders of `kinds`, and of the key objects with `keys`.
    ///
    /// Everything that was put before the call, and is not deleted, is named. Of what happens meanwhile nothing is
    /// known, not even an order: who needs one thing to be seen after another takes two surveys.
    init(_ kinds: [ObjectKind], keys: Bool = false, in store: any ObjectStore) throws {
        taken = .now
        var infos: [String: [ObjectInfo]] = [:]
        for folder in kinds.map(\.folder) + (keys ? [Names.keys] : []) { infos[folder] = [] }
        try store.list(prefixes: infos.keys.sorted()) { info in
            guard let slash = info.name.path.firstIndex(of: "/") else { return }
            infos[String(info.name.path[...slash]), default: []].append(info)
        }
        self.infos = infos
    }

    /// The objects of a kind that was surveyed. Those whose name is not an id are passed over: `check` names them.
    func objects(_ kind: ObjectKind) -> [(id: RandomID, info: ObjectInfo)] {
        found(kind.folder).compactMap { info in Names.id(of: info.name, kind: kind).map { ($0, info) } }
    }

    /// Whether an object of that name is among those of the folder of `kind`.
    func names(_ name: ObjectName, in kind: ObjectKind) -> Bool { found(kind.folder).contains { $0.name == name } }

    /// Their ids, ascending.
    func ids(_ kind: ObjectKind) -> [RandomID] { objects(kind).map(\.id).sorted() }

    /// The ids of the key objects, ascending.
    var keys: [RandomID] { found(Names.keys).compactMap { Names.keyID(of: $0.name) }.sorted() }

    private func found(_ folder: String) -> [ObjectInfo] {
        guard let found = infos[folder] else { preconditionFailure("\(folder) was not surveyed") }
        return found
    }
}

extension Repository {
    /// The folders of the objects that may be kept in a cache. They are put once; when they are encrypted anew under
    /// their own names they go on meaning the same (format-spec.md §11.2 ). Not leases, which are replaced, nor
    /// keys, which a rotation takes away from those who had them.
    public static var cacheableFolders: [String] {
        [ObjectKind.index, .snapshot, .segment, .audit, .condemned, .fence].map(\.folder)
    }
}
