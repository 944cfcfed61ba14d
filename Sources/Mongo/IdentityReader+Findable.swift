internal import BSON
internal import Bytes

extension IdentityReader {
    /// Whether the server can be asked for documents by this `_id`.
    ///
    /// The server's index keys end a DBPointer's namespace with its first zero byte. Seen on 6.0.5, for no other type
    /// of `_id`, at the top of it or nested: a clustered collection does not find such a document by any filter; with
    /// an index on `_id`, an `$in` of several finds it only sometimes, and often never ends. A scan shows it.
    public static func canFind(_ identity: RawSpan) -> Bool {
        guard identity.byteCount > 0, mayHoldPointer(identity) else { return true }
        guard let document = try? DocumentIdentity.document(of: identity) else { return true }
        return canFind(.document(document))
    }

    /// The same for an `_id` that is parsed.
    static func canFind(_ id: BSONValue) -> Bool { !holdsCutPointer(id) }

    /// Cheap, for every changed document passes here.
    private static func mayHoldPointer(_ identity: RawSpan) -> Bool {
        switch BSONType(rawValue: identity.byte(at: 0)) {
        case .dbPointer: return true
        case .document, .codeWithScope:
            return (1..<identity.byteCount).contains { identity.byte(at: $0) == BSONType.dbPointer.rawValue }
        default: return false
        }
    }

    private static func holdsCutPointer(_ value: BSONValue) -> Bool {
        switch value {
        case .dbPointer(let namespace, _): return namespace.utf8.contains(0)
        case .document(let document), .codeWithScope(_, let document):
            return document.fields.contains { holdsCutPointer($0.value) }
        case .array(let elements): return elements.contains(where: holdsCutPointer)
        default: return false
        }
    }
}
