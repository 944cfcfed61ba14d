internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// Compares two archived states, collection by collection. Documents are joined by the exact bytes of their `_id`s.
///
/// Of collections that are nothing but leaves, equal leaf lists and equal chunks are skipped by their ids, so that the
/// time follows the difference and not the data. With runs or a window of the oplog on either side an equal chunk
/// need not mean equal documents; but where both sides stand on the same leaves, only the documents that runs and
/// oplog touched can differ, and the table holds those alone.
///
/// Memory is bounded whatever the difference: documents are joined in partitions by the hash of the `_id`, as many
/// as it takes, and what differs is read once for each. A document without `_id` counts as added or removed, never as
/// changed.
struct StateDiff {
    private let first: ArchivedState
    private let second: ArchivedState
    private let partitionDocuments: Int
    private let visitor: Diff.Visitor?

    /// A comparison from `first` to `second`.
    ///
    /// - Parameters:
    ///   - partitionDocuments: documents that are joined at a time, 48 bytes each: the memory.
    ///   - visitor: is told of every document that differs.
    init(
        from first: ArchivedState, to second: ArchivedState, partitionDocuments: Int = 1 << 20,
        visitor: Diff.Visitor? = nil
    ) {
        precondition(partitionDocuments > 0)
        self.first = first
        self.second = second
        self.partitionDocuments = partitionDocuments
        self.visitor = visitor
    }

    /// Calls `body` with each collection of either state, equal ones too, in the order of the namespaces.
    ///
    /// - Throws: `.corrupt` when a chunk that differs cannot be read, and where snapshot and oplog do not fit.
    func forEachCollection(_ body: (Diff.Collection) throws -> Void) throws {
        var old = first.collections[...]
        var new = second.collections[...]
        while let next = [old.first, new.first].compactMap({ $0?.entry }).min(by: CatalogueEntry.precedes) {
            let name = Namespace(of: next)
            let left = old.first.flatMap { Namespace(of: $0.entry) == name ? $0 : nil }
            let right = new.first.flatMap { Namespace(of: $0.entry) == name ? $0 : nil }
            if left != nil { old.removeFirst() }
            if right != nil { new.removeFirst() }
            try body(try compare(next.namespace, left, right))
        }
    }

    /// Compares one collection of the states, as each shows it.
    func compare(
        _ namespace: String, _ old: ArchivedCollection?, _ new: ArchivedCollection?
    ) throws -> Diff.Collection {
        var result = Diff.Collection(namespace: namespace)
        result.isNew = old == nil
        result.isGone = new == nil
        if let old, let new { result.definitionChanged = !old.entry.differences(from: new.entry).isEmpty }
        guard let pair = try differing(old, new) else { return result }
        // Nothing to join: the leaves have the counts.
        if visitor == nil, pair.suspects == nil, pair.old.isEmpty || pair.new.isEmpty,
            let removed = pair.old.documents, let added = pair.new.documents
        {
            result.added = added
            result.removed = removed
            return result
        }
        let partitions = max(1, (pair.documents + partitionDocuments - 1) / partitionDocuments)
        for partition in 0..<partitions {
            var join = DocumentJoin(
                namespace: namespace, partition: partition, partitions: partitions, suspects: pair.suspects,
                visitor: visitor)
            try join.run(pair.old, pair.new)
            result.added += join.added
            result.removed += join.removed
            result.changed += join.changed
        }
        return result
    }

    /// What of either side has to be read; nil when nothing can differ.
    private func differing(_ old: ArchivedCollection?, _ new: ArchivedCollection?) throws -> Pair? {
        guard let old, let new else {
            return Pair(old: DocumentSource(old, first), new: DocumentSource(new, second))
        }
        if old.entry.leaves == new.entry.leaves {
            if !old.isFolded, !new.isFolded, old.entry.runs == new.entry.runs { return nil }
            if let pair = try onSameLeaves(old, new) { return pair }
        } else if old.isPlain, new.isPlain {
            let (left, right) = try CommonLeaves.without(old.entry, first.reader, new.entry, second.reader)
            guard !left.isEmpty || !right.isEmpty else { return nil }
            return Pair(
                old: DocumentSource(old, first, leaves: left), new: DocumentSource(new, second, leaves: right))
        }
        return Pair(old: DocumentSource(old, first), new: DocumentSource(new, second))
    }

    /// Both sides stand on the same leaves, and perhaps on the same first runs: what the rest touched may differ.
    ///
    /// Without a fold, the side with more runs shows every touched document in them, and nowhere else.
    private func onSameLeaves(_ old: ArchivedCollection, _ new: ArchivedCollection) throws -> Pair? {
        let common = zip(old.entry.runs, new.entry.runs).prefix { $0 == $1 }.count
        let rest = [old, new].map { Array($0.entry.runs[common...]) }
        let folds = [old.fold, new.fold].compactMap { $0 }
        guard folds.count == [old, new].count(where: \.isFolded),
            rest.allSatisfy({ LayerTable.partitions(for: $0).count == 1 })
        else { return nil }
        let tables = try rest.filter { !$0.isEmpty }.map {
            try LayerTable($0, reader: first.reader.makeChunkReader())
        }
        var pair = Pair(old: DocumentSource(old, first), new: DocumentSource(new, second))
        pair.suspects = Suspects(tables: tables, folds: folds)
        pair.documents = min(
            pair.documents,
            rest.joined().reduce(0) { $0 + $1.documents + $1.removed } + folds.reduce(0) { $0 + $1.documentCount })
        guard folds.isEmpty else { return pair }
        if rest[0].isEmpty { pair.new = DocumentSource(new.keeping(runs: rest[1]), second) }
        if rest[1].isEmpty { pair.old = DocumentSource(old.keeping(runs: rest[0]), first) }
        return pair
    }
}

/// What is to be joined.
private struct Pair {
    var old: DocumentSource
    var new: DocumentSource
    /// Documents that may differ; nil stands for all.
    var suspects: Suspects?
    /// How many may have to be held at a time.
    var documents: Int

    init(old: DocumentSource, new: DocumentSource) {
        self.old = old
        self.new = new
        documents = max(old.estimate, new.estimate)
    }
}

extension ArchivedCollection {
    /// The same without its leaves, and of its runs only the last ones.
    fileprivate func keeping(runs: [Run]) -> ArchivedCollection {
        var copy = self
        copy.entry.leaves = .inline([])
        copy.entry.leafCount = 0
        copy.entry.documents = 0
        copy.entry.rawBytes = 0
        copy.entry.runs = runs
        return copy
    }
}
