import Bytes

/// Names of collections, byte by byte: Swift compares strings by canonical equivalence, MongoDB by bytes.
enum Namespaces {
    /// `db.name` as a dictionary key.
    typealias Key = [UInt8]

    static func key(_ database: String, _ name: String) -> Key { Array(database.utf8) + [0x2E] + Array(name.utf8) }

    /// Splits at the first dot, for a database name has none; nil when either part is empty.
    static func split(_ namespace: String) -> (database: String, name: String)? {
        let bytes = Array(namespace.utf8)
        guard let dot = bytes.firstIndex(of: 0x2E), dot > 0, dot < bytes.count - 1 else { return nil }
        return (String(decoding: bytes[..<dot], as: UTF8.self), String(decoding: bytes[(dot + 1)...], as: UTF8.self))
    }

    static let bucketsPrefix = "system.buckets."

    /// Databases of the server itself.
    static func isServers(_ database: String) -> Bool { database == "local" || database == "config" }

    /// What no catalogue lists: the server's own state, and definitions that are kept as views. The same list as the
    /// one by which a snapshot is taken.
    static func isSkipped(_ database: String, _ name: String) -> Bool {
        if isServers(database) { return true }
        if name == "system.views" || name == "system.profile" || name == "system.preimages" { return true }
        if name == "system.indexBuilds" || name.dropping("system.resharding.") != nil { return true }
        if name.dropping("system.drop.") != nil { return true }
        guard database == "admin", name.dropping("system.") != nil else { return false }
        return name != "system.users" && name != "system.roles" && name != "system.js"
    }

    /// Names that the server gives to collections it fills before it renames them: `$out`, `convertToCapped`, renames
    /// across databases, map-reduce. Those that were being filled when the snapshot was taken are not in it.
    static func looksTemporary(_ name: String) -> Bool { name.dropping("tmp") != nil }
}
