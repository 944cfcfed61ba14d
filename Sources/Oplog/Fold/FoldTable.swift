import BSON
import Bytes

/// What a window of the oplog did to the documents of one collection, to be applied to the documents that were there
/// before it while they stream past. Made by `FoldTableBuilder`; from then on it does not change but for the flags of
/// what was seen, so any number of threads may use it at once.
///
/// - Complexity: Looking up a document is one hash of its `_id` and about one probe. Memory is that of the changed
///   documents' `_id`s, 32 to 50 bytes each on top, and of the operations that were not superseded.
public final class FoldTable: Sendable {
    /// What became of a document that was there before the window.
    public enum Outcome: Sendable {
        /// It is as it was.
        case untouched
        /// It is now what the scratch holds.
        case replaced
        /// It is gone.
        case removed
        /// It belongs to another partition, whose pass decides.
        case foreign
    }

    /// `db.collection`, for messages.
    public let namespace: String
    private let contents: FoldRecords
    private let seen: SeenFlags
    private let hash: FoldHash
    private let discardsBase: Bool

    init(
        namespace: String, contents: consuming FoldRecords, hash: FoldHash, discardsBase: Bool
    ) {
        self.namespace = namespace
        seen = SeenFlags(contents.records.count)
        self.contents = contents
        self.hash = hash
        self.discardsBase = discardsBase
    }

    /// Memory that the table takes, in bytes.
    public var byteCount: Int { contents.byteCount + contents.records.count / 8 }

    /// Whether every document is as it was, and none is new.
    public var isEmpty: Bool { contents.records.isEmpty && !discardsBase }

    /// The number of documents that were touched.
    public var documentCount: Int { contents.records.count }

    /// Whether the window did anything to the document with this identity, whether or not it was there before.
    public func touches(_ identity: RawSpan) -> Bool {
        discardsBase || contents.find(identity, hash.of(identity)) != nil
    }

    /// What the window made of `document`, which was there before it.
    ///
    /// - Parameter identity: its `_id` as `DocumentIdentity.idBytes` gives it.
    /// - Throws: `.corrupt` naming time, namespace and `_id` when the history does not fit: the document was inserted
    ///   although it is there, or comes twice. `.unsupportedFormat` for an update of an unknown form.
    public func apply(
        _ document: RawSpan, identity: RawSpan, into scratch: FoldScratch
    ) throws -> Outcome {
        let value = hash.of(identity)
        guard hash.isOwn(value) else { return .foreign }
        if discardsBase { return .removed }
        guard let number = contents.find(identity, value) else { return .untouched }
        let record = contents.records[number]
        guard record.flags & FoldRecord.expectsBase != 0 else {
            throw misfit("an insert of a document that is there already", number)
        }
        guard !seen.set(number) else { throw misfit("a document that the snapshot holds twice", number) }
        if record.flags & FoldRecord.lostBase != 0 { return .removed }
        try build(record, from: document, number, scratch)
        return .replaced
    }

    /// Calls `body` with each document that was not there before the window, or was inserted anew, in the order of the
    /// inserts: of a capped collection they come behind those that were there.
    ///
    /// - Throws: as `apply`; what `body` throws.
    public func forEachRemaining(
        into scratch: FoldScratch, _ body: (_ document: RawSpan, _ identity: RawSpan) throws -> Void
    ) throws {
        for (order, number) in contents.inserts.enumerated() {
            let record = contents.records[Int(number)]
            let isBaseless = record.flags & (FoldRecord.expectsBase | FoldRecord.lostBase) != FoldRecord.expectsBase
            guard record.order == order, record.flags & FoldRecord.lives != 0, isBaseless else { continue }
            try build(record, from: nil, Int(number), scratch)
            let document = scratch.document
            try body(document.bytes, DocumentIdentity.idBytes(of: document.bytes))
        }
    }

    /// Demands that every document that the window changed or deleted, and that must have been there before it, was
    /// given to `apply`. To be asked once all documents have been.
    ///
    /// - Throws: `.corrupt` naming time, namespace and `_id` of one that was not.
    public func checkAllSeen() throws {
        guard !discardsBase else { return }
        for (number, record) in contents.records.enumerated()
        where record.flags & FoldRecord.expectsBase != 0 && !seen.isSet(number) {
            throw misfit("a change of a document that is not there", number)
        }
    }

    /// Forgets which documents were seen, for another pass over them.
    public func forgetSeen() { seen.clear() }

    /// Leaves in `scratch` what the chain makes of `document`.
    private func build(
        _ record: FoldRecord, from document: RawSpan?, _ number: Int, _ scratch: FoldScratch
    ) throws {
        try scratch.build(record.chain, in: contents.arena, from: document) { error, time in
            CairnError(
                error.code, "the update at \(time) of _id \(contents.identityText(number)): \(error.message)",
                object: namespace, offset: error.offset, underlying: error)
        }
    }

    @inline(never)
    private func misfit(_ what: String, _ number: Int) -> CairnError {
        OplogFault.misfit(
            "\(what), _id \(contents.identityText(number)),",
            Timestamp(rawValue: contents.records[number].time), namespace)
    }
}
