internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

extension BSONDocument {
    /// `{"_id": …}` as extended JSON, for messages.
    var identityText: String { (try? ExtendedJSON.canonical(self)) ?? "a document whose _id cannot be shown" }
}

extension Leaf {
    /// `from … to …` of a leaf's first and last `_id`, for messages; empty where they were not kept.
    var identityRange: String {
        guard !firstID.isEmpty, !lastID.isEmpty, let first = try? DocumentIdentity.document(of: firstID.rawSpan),
            let last = try? DocumentIdentity.document(of: lastID.rawSpan)
        else { return "" }
        return " from \(first.identityText) to \(last.identityText), in the order they were read"
    }
}
