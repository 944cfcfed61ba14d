internal import BSON
internal import Bytes

/// Where the documents of one side come from.
protocol JoinSource {
    /// Calls `body` with each document and its identity, borrowed for the call. May be called several times.
    func forEachDocument(_ body: (_ document: RawSpan, _ identity: RawSpan) throws -> Void) throws
}

/// Joins the documents of two sources by `_id`: those whose `_id` falls into one partition.
///
/// Keys are 128-bit SipHash values of the `_id` under a random key, values 64-bit ones of the document: 24 bytes a
/// document in the table. Two of 2^32 keys collide with a probability of 2^-65; nothing but this report would be
/// wrong then.
struct DocumentJoin {
    private struct Key: Hashable {
        let low: UInt64
        let high: UInt64

        func hash(into hasher: inout Hasher) { hasher.combine(low) }
    }

    private let namespace: String
    private let partition: Int
    private let partitions: Int
    private let suspects: Suspects?
    private let visitor: Diff.Visitor?
    private let hash: SipHash
    private var old: [Key: UInt64] = [:]
    /// Documents without `_id`, by the hash of their bytes: how many more the old side has.
    private var bare: [Key: Int] = [:]
    private(set) var added = 0
    private(set) var removed = 0
    private(set) var changed = 0

    /// - Parameter suspects: the documents that may differ; all when nil.
    init(namespace: String, partition: Int, partitions: Int, suspects: Suspects?, visitor: Diff.Visitor?) {
        self.namespace = namespace
        self.partition = partition
        self.partitions = partitions
        self.suspects = suspects
        self.visitor = visitor
        hash = SipHash(key: .random(16))
    }

    mutating func run(_ left: some JoinSource, _ right: some JoinSource) throws {
        try left.forEachDocument { document, identity in
            guard let key = key(document, identity) else { return }
            if identity.isEmpty {
                bare[key, default: 0] += 1
            } else {
                old[key] = hash.hash64(document)
            }
        }
        try right.forEachDocument { document, identity in try meet(document, identity) }
        removed = old.count + bare.values.reduce(0) { $0 + max(0, $1) }
        guard visitor != nil, !old.isEmpty else { return }
        try left.forEachDocument { document, identity in
            guard !identity.isEmpty, let key = key(document, identity), old.removeValue(forKey: key) != nil else {
                return
            }
            try visitor?(namespace, .removed, identity)
        }
    }

    private mutating func meet(_ document: RawSpan, _ identity: RawSpan) throws {
        guard let key = key(document, identity) else { return }
        if identity.isEmpty {
            let surplus = bare[key, default: 0]
            bare[key] = surplus - 1
            if surplus <= 0 { added += 1 }
            return
        }
        guard let before = old.removeValue(forKey: key) else {
            added += 1
            try visitor?(namespace, .added, identity)
            return
        }
        guard before != hash.hash64(document) else { return }
        changed += 1
        try visitor?(namespace, .changed, identity)
    }

    /// The key of a document, nil when it cannot differ or belongs to another partition.
    ///
    /// The partition cannot follow from `hash`, whose key is drawn anew for each: a document must be in exactly one.
    private func key(_ document: RawSpan, _ identity: RawSpan) -> Key? {
        if let suspects, !suspects.contains(identity) { return nil }
        let subject = identity.isEmpty ? document : identity
        if partitions > 1 {
            let place = SipHash(key0: 0, key1: 0).hash64(subject)
            guard Int(truncatingIfNeeded: place % UInt64(partitions)) == partition else { return nil }
        }
        let (low, high) = hash.hash128(subject)
        return Key(low: low, high: high)
    }
}
