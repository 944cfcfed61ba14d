import Archive
import BSON
import Bytes
import Mongo
import ObjectStore
import TestSupport
import Testing

@testable import Operations

/// Who may back up and restore, and what those are told who may not.
///
/// The built-in role `backup` is enough for a backup. For a restore the built-in role `restore` is enough, users and
/// roles included; to count and verify what arrived, the user must be allowed to read it (`readAnyDatabase`).
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct AccessTests {
    private static let password = "p:a/s@s"

    private func addUser(_ name: String, _ roles: [BSONValue], _ root: MongoClient) throws {
        _ = try root.run(
            ["createUser": .string(name), "pwd": .string(Self.password), "roles": .array(roles)], db: "admin")
    }

    private func root(_ set: ThrowawayReplicaSet) throws -> MongoClient {
        try MongoDeployment.connect(uri: set.uri, options: MongoOptions(access: .write)).checkOut()
    }

    private func makeSource(_ root: MongoClient) throws {
        let documents: [BSONValue] = (0..<500).map { ["_id": BSONValue($0), "at": .timestamp(Timestamp(t: 0, i: 0))] }
        _ = try root.run(["insert": "c", "documents": .array(documents)], db: "shop")
        let indexes: BSONValue = [
            ["key": ["a": 1], "name": "a", "unique": true, "partialFilterExpression": ["a": ["$gt": 0]]],
            ["key": ["t": 1], "name": "t", "expireAfterSeconds": 60],
        ]
        _ = try root.run(["createIndexes": "c", "indexes": indexes], db: "shop")
        _ = try root.run(["create": "v", "viewOn": "c", "pipeline": []], db: "shop")
        _ = try root.run(
            [
                "create": "s", "timeseries": ["timeField": "t", "metaField": "m"],
                "expireAfterSeconds": .int64(315_360_000),
            ],
            db: "shop")
        _ = try root.run(["insert": "s", "documents": [["t": .date(1_700_000_000_000), "m": 1]]], db: "shop")
        _ = try root.run(["insert": "system.js", "documents": [["_id": "f", "value": .code("1")]]], db: "shop")
        _ = try root.run(["create": "capped", "capped": true, "size": 4_096], db: "shop")
        _ = try root.run(["insert": "capped", "documents": [["_id": 1]]], db: "shop")
        _ = try root.run(
            ["create": "checked", "validator": ["n": ["$type": "int"]], "validationAction": "warn"], db: "shop")
        _ = try root.run(["insert": "checked", "documents": [["_id": 1, "n": "x"]]], db: "shop")
        let find: BSONValue = ["resource": ["db": "shop", "collection": "c"], "actions": ["find"]]
        _ = try root.run(["createRole": "window shopper", "privileges": [find], "roles": []], db: "shop")
        _ = try root.run(["createUser": "customer", "pwd": "s3cr3t", "roles": ["window shopper"]], db: "shop")
    }

    private func rig(_ set: ThrowawayReplicaSet, _ access: RepositoryAccess? = nil, from: String, to: String) throws
        -> Rig
    {
        func uri(_ user: String) -> String {
            ThrowawayReplicaSet.addCredentials(to: set.plainURI, user: user, password: Self.password)
        }
        return try Rig(source: uri(from), target: uri(to), access: access)
    }

    @Test func builtInRolesAreEnough() throws {
        let set = try ThrowawayReplicaSet(authenticated: true)
        let root = try root(set)
        try makeSource(root)
        for (name, roles) in [
            ("archivist", ["backup"]), ("restorer", ["restore"]), ("auditor", ["restore", "readAnyDatabase"]),
            ("nobody", []),
        ] as [(String, [BSONValue])] { try addUser(name, roles, root) }
        let rig = try rig(set, from: "archivist", to: "restorer")
        let backup = try rig.backup([])
        #expect(backup.warnings.isEmpty && backup.namespaces == 8, "\(backup)")
        let elsewhere = [Restore.Rename(from: "shop.*", to: "copy.*")]

        let report = try rig.restore { $0.renames = elsewhere }
        #expect(report.failures.isEmpty && report.documents == 504, "\(report)")
        #expect(report.verification == .none && report.warnings.contains { $0.contains("readAnyDatabase") })

        let blind = #expect(throws: CairnError.self) {
            try rig.restore { options in
                options.renames = [Restore.Rename(from: "shop.*", to: "unwritten.*")]
                options.verify = true
            }
        }
        #expect(blind?.code == .privilege && blind?.message.contains("readAnyDatabase") == true)
        #expect(try !root.databaseNames().contains("unwritten"))

        let undroppable = #expect(throws: CairnError.self) {
            try rig.restore { options in
                options.renames = elsewhere
                options.include = ["shop.system.js"]
                options.drop = true
            }
        }
        #expect(undroppable?.code == .privilege && undroppable?.message.contains("readWriteAnyDatabase") == true)
        let audited = try self.rig(set, rig.access, from: "archivist", to: "auditor").restore { options in
            options.renames = elsewhere
            options.exclude = ["*.system.js"]
            options.drop = true
            options.verify = true
        }
        #expect(audited.failures.isEmpty && audited.verification == .documents, "\(audited)")

        try usersAndRoles(set, rig, root)
        try refusals(set, rig)
    }

    private func usersAndRoles(_ set: ThrowawayReplicaSet, _ rig: Rig, _ root: MongoClient) throws {
        func customer() throws -> MongoClient {
            let uri = ThrowawayReplicaSet.addCredentials(to: set.plainURI, user: "customer", password: "s3cr3t")
            return try MongoDeployment.connect(
                uri: uri + "&authSource=shop", options: MongoOptions(access: .write)
            ).checkOut()
        }
        _ = try customer()
        _ = try root.run(["dropUser": "customer"], db: "shop")
        _ = try root.run(["dropRole": "window shopper"], db: "shop")
        _ = try root.run(["createUser": "newcomer", "pwd": "x", "roles": []], db: "shop")
        let gone = #expect(throws: CairnError.self) { try customer() }
        #expect(gone?.code == .authentication)
        let without = try rig.restore { options in
            options.include = ["admin.*", "shop.v"]
            options.renames = [Restore.Rename(from: "shop.v", to: "copy2.v")]
        }
        #expect(without.warnings.contains { $0.contains("--users-and-roles") })
        #expect(throws: CairnError.self) { try customer() }

        let report = try rig.restore { options in
            options.include = ["admin.*"]
            options.usersAndRoles = true
        }
        #expect(report.failures.isEmpty && report.namespaces.count == 2, "\(report)")
        let found = try customer().run(["find": "c", "limit": 1], db: "shop").document()
        #expect(found["ok"] == .double(1))
        let users = { try root.run(["usersInfo": "newcomer"], db: "shop").document()["users"] }
        #expect(try users() != .array([]), "without --drop other users stay")
        // Roles alone, replacing: every user must survive that.
        try rig.restore { options in
            options.include = ["admin.system.roles"]
            options.usersAndRoles = true
            options.drop = true
        }
        #expect(try users() != .array([]))
        _ = try customer()
        try rig.restore { options in
            options.include = ["admin.*"]
            options.usersAndRoles = true
            options.drop = true
        }
        #expect(try users() == .array([]), "with --drop only the archive's users are there")
        _ = try customer()
        let names = try root.collectionNames(of: "admin")
        #expect(!names.contains("tempusers") && !names.contains("temproles"), "\(names)")
    }

    private func refusals(_ set: ThrowawayReplicaSet, _ good: Rig) throws {
        let nobody = try rig(set, good.access, from: "nobody", to: "nobody")
        let reading = #expect(throws: CairnError.self) { try nobody.backup([]) }
        #expect(
            reading?.code == .privilege && reading?.message.contains("`backup`") == true,
            "\(String(describing: reading))")
        let writing = #expect(throws: CairnError.self) {
            try nobody.restore { $0.renames = [Restore.Rename(from: "shop.*", to: "copy3.*")] }
        }
        #expect(
            writing?.code == .privilege && writing?.message.contains("`restore`") == true,
            "\(String(describing: writing))")
        let uri = ThrowawayReplicaSet.addCredentials(to: set.plainURI, user: "archivist", password: "wr0ng")
        let stranger = try Rig(source: uri, target: uri, access: good.access)
        for error in [
            #expect(throws: CairnError.self) { try stranger.backup([]) },
            #expect(throws: CairnError.self) { try stranger.restore() },
        ] {
            #expect(error?.code == .authentication)
            #expect(error?.description.contains("wr0ng") == false)
        }
    }

    @Test func nobodyAnswers() throws {
        let uri = "mongodb://127.0.0.1:\(try ThrowawayServer.freePort())/?replicaSet=cairn"
        let rig = try Rig(source: uri, target: uri)
        let clock = ContinuousClock.now
        let error = #expect(throws: CairnError.self) {
            try rig.backup([]) { $0.source.serverSelectionTimeoutSeconds = 2 }
        }
        #expect(error?.code == .unreachable, "\(String(describing: error))")
        #expect(ContinuousClock.now - clock < .seconds(20))
        #expect(try rig.access.open().leases().isEmpty)
        let malformed = try Rig(source: "mongodb://:::/", target: "nonsense")
        #expect(#expect(throws: CairnError.self) { try malformed.backup([]) }?.code == .usage)
    }

    @Test func aStandaloneServerIsMarked() throws {
        var options = ThrowawayServer.Options()
        options.isReplicaSet = false
        let server = try ThrowawayServer(options)
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        try server.connect().fill(db, "c", 0..<100)
        try server.connect().run(["create": "capped", "capped": true, "size": 4_096], db: db)
        let error = #expect(throws: CairnError.self) { try rig.backup([]) }
        #expect(error?.code == .usage && error?.message.contains("--allow-standalone") == true)
        let backup = try rig.backup([]) { $0.allowStandalone = true }
        #expect(backup.warnings.contains { $0.contains("not exact") })
        #expect(try rig.access.open().snapshot(backup.id).exact == false)
        let report = try rig.restore { $0.verify = true }
        #expect(report.failures.isEmpty)
        #expect(try rig.differences([db]).isEmpty)
        let again = try rig.backup([]) { $0.allowStandalone = true }
        #expect(again.addedBytes < 4_000)
    }
}
