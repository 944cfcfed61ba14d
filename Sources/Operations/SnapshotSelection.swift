public import Archive
internal import Bytes
internal import Mongo

extension Repository {
    /// The snapshot that a user means: `latest`, a whole id, or the start of one.
    ///
    /// - Throws: `.notFound` when there is none, `.usage` when the start fits several or is no hexadecimal number;
    ///   `.corrupt` for `latest` when a snapshot cannot be read, for it might be the latest: an older one in its place
    ///   would be a silent loss.
    public func selectSnapshot(_ text: String) throws -> Snapshot {
        guard text == "latest" else { return try snapshot(try resolveSnapshot(prefix: text)) }
        var damaged: (RandomID, CairnError)?
        let readable = try snapshots { id, error in damaged = damaged ?? (id, error) }
        if let (id, error) = damaged {
            throw CairnError(
                .corrupt, "it may be the latest snapshot and cannot be read: name another one by its id",
                object: "snapshots/\(id.hex)", underlying: error)
        }
        guard let latest = readable.last else {
            throw CairnError(.notFound, "the repository holds no snapshot yet: `cairn backup` takes one")
        }
        return latest
    }
}

extension SnapshotReader {
    /// The catalogue entry of a namespace.
    ///
    /// - Throws: `.notFound`; `.usage` when `namespace` is not of the form `db.collection`.
    func entry(of namespace: String) throws -> CatalogueEntry {
        guard let wanted = Namespace(namespace) else {
            throw CairnError(.usage, "a namespace is written db.collection", object: namespace)
        }
        var found: CatalogueEntry?
        try forEachEntry { entry in
            if Namespace(of: entry) == wanted { found = entry }
        }
        guard let found else {
            throw CairnError(
                .notFound, "snapshot \(snapshot.id.hex.prefix(8)) has no such namespace: `cairn show` lists them",
                object: namespace)
        }
        return found
    }
}
