import BSON
import Bytes

/// Whether two servers hold the same, judged by the servers' own `dbHash` and by what they say of their collections:
/// nothing of the program under test takes part.
public enum ServerComparison {
    /// What to compare beside data, options and indexes.
    public struct Options: Sendable {
        /// Databases left out.
        public var excludedDatabases: Set<String> = ["admin", "config", "local"]
        /// The only ones that are compared; nil for all but those left out.
        public var onlyDatabases: [String]?
        /// The collections' UUIDs too, which only a restore that keeps them brings back.
        public var comparesUUIDs = false
        /// Users and roles (admin.system.users, admin.system.roles) too.
        public var comparesUsers = false

        /// Everything but UUIDs and users.
        public init() {}
    }

    /// How the second server differs from the first, one line each; empty when both hold the same.
    ///
    /// - Throws: `.server` or `.unreachable` when one of them does not answer.
    public static func differences(
        _ first: WireClient, _ second: WireClient, options: Options = Options()
    ) throws -> [String] {
        let databases = (try databaseNames(first, options), try databaseNames(second, options))
        var differences = setDifferences(databases.0, databases.1, "database")
        for db in databases.0.intersection(databases.1).sorted().map(\.description) {
            let collections = (try catalogue(first, db, options), try catalogue(second, db, options))
            differences += mapDifferences(collections.0, collections.1, "\(db): ")
            let hashes = (try dataHashes(first, db), try dataHashes(second, db))
            differences += mapDifferences(hashes.0, hashes.1, "\(db): data of ")
            for (name, entry) in collections.0.sorted(by: { $0.key < $1.key }) where entry.isCapped {
                let orders = (
                    try naturalOrder(first, db, name.description), try naturalOrder(second, db, name.description)
                )
                if orders.0 != orders.1 { differences.append("\(db): order of documents in capped \(name)") }
            }
        }
        if options.comparesUsers { differences += try userDifferences(first, second) }
        return differences
    }

    /// The number of namespaces that `differences` looks at on one server.
    ///
    /// - Throws: `.server` or `.unreachable` when it does not answer.
    public static func namespaceCount(_ client: WireClient, options: Options = Options()) throws -> Int {
        try databaseNames(client, options).reduce(0) { try $0 + catalogue(client, $1.description, options).count }
    }

    /// Text compared byte by byte: two names that Swift holds for one string, because they differ in Unicode
    /// normalisation only, are two collections.
    private struct Exact: Hashable, Comparable, CustomStringConvertible {
        let bytes: [UInt8]

        init(_ text: String) { bytes = Array(text.utf8) }

        var description: String { String(decoding: bytes, as: UTF8.self) }

        static func < (left: Exact, right: Exact) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
    }

    private struct Entry: Equatable, CustomStringConvertible {
        let isCapped: Bool
        let text: Exact

        var description: String { text.description }
    }

    private static func databaseNames(_ client: WireClient, _ options: Options) throws -> Set<Exact> {
        let reply = try client.run(["listDatabases": 1, "nameOnly": true], db: "admin")
        let databases: [BSONDocument] = try reply.require("databases", in: "listDatabases")
        let names = try databases.map { try $0.require("name", as: String.self, in: "listDatabases") }
        if let only = options.onlyDatabases { return Set(names.map(Exact.init)).intersection(only.map(Exact.init)) }
        return Set(names.map(Exact.init)).subtracting(options.excludedDatabases.map(Exact.init))
    }

    private static func catalogue(_ client: WireClient, _ db: String, _ options: Options) throws -> [Exact: Entry] {
        var entries: [Exact: Entry] = [:]
        for listed in try client.documents(of: ["listCollections": 1], db: db) {
            let name: String = try listed.require("name", in: "listCollections")
            let type: String = try listed.require("type", in: "listCollections")
            let own = try listed.optional("options", as: BSONDocument.self, in: "listCollections") ?? [:]
            var lines = ["type \(type)", "options \(normalised(own))"]
            if options.comparesUUIDs, let info = try listed.optional("info", as: BSONDocument.self, in: name) {
                lines.append("uuid \(info["uuid"].map { "\($0)" } ?? "none")")
            }
            if type != "view" {
                let indexes = try client.documents(of: ["listIndexes": .string(name)], db: db)
                lines += indexes.map { "index \(normalised($0))" }.sorted()
            }
            let isCapped = own["capped"] == .bool(true)
            entries[Exact(name)] = Entry(isCapped: isCapped, text: Exact(lines.joined(separator: "\n      ")))
        }
        return entries
    }

    /// Top-level fields by name: their order says nothing and differs with how an option came to be. What is inside
    /// keeps its order, which has a meaning in keys and pipelines.
    private static func normalised(_ document: BSONDocument) -> String {
        document.fields.filter { $0.name != "ns" }.sorted { $0.name < $1.name }
            .map { "\($0.name): \(text(of: $0.value))" }.joined(separator: ", ")
    }

    private static func text(of value: BSONValue) -> String {
        guard case .document(let document) = value else { return "\(value)" }
        return "{" + document.fields.map { "\($0.name): \(text(of: $0.value))" }.joined(separator: ", ") + "}"
    }

    private static func dataHashes(_ client: WireClient, _ db: String) throws -> [Exact: String] {
        let reply = try client.run(["dbHash": 1], db: db)
        let collections: BSONDocument = try reply.require("collections", in: "dbHash")
        return Dictionary(uniqueKeysWithValues: collections.fields.map { (Exact($0.name), "\($0.value)") })
    }

    private static func naturalOrder(_ client: WireClient, _ db: String, _ collection: String) throws -> [BSONDocument]
    {
        try client.documents(
            of: ["find": .string(collection), "hint": ["$natural": 1], "projection": ["_id": 1]], db: db)
    }

    private static func userDifferences(_ first: WireClient, _ second: WireClient) throws -> [String] {
        try ["system.users", "system.roles"].filter { collection in
            let command: BSONDocument = ["find": .string(collection), "sort": ["_id": 1]]
            return try first.documents(of: command, db: "admin") != second.documents(of: command, db: "admin")
        }.map { "admin: documents of \($0)" }
    }

    private static func setDifferences(_ first: Set<Exact>, _ second: Set<Exact>, _ what: String) -> [String] {
        first.subtracting(second).sorted().map { "\(what) \($0) is only on the first" }
            + second.subtracting(first).sorted().map { "\(what) \($0) is only on the second" }
    }

    private static func mapDifferences<Value: Equatable>(
        _ first: [Exact: Value], _ second: [Exact: Value], _ prefix: String
    ) -> [String] {
        setDifferences(Set(first.keys), Set(second.keys), prefix)
            + first.keys.sorted().compactMap { name in
                guard let own = first[name], let other = second[name], own != other else { return nil }
                return "\(prefix)\(name) differs:\n    first:  \(own)\n    second: \(other)"
            }
    }
}
