internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// Takes oplog entries in order and collects which `_id`s they change, for one pass. Confined to one thread.
///
/// Whether a transaction commits is not asked: its `_id`s are taken where its entries stand. Reading an `_id` back that
/// did not change yields what is stored already. And what an entry does to an `_id` first tells whether the document
/// was there before: the transaction holds the document from then on. Entries that stand before the pass's time are
/// fetched when a later entry points back to them, so a transaction that was open at that time is seen whole.
struct ChangeCollector {
    /// What is looked up and noted for each operation: the little of a `TrackedCollection` that fits a few words.
    private struct Watch {
        let since: Timestamp
        let until: Timestamp
        let hasRuns: Bool
        var isTouched = false
        var needsCount = false
    }

    /// By the collections' indexes.
    private var watched: [Watch?]
    private(set) var parts: ChangeParts
    private(set) var changes: ChangeSet
    /// Operations seen, of tracked collections only.
    private(set) var operations = 0
    private let byKey: [UUIDKey: Int]
    private let budget: Int
    /// Up to this time there may be changes that are in runs or scans already.
    let latest: Timestamp

    init(collections: [TrackedCollection?], parts: ChangeParts, hash: SipHash, budget: Int) {
        watched = collections.map { collection in
            collection.map { Watch(since: $0.since, until: $0.until, hasRuns: $0.hasRuns) }
        }
        self.parts = parts
        self.budget = budget
        changes = ChangeSet(hash: hash)
        var byKey: [UUIDKey: Int] = [:]
        for (index, collection) in collections.enumerated() { if let key = collection?.key { byKey[key] = index } }
        self.byKey = byKey
        let known = collections.compactMap { $0?.until }
        latest = max(parts.latest ?? Timestamp(rawValue: 0), known.max() ?? Timestamp(rawValue: 0))
    }

    /// Takes one entry.
    ///
    /// - Parameters:
    ///   - time: when it counts; that of the entry that points back to it, for an earlier one of a transaction.
    /// - Throws: `.unsupportedFormat` for an operation that is not known, `.limit` when parts cannot be made smaller.
    mutating func take(_ entry: borrowing OplogEntry, at time: Timestamp) throws {
        try entry.forEachChange { change in
            guard let key = change.uuid, let index = byKey[key], let watch = watched[index] else { return }
            guard time > watch.since else { return }
            operations += 1
            let identity = change.identity
            guard watch.hasRuns, IdentityReader.canFind(identity) else {
                watched[index]?.isTouched = true
                return
            }
            let hash = changes.hash64(identity)
            let part = parts.part(hash)
            guard parts.active[part], time > parts.times[part] else { return }
            if time <= watch.until { watched[index]?.needsCount = true }
            changes.insert(identity, hash: hash, collection: index, existed: change.kind != .insert)
        }
        while changes.byteCount > budget { try shrink() }
    }

    private mutating func shrink() throws {
        try parts.halve()
        let parts = parts
        changes.retain { _, hash in parts.active[parts.part(hash)] }
    }

    /// Notes in `collections` what was seen of them.
    func note(in collections: inout [TrackedCollection?]) {
        for (index, watch) in watched.enumerated() {
            if watch?.isTouched ?? false { collections[index]?.isTouched = true }
            if watch?.needsCount ?? false { collections[index]?.needsCount = true }
        }
    }

    /// About how many of all `_id`s of a collection changed, by those of the parts that the pass serves.
    func estimate(of collection: Int) -> Int {
        changes.count(of: collection) * parts.times.count / max(1, parts.active.count { $0 })
    }

    /// Leaves out collections that will be scanned instead.
    mutating func drop(_ dropped: Set<Int>) {
        guard !dropped.isEmpty else { return }
        changes.retain { collection, _ in !dropped.contains(collection) }
    }
}
