public import Bytes

/// Turns a document into the one that an update of the oplog made of it.
///
/// The field `o` of an update entry is one of:
///
///     {$v: 2, diff: {…}}                   a diff (`DiffApplier`); written by servers since 4.4
///     {$v: 1, $set: {…}, $unset: {…}}      dotted paths (`PathApplier`); written by servers up to 5.0
///     {_id: …, …}                          the new document itself
///
/// Anything else stops the caller with `.unsupportedFormat` naming the key: what is not understood is never skipped.
public enum UpdateApplier {
    /// What a server keeps at most of one document: 16 MiB for users, 16 KiB more for itself
    /// (BSONObjMaxInternalSize in src/mongo/bson/util/builder.h).
    public static let byteCountMax = 16 << 20 + 16 << 10

    /// Appends to `result` what `update`, the field `o` of an update entry, makes of `document`.
    ///
    /// Values are copied unread; so the result is well-formed where both inputs are. On an error nothing is appended.
    ///
    /// - Throws: `.unsupportedFormat` naming the key that is not understood, `.corrupt` for malformed bytes or a diff
    ///   that cannot belong to this document, `.limit` when the result would exceed `byteCountMax`.
    public static func apply(
        update: RawSpan, to document: RawSpan, into result: Buffer
    ) throws(CairnError) {
        let start = result.count
        do throws(CairnError) {
            try dispatch(update, document, result)
            try moveIDToFront(of: result, from: start)
        } catch {
            result.truncate(to: start)
            throw error
        }
    }

    /// Whether `update`, the field `o` of an update entry, is the new document itself: such a one has an `_id`.
    ///
    /// The first key does not tell them apart, for a document may start with a field named `$v`: servers since 5.0
    /// store such names, and pipelines leave `_id` wherever they put it (UpdateModification::parseFromOplogEntry).
    ///
    /// - Throws: `.corrupt` for malformed bytes before the `_id`.
    public static func isReplacement(_ update: RawSpan) throws(CairnError) -> Bool {
        try DocumentIdentity.idBytes(of: update).byteCount > 0
    }

    /// The identity bytes (`DocumentIdentity`) that `update` writes: of a replacement its own, of a diff the `_id` that
    /// it sets; empty when it sets none.
    ///
    /// An update may change the number type of an `_id`, from 1 to 1.0, which the server holds for equal.
    ///
    /// - Throws: `.corrupt` for malformed bytes on the way.
    @_lifetime(copy update)
    public static func writtenIdentity(_ update: RawSpan) throws(CairnError) -> RawSpan {
        let own = try DocumentIdentity.idBytes(of: update)
        guard own.byteCount == 0 else { return own }
        var elements = try DocumentView(update).makeElements()
        while let element = try elements.next() {
            guard element.type == .document else { continue }
            if element.isNamed("$set") { return try DocumentIdentity.idBytes(of: element.value) }
            guard element.isNamed("diff") else { continue }
            var sections = try DocumentView(element.value).makeElements()
            while let section = try sections.next() {
                guard section.isNamed("u") || section.isNamed("i"), section.type == .document else { continue }
                let identity = try DocumentIdentity.idBytes(of: section.value)
                if identity.byteCount > 0 { return identity }
            }
        }
        return own
    }

    private static func dispatch(_ update: RawSpan, _ document: RawSpan, _ result: Buffer) throws(CairnError) {
        guard try !isReplacement(update) else { return try replace(with: update, result) }
        var elements = try DocumentView(update).makeElements()
        guard let first = try elements.next() else { throw UpdateFault.missing("$v", in: "update") }
        guard first.isNamed("$v") else { throw UpdateFault.unknownKey(first.name, in: "update") }
        switch first.integer {
        case 2:
            guard let diff = try elements.next() else { throw UpdateFault.missing("diff", in: "update") }
            guard diff.isNamed("diff") else { throw UpdateFault.unknownKey(diff.name, in: "update") }
            guard diff.type == .document else { throw UpdateFault.mistyped(diff.name, diff.type, in: "update") }
            if let next = try elements.next() { throw UpdateFault.unknownKey(next.name, in: "update") }
            try DiffApplier.apply(diff: diff.value, to: document, into: result)
        case 1:
            try PathApplier.apply(operators: elements, to: document, into: result)
        default:
            throw UpdateFault.unknownVersion(first)
        }
    }

    /// Servers store an updated document with its `_id` in front, wherever the update left it (ensureIdFieldIsFirst in
    /// src/mongo/db/exec/update_stage.cpp); the oplog has it as the update left it.
    private static func moveIDToFront(of result: Buffer, from start: Int) throws(CairnError) {
        let first = start + 4
        let count = result.count - start
        if count >= 10, result.bytes.integer(at: first + 1, as: UInt32.self) == DocumentIdentity.nameWord { return }
        let rest: [UInt8]
        let id: [UInt8]
        do {
            let document = result.bytes.extracting(start..<result.count)
            let found = try DocumentIdentity.idBytes(of: document)
            guard let range = document.byteOffsets(of: found), range.lowerBound > 4 else { return }
            id = [UInt8](found)
            rest = [UInt8](document.extracting(4..<range.lowerBound))
        }
        result.overwrite(at: first, with: id.rawSpan)
        result.overwrite(at: first + id.count, with: rest.rawSpan)
    }

    /// Whether `update`, the field `o` of an update entry, is a new document just as a server stores it.
    ///
    /// - Throws: `.corrupt` for malformed bytes before the `_id`.
    public static func isStoredForm(_ update: RawSpan) throws(CairnError) -> Bool {
        guard update.byteCount >= 10, try isReplacement(update) else { return false }
        return update.integer(at: 5, as: UInt32.self) == DocumentIdentity.nameWord
    }

    private static func replace(with replacement: RawSpan, _ result: Buffer) throws(CairnError) {
        guard replacement.byteCount <= byteCountMax else { throw UpdateFault.tooLarge }
        result.append(replacement)
    }
}
