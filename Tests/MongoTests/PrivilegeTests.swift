import BSON
import Bytes
import Mongo
import TestSupport
import Testing

/// Under access control: the built-in roles are enough, and what is missing is named.
@Suite(.enabled(if: TestServer.isAvailable, "no mongod: set CAIRN_MONGOD"), .serialized)
struct PrivilegeTests {
    private static let password = "pässwörd"

    private func addUser(_ name: String, roles: [BSONValue], _ root: MongoClient) throws {
        _ = try root.run(
            ["createUser": .string(name), "pwd": .string(Self.password), "roles": .array(roles)], db: "admin")
    }

    private func connect(
        _ set: ThrowawayReplicaSet, _ user: String, _ access: ServerError.Access, password: String = password
    ) throws -> MongoDeployment {
        let uri = ThrowawayReplicaSet.addCredentials(to: set.plainURI, user: user, password: password)
        return try MongoDeployment.connect(uri: uri, options: MongoOptions(access: access))
    }

    @Test func builtInRolesAreEnoughAndMissingOnesAreNamed() throws {
        let set = try ThrowawayReplicaSet(authenticated: true)
        let root = try MongoDeployment.connect(uri: set.uri, options: MongoOptions(access: .write)).checkOut()
        try addUser("archivist", roles: ["backup"], root)
        try addUser("restorer", roles: ["restore"], root)
        try addUser("nobody", roles: [], root)
        _ = try root.run(["createRole": "custom", "privileges": [], "roles": ["read"]], db: "shop")
        try makeSource(root)

        wrongCredentials(set)
        let listed = try readAll(set)
        try restoreAll(set, listed)
        missingPrivileges(set)
    }

    private func makeSource(_ root: MongoClient) throws {
        let documents: [BSONValue] = (0..<500).map { ["_id": BSONValue($0)] }
        _ = try root.run(["insert": "c", "documents": .array(documents)], db: "shop")
        _ = try root.run(["create": "v", "viewOn": "c", "pipeline": []], db: "shop")
        _ = try root.run(["create": "s", "timeseries": ["timeField": "t"]], db: "shop")
        _ = try root.run(["insert": "s", "documents": [["t": .date(1_700_000_000_000)]]], db: "shop")
        _ = try root.run(["insert": "system.js", "documents": [["_id": "f"]]], db: "shop")
        _ = try root.run(["create": "capped", "capped": true, "size": 4_096], db: "shop")
    }

    private func wrongCredentials(_ set: ThrowawayReplicaSet) {
        let error = #expect(throws: CairnError.self) { try connect(set, "archivist", .read, password: "wrong-s3cr3t") }
        #expect(error?.code == .authentication, "\(String(describing: error))")
        #expect(error?.description.contains("s3cr3t") == false)
        let anonymous = #expect(throws: CairnError.self) { try MongoDeployment.connect(uri: set.plainURI) }
        #expect(anonymous?.code == .privilege, "\(String(describing: anonymous))")
    }

    /// Reads everything as the user with role `backup`.
    private func readAll(_ set: ThrowawayReplicaSet) throws -> [(CollectionInfo, [BSONDocument])] {
        let deployment = try connect(set, "archivist", .read)
        let client = try deployment.checkOut()
        let time = try TestServer.settledTime(client)
        let planner = RangePlanner(client: client, server: deployment.server, at: time)
        let listed = try Catalogue.list(deployment)
        #expect(
            listed.map(\.namespace.description) == [
                "admin.system.roles", "admin.system.users", "shop.c", "shop.capped", "shop.s", "shop.system.js",
                "shop.v",
            ])
        return try listed.map { info in
            guard info.hasDocuments else { return (info, []) }
            var info = info
            info.estimate = try Catalogue.estimate(of: info, client)
            return (info, try TestServer.scan(planner.plan(info), client, at: time).flatMap { $0 })
        }
    }

    /// Restores it under another name as the user with role `restore`, users and roles by merging.
    private func restoreAll(_ set: ThrowawayReplicaSet, _ listed: [(CollectionInfo, [BSONDocument])]) throws {
        let deployment = try connect(set, "restorer", .write)
        let client = try deployment.checkOut()
        let restorer = CatalogueRestorer(client: client)
        for (var info, documents) in listed {
            if info.db == "admin" {
                let users = info.name == "system.users"
                info.namespace = users ? CatalogueRestorer.temporaryUsers : CatalogueRestorer.temporaryRoles
            } else {
                info.namespace = Namespace("copy", info.name)
                try restorer.create(info, preservingUUID: false)
            }
            guard info.hasDocuments else { continue }
            let inserter = try BulkInserter(client: client, namespace: info.dataNamespace)
            let bytes = documents.flatMap(\.bytes)
            try inserter.insert(documents: bytes.rawSpan)
            try inserter.flush()
            #expect(inserter.failureCount == 0, "\(info.namespace): \(inserter.failures)")
            try restorer.liftFences(info)
        }
        try restorer.mergeUsersAndRoles(replacing: false)
        let reader = try connect(set, "archivist", .read)
        let copies = try Catalogue.list(reader, filter: NamespaceFilter(include: ["copy"], exclude: []))
        #expect(copies.map(\.name) == ["c", "capped", "s", "system.js", "v"])
        let users = try TestServer.info(Namespace("admin", "system.users"), reader)
        #expect(users.kind == .collection)
        #expect(try !Catalogue.list(reader).contains { $0.namespace == CatalogueRestorer.temporaryUsers })
    }

    private func missingPrivileges(_ set: ThrowawayReplicaSet) {
        let read = #expect(throws: CairnError.self) { try Catalogue.list(connect(set, "nobody", .read)) }
        #expect(read?.code == .privilege)
        #expect(read?.description.contains("action `") == true, "\(String(describing: read))")
        #expect(read?.description.contains("`backup`") == true, "\(String(describing: read))")
        let write = #expect(throws: CairnError.self) {
            let client = try connect(set, "nobody", .write).checkOut()
            try CatalogueRestorer(client: client).drop(Namespace("shop", "c"))
        }
        #expect(write?.code == .privilege)
        #expect(write?.description.contains("`dropCollection`") == true, "\(String(describing: write))")
        #expect(write?.description.contains("`restore`") == true, "\(String(describing: write))")
    }
}
