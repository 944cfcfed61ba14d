internal import Archive
internal import BSON
internal import Bytes
internal import ObjectStore

/// What replication itself has to remember, kept in the replica, which it marks as one: when it last succeeded, and
/// since when which objects are gone from the source. format-spec.md §9.5 [G-7].
///
/// Not sealed, because replication has no key; it holds names of objects and times, nothing of what is in them.
struct ReplicaRecord: Equatable {
    /// Seconds since 1970 of the last run that left nothing missing; 0 for none.
    var lastSuccess: Int64 = 0
    /// When an object was first seen to be gone from the source, by its path.
    var goneSince: [String: Int64] = [:]

    static let name = Names.replicaMark

    init() {}

    /// Reads the record; nil when there is none, so that the store is no replica. One that cannot be understood counts
    /// as empty: what was to be deleted then waits out its grace once more.
    init?(from replica: any ObjectStore) throws {
        let bytes = Buffer(capacity: 4096)
        do {
            try replica.get(Self.name, into: bytes)
        } catch let error as CairnError where error.code == .notFound {
            return nil
        }
        guard let document = try? BSONDocument(validating: bytes.array),
            let success = try? document.require("lastSuccess", as: Int.self, in: Self.name.path),
            let gone = try? document.require("gone", as: BSONDocument.self, in: Self.name.path)
        else { return }
        lastSuccess = Int64(success)
        for (path, value) in gone.fields {
            if case .int64(let time) = value { goneSince[path] = time }
        }
    }

    /// Writes the record in place of the old one.
    func write(to replica: any ObjectStore) throws {
        let gone = BSONDocument { gone in
            for (path, time) in goneSince.sorted(by: { $0.key < $1.key }) { gone.append(path, .int64(time)) }
        }
        let document: BSONDocument = ["lastSuccess": .int64(lastSuccess), "gone": .document(gone)]
        try replica.put(Self.name, document.bytes.rawSpan, mode: .replace)
    }
}
