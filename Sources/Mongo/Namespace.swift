internal import Bytes

/// A database and a collection name, compared byte by byte.
///
/// Swift compares strings by canonical equivalence, so two collections whose names differ only in Unicode
/// normalisation (legal in MongoDB) would be one key of a dictionary. Hence the own `==`, `hash` and `<`, on UTF-8.
public struct Namespace: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The database's name.
    public let db: String
    /// The collection's name; may hold dots, spaces, `$`, line feeds.
    public let collection: String

    /// Names as the server gives them.
    public init(_ db: String, _ collection: String) {
        self.db = db
        self.collection = collection
    }

    /// Splits `db.collection` at the first dot (a database name has none); nil when either part is empty.
    public init?(_ text: String) {
        guard let dot = text.utf8.firstIndex(of: UInt8(ascii: ".")) else { return nil }
        db = String(text[..<dot])
        collection = String(text[text.utf8.index(after: dot)...])
        if db.isEmpty || collection.isEmpty { return nil }
    }

    /// `db.collection`.
    public var description: String { "\(db).\(collection)" }

    /// Byte equality.
    public static func == (left: Namespace, right: Namespace) -> Bool {
        left.db.hasSameBytes(as: right.db) && left.collection.hasSameBytes(as: right.collection)
    }

    /// Byte order of the database name, then of the collection name.
    public static func < (left: Namespace, right: Namespace) -> Bool {
        left.db.hasSameBytes(as: right.db)
            ? left.collection.precedesInBytes(right.collection) : left.db.precedesInBytes(right.db)
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        for byte in db.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8(0))
        for byte in collection.utf8 { hasher.combine(byte) }
    }
}

extension Set<Namespace> {
    /// The databases, sorted.
    public var databases: [String] { Set(map { Namespace($0.db, "") }).sorted().map(\.db) }
}
