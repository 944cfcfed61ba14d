internal import BSON
internal import Bytes
internal import Mongo

/// The `_id` of a document as people and programs read it.
enum IdentityJSON {
    /// The value of an `_id` element in canonical extended JSON; nil for the empty bytes of a document without one.
    static func text(_ identity: RawSpan) throws -> String? {
        guard !identity.isEmpty else { return nil }
        let document = try ExtendedJSON.canonical(try DocumentIdentity.document(of: identity))
        // `{ "_id" : VALUE }`: what stands between the first colon and the last brace, in whatever spacing.
        let value = document.drop { $0 != ":" }.dropFirst().dropLast()
        return String(value.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
