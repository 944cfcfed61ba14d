public import BSON
internal import Bytes

/// One operation that took effect, with the time at which it did.
public struct Operation: ~Escapable {
    /// What is done; never a noop, nor an `applyOps` or the end of a transaction.
    public let entry: OplogEntry
    /// When it became visible: the entry's time, that of a transaction's last entry, or the commit timestamp of a
    /// prepared transaction. It may lie before that of an operation given earlier, never of one on the same document
    /// or collection: a prepared transaction holds both until it ends.
    public let time: Timestamp

    /// An operation at a time.
    @_lifetime(copy entry)
    public init(_ entry: OplogEntry, at time: Timestamp) {
        self.entry = entry
        self.time = time
    }

    /// What kind.
    public var kind: OplogEntry.Kind { entry.kind }

    /// The name of a command: the first field of its object; empty for other kinds.
    ///
    /// - Throws: `.corrupt` when the object is malformed or empty.
    public var command: String {
        get throws {
            guard entry.kind == .command else { return "" }
            var elements = try DocumentView(entry.object).makeElements()
            guard let first = try elements.next() else { throw OplogFault.malformed("o", entry.timestamp) }
            return first.nameText
        }
    }
}
