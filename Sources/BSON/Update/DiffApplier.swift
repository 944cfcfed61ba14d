public import Bytes

/// Applies the diffs that servers write for updates (`$v: 2`; src/mongo/db/update/document_diff_serialization.h and
/// document_diff_applier.cpp).
///
/// A diff of a document has sections, each at most once and in this order:
///
///     d: {f: false}       remove f
///     u: {f: value}       the new value of f where it stands; appended when it is absent
///     i: {f: value}       f removed where it stands, and appended
///     b: {f: {o, d}}      compressed columns of time series: the bytes from offset o on become d
///     s<f>: {…}           the diff of the document or array f; any number of them
///
/// A diff of an array starts with `a: true` and goes on with `l: length`, if any, and ascending `u<index>: value` and
/// `s<index>: {…}`. Names are never paths: they may be empty, hold dots or start with `$`.
///
/// Applying is idempotent, as on a server: a nested diff of an absent field does nothing, one of a field of another
/// type leaves null, because such a field is overwritten by a later update.
public enum DiffApplier {
    /// Appends to `result` what `diff` makes of `document`. On an error nothing is appended.
    ///
    /// - Throws: as `UpdateApplier.apply`.
    public static func apply(diff: RawSpan, to document: RawSpan, into result: Buffer) throws(CairnError) {
        guard DocumentView.isFramed(diff) else { throw Malformed.framing(diff.byteCount) }
        guard DocumentView.isFramed(document) else { throw Malformed.framing(document.byteCount) }
        let start = result.count
        var merge = DiffMerge(diff: diff, document: document, result: result)
        do throws(CairnError) {
            try merge.mergeDocument(diffAt: 0, documentAt: 0, depth: 1)
            try merge.checkSize()
        } catch {
            result.truncate(to: start)
            throw error
        }
    }
}
