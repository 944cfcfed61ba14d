import BSON
import Bytes
import Mongo
import ObjectStore
import TestSupport
import Testing

@testable import Remote

/// What the store needs of its server, and what those are told who lack it.
@Suite(.enabled(if: ThrowawayServer.isAvailable, "skipped: no mongod on PATH or in CAIRN_MONGOD"))
struct MongoStoreAccessTests {
    private static let password = "s3:cr/e@t"

    private func addUser(_ name: String, _ role: String, _ set: ThrowawayReplicaSet) throws {
        let root = try MongoDeployment.connect(uri: set.uri, options: MongoOptions(access: .write)).checkOut()
        let roles: BSONValue = [["role": .string(role), "db": "archive"]]
        _ = try root.run(["createUser": .string(name), "pwd": .string(Self.password), "roles": roles], db: "admin")
    }

    private func uri(
        _ set: ThrowawayReplicaSet, user: String, password: String = password, host: String = "127.0.0.1",
        database: String = "archive", _ options: String = ""
    ) -> String {
        let plain = set.plainURI.replacing("127.0.0.1", with: host).replacing("/?", with: "/\(database)?")
        let named = ThrowawayReplicaSet.addCredentials(to: plain, user: user, password: password)
        return named + "&authSource=admin&serverSelectionTimeoutMS=2000" + options
    }

    private func refusal(_ code: CairnError.Code, _ uri: String) -> String {
        let error = expectError(code) {
            try MongoStore.open(uri: uri).put(ObjectName(trusted: "config"), [1].rawSpan, mode: .ifAbsent)
        }
        let text = error.map { "\($0) \($0.underlying.map { "\($0)" } ?? "")" } ?? ""
        #expect(!text.contains(Self.password) && !text.contains("s3%3acr"), "\(text)")
        return text
    }

    /// As on Atlas, where users have no rights to administrate.
    @Test func readWriteOnItsDatabaseIsEnough() throws {
        let set = try ThrowawayReplicaSet(authenticated: true)
        try addUser("archivist", "readWrite", set)
        try addUser("reader", "read", set)
        let store = try MongoStore.open(uri: uri(set, user: "archivist"))
        try store.put(ObjectName(trusted: "config"), [1, 2, 3].rawSpan, mode: .ifAbsent)
        try store.delete(ObjectName(trusted: "config"))
        var next = 0
        try StoreConformance {
            // Each part wants an empty store, and the role is for one database.
            next += 1
            let client = try store.deployment.checkOut()
            for collection in ["cairn.objects", "cairn.parts"] {
                let all: BSONValue = [["q": [:], "limit": 0]]
                _ = try client.run(["delete": .string(collection), "deletes": all], db: "archive")
            }
            return store
        }.run()
        #expect(next > 1)
        #expect(!store.location.contains("s3"))

        #expect(refusal(.privilege, uri(set, user: "reader")).contains("`readWrite` on the repository's database"))
        #expect(refusal(.privilege, uri(set, user: "archivist", database: "other")).contains("`readWrite`"))
        #expect(refusal(.authentication, uri(set, user: "archivist", password: "wr0ng")).contains("password"))
        #expect(refusal(.authentication, uri(set, user: "nobody")).contains("user name"))
    }

    @Test func certificatesAreChecked() throws {
        let certificates = try Certificates()
        let set = try ThrowawayReplicaSet(authenticated: true, arguments: certificates.serverArguments)
        try addUser("archivist", "readWrite", set)
        func options(_ authority: String) -> String { "&tls=true&tlsCAFile=\(authority)" }
        let store = try MongoStore.open(uri: uri(set, user: "archivist", options(certificates.authority)))
        let name = ObjectName(trusted: "packs/ab/abc")
        let content = [UInt8](repeating: 5, count: 3 << 20)
        try store.put(name, content.rawSpan, mode: .ifAbsent)
        let buffer = Buffer(capacity: 0)
        try store.get(name, into: buffer)
        #expect(buffer.array == content)

        let stranger = refusal(.unreachable, uri(set, user: "archivist", options(certificates.stranger)))
        #expect(stranger.contains("certificate verify failed") && stranger.contains("tlsCAFile"), "\(stranger)")
        // The certificate is for 127.0.0.1 alone.
        let elsewhere = refusal(
            .unreachable, uri(set, user: "archivist", host: "localhost", options(certificates.authority)))
        #expect(elsewhere.contains("hostname mismatch") && elsewhere.contains("for other host names"), "\(elsewhere)")
        let unknown = refusal(.unreachable, uri(set, user: "archivist", "&tls=true"))
        #expect(unknown.contains("tlsCAFile"), "\(unknown)")
    }
}
