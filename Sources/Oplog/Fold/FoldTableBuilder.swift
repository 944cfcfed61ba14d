import BSON
import Bytes

/// Takes the operations of one collection in commit order and keeps what they come to. Confined to one thread, and
/// frozen at the end.
///
/// An insert, a replacement or a delete supersedes what came before on the same document; updates are kept in a chain
/// and applied when the document is known.
public final class FoldTableBuilder {
    /// `db.collection`, for messages; follows renames.
    public var namespace: String
    private let hash: FoldHash
    private var contents = FoldRecords()
    private var discardsBase = false
    private let keepsPlaces: Bool

    /// Whether a document that keeps its place took on another identity.
    public private(set) var hasAliases = false

    /// An empty table of the documents in `partition`.
    ///
    /// - Parameter keepsPlaces: Whether a document that takes on another identity stays where it was: of a capped
    ///   collection, whose order is data. It must be in one partition then.
    public init(namespace: String, partition: FoldHash = FoldHash(), keepsPlaces: Bool = false) {
        precondition(!keepsPlaces || partition.partitionCount == 1, "an order is kept in one partition")
        self.namespace = namespace
        self.keepsPlaces = keepsPlaces
        hash = partition
    }

    /// Memory that the table takes, in bytes. Beside the operations that count it holds superseded ones.
    public var byteCount: Int { contents.byteCount }

    /// Adds an insert, update or delete.
    ///
    /// - Throws: `.corrupt` naming time, namespace and `_id` when it does not fit to what was there before it.
    public func add(_ operation: borrowing Operation) throws {
        try add(operation.entry, operation.time)
    }

    private func add(_ entry: OplogEntry, _ time: Timestamp) throws {
        let identity = try entry.identity
        guard identity.byteCount > 0 else {
            throw OplogFault.misfit("an operation on a document without an _id", time, namespace)
        }
        switch entry.kind {
        case .insert: try insert(identity, entry.object, time)
        case .delete: try delete(identity, time)
        case .update: try update(entry, identity, time)
        case .command, .noop: preconditionFailure("not an operation on a document")
        }
    }

    /// Forgets everything, the documents from before the window too: `emptycapped`.
    public func discardAll() {
        contents = FoldRecords()
        discardsBase = true
    }

    /// The finished table, which takes over what was added: nothing may be added afterwards.
    public func freeze() -> FoldTable {
        var finished = FoldRecords()
        swap(&finished, &contents)
        return FoldTable(namespace: namespace, contents: finished, hash: hash, discardsBase: discardsBase)
    }

    private func insert(_ identity: RawSpan, _ document: RawSpan, _ time: Timestamp) throws {
        let value = hash.of(identity)
        guard hash.isOwn(value) else { return }
        var record = find(identity, value)
        if let record, contents.records[record].flags & FoldRecord.lives != 0 {
            throw misfit("an insert of a document that is there already", identity, time)
        }
        if record == nil { record = try contents.add(identity, value, flags: 0, time: time) }
        guard let record else { return }
        contents.push(document, isWhole: true, time: time, onto: record)
        contents.records[record].flags |= FoldRecord.lives
        contents.records[record].time = time.rawValue
        contents.records[record].order = UInt32(contents.inserts.count)
        contents.inserts.append(UInt32(record))
    }

    private func delete(_ identity: RawSpan, _ time: Timestamp) throws {
        let value = hash.of(identity)
        guard hash.isOwn(value), let record = try living(identity, value, time, "a delete") else { return }
        let isNew = contents.records[record].flags & FoldRecord.expectsBase == 0
        contents.records[record].flags = isNew ? 0 : FoldRecord.expectsBase | FoldRecord.lostBase
        contents.dropChain(of: record)
        contents.records[record].time = time.rawValue
    }

    private func update(_ entry: OplogEntry, _ identity: RawSpan, _ time: Timestamp) throws {
        // The server lets a replacement change the number type of an `_id`: 1 becomes 1.0. To all that follows it is
        // another document, perhaps of another partition. Operators it refuses to do so, so that no diff has an `_id`
        // unless somebody wrote the oplog entry by hand (the command applyOps).
        let own = try UpdateApplier.writtenIdentity(entry.object)
        if own.byteCount > 0, !spansEqual(own, identity) {
            guard try entry.isReplacement else {
                // The whole document would be needed here, to go on with under its new identity.
                throw OplogFault.unknown("an update whose diff changes the type of the \"_id\"", time, namespace)
            }
            let stored = Buffer(capacity: entry.object.byteCount)
            try UpdateApplier.apply(update: entry.object, to: entry.object, into: stored)
            if keepsPlaces { return try replaceInPlace(identity, by: own, stored.bytes, time) }
            try delete(identity, time)
            return try insert(own, stored.bytes, time)
        }
        let value = hash.of(identity)
        guard hash.isOwn(value), let record = try living(identity, value, time, "an update") else { return }
        // A replacement that has its `_id` elsewhere is stored otherwise than written: applying it sees to that.
        let isWhole = try UpdateApplier.isStoredForm(entry.object)
        contents.push(entry.object, isWhole: isWhole, time: time, onto: record)
        contents.records[record].time = time.rawValue
    }

    /// A replacement after which the document is found by another identity.
    private func replaceInPlace(
        _ identity: RawSpan, by own: RawSpan, _ document: RawSpan, _ time: Timestamp
    ) throws {
        guard let record = try living(identity, hash.of(identity), time, "an update") else { return }
        contents.push(document, isWhole: true, time: time, onto: record)
        contents.records[record].time = time.rawValue
        let value = hash.of(own)
        let alias = try find(own, value) ?? contents.add(own, value, flags: 0, time: time)
        guard alias != record else { return }
        guard contents.records[alias].flags & FoldRecord.lives == 0 else {
            throw misfit("a replacement by a document that is there already", own, time)
        }
        contents.records[alias].flags |= FoldRecord.isElsewhere
        contents.records[alias].order = UInt32(record)
        hasAliases = true
    }

    /// The record that keeps what is done to an identity; nil when nothing was yet.
    private func find(_ identity: RawSpan, _ value: UInt64) -> Int? {
        guard var record = contents.find(identity, value) else { return nil }
        while contents.records[record].flags & FoldRecord.isElsewhere != 0 {
            record = Int(contents.records[record].order)
        }
        return record
    }

    /// The record of a document that must be there: of the window, or, when nothing was done to it yet, from before.
    private func living(_ identity: RawSpan, _ value: UInt64, _ time: Timestamp, _ what: String) throws -> Int? {
        if let record = find(identity, value) {
            guard contents.records[record].flags & FoldRecord.lives != 0 else {
                throw misfit("\(what) of a document that is not there", identity, time)
            }
            return record
        }
        guard !discardsBase else { throw misfit("\(what) of a document that is not there", identity, time) }
        return try contents.add(identity, value, flags: FoldRecord.expectsBase | FoldRecord.lives, time: time)
    }

    @inline(never)
    private func misfit(_ what: String, _ identity: RawSpan, _ time: Timestamp) -> CairnError {
        OplogFault.misfit("\(what), _id \(IdentityText.of(identity)),", time, namespace)
    }
}

extension OplogEntry {
    /// Whether an update's object is the whole new document.
    ///
    /// - Throws: `.corrupt` when the object is malformed.
    public var isReplacement: Bool {
        get throws { try UpdateApplier.isReplacement(object) }
    }
}
