/// Why an incremental read a collection from its start.
enum ScanReason: Sendable {
    /// The parent does not have it: created, dropped and made again, or come from `$out` or another database.
    case new
    /// More than a third of its documents changed.
    case changed
    /// It has as many runs as an entry may have.
    case runs
    /// It is capped, and was written to.
    case capped
    /// It has no index on `_id`, and was written to.
    case unindexed
    /// A document changed that the server does not find by its `_id`.
    case unfindable

    /// Changes beyond this share of a collection's documents are dearer to read one by one than the collection as a
    /// whole: a third.
    static func isExceeded(changed: Int, of documents: Int) -> Bool { changed > documents / 3 }

    /// For people and for `--json`.
    var text: String {
        switch self {
        case .new: "new"
        case .changed: "more than a third changed"
        case .runs: "too many runs"
        case .capped: "capped and written to"
        case .unindexed: "written to, and no index on _id"
        case .unfindable: "an _id changed by which the server does not find its document"
        }
    }
}
