import BSON
import Bytes

/// Tells whether one update makes the one before it superfluous, without knowing the document.
///
/// Two diffs (`$v: 2`) of one shape touch the same fields in the same way, so whatever the first left behind, the
/// second writes over it: a field that `u` or `i` names gets the new value at the same place, one that `d` names is
/// gone either way, and a sub-diff either meets the same kind of value or the null that the first put there. A counter
/// that is increased a million times is then one update. Patches of binary columns (`b`) build on each other and never
/// match.
enum DiffShape {
    /// Deeper diffs are kept one by one.
    private static let depthMax = 32

    /// Whether `new` alone does to every document what `old` and then `new` do. Both are the field `o` of an update.
    ///
    /// Malformed updates are never superfluous: their errors are to be seen.
    static func supersedes(_ new: RawSpan, _ old: RawSpan) -> Bool {
        do throws(CairnError) {
            guard let newDiff = try diff(new), let oldDiff = try diff(old) else { return false }
            return try isSame(newDiff, oldDiff, depth: 0)
        } catch {
            return false
        }
    }

    /// The diff in `{$v: 2, diff: {…}}`; nil for updates of another form.
    @_lifetime(copy update)
    private static func diff(_ update: RawSpan) throws(CairnError) -> DocumentView? {
        var elements = try DocumentView(update).makeElements()
        guard let version = try elements.next(), version.isNamed("$v"), version.integer == 2,
            let diff = try elements.next(), diff.isNamed("diff"), try elements.next() == nil
        else { return nil }
        return diff.document
    }

    private static func isSame(_ new: DocumentView, _ old: DocumentView, depth: Int) throws(CairnError) -> Bool {
        guard depth < depthMax else { return false }
        var news = new.makeElements()
        var olds = old.makeElements()
        var isArray: Bool?
        while let own = try news.next() {
            guard let other = try olds.next(), spansEqual(own.name, other.name), own.name.byteCount > 0 else {
                return false
            }
            let isFirstOfArray = isArray == nil && own.isNamed("a")
            isArray = isArray ?? isFirstOfArray
            if isFirstOfArray { continue }
            guard try isSame(own, other, inArray: isArray ?? false, depth: depth) else { return false }
        }
        return try olds.next() == nil
    }

    private static func isSame(
        _ new: borrowing ElementView, _ old: borrowing ElementView, inArray: Bool, depth: Int
    ) throws(CairnError) -> Bool {
        switch new.name.byte(at: 0) {
        case UInt8(ascii: "s"):
            guard let own = new.document, let other = old.document else { return false }
            return try isSame(own, other, depth: depth + 1)
        case UInt8(ascii: "l"): return inArray && spansEqual(new.value, old.value)
        case UInt8(ascii: "u") where inArray: return true
        case UInt8(ascii: "d"), UInt8(ascii: "u"), UInt8(ascii: "i"):
            guard !inArray, new.name.byteCount == 1, let own = new.document, let other = old.document else {
                return false
            }
            return try haveSameNames(own, other)
        default: return false
        }
    }

    private static func haveSameNames(_ new: DocumentView, _ old: DocumentView) throws(CairnError) -> Bool {
        var news = new.makeElements()
        var olds = old.makeElements()
        while let own = try news.next() {
            guard let other = try olds.next(), spansEqual(own.name, other.name) else { return false }
        }
        return try olds.next() == nil
    }
}
