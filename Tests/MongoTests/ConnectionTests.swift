import BSON
import Bytes
import Mongo
import TestSupport
import Testing

/// Connecting, and what is said when it does not work.
@Suite(.enabled(if: TestServer.isAvailable, "no mongod: set CAIRN_MONGOD"))
struct ConnectionTests {
    @Test func factsOfAReplicaSet() throws {
        let deployment = try TestServer.reader()
        #expect(deployment.server.setName == "cairn")
        #expect(deployment.server.host == "127.0.0.1:\(try TestServer.source().port)")
        #expect(deployment.server.versionNumbers.count == 4)
        #expect(deployment.server.featureCompatibilityVersion?.contains(".") == true)
        #expect(deployment.server.snapshotWindowSeconds == 300)
        #expect(try deployment.checkOut().majorityTime() != nil)
    }

    @Test func malformedConnectionStringsAreUsageErrorsWithoutSecrets() throws {
        for uri in [
            "", "http://x", "mongodb://", "mongodb://user:s3cr3t@", "mongodb://u:s3cr3t%@host", "mongodb://h:99999",
        ] {
            let error = #expect(throws: CairnError.self) { try MongoDeployment.connect(uri: uri) }
            #expect(error?.code == .usage, "\(uri)")
            #expect(error?.description.contains("s3cr3t") == false)
        }
        var options = MongoOptions()
        options.readPreference = "fastest"
        let error = #expect(throws: CairnError.self) {
            try MongoDeployment.connect(uri: "mongodb://h", options: options)
        }
        #expect(error?.code == .usage)
    }

    @Test func anUnreachableServerIsToldWithinTheTimeout() throws {
        var options = MongoOptions()
        options.serverSelectionTimeoutMilliseconds = 200
        let port = try ThrowawayServer.freePort()
        let uri = "mongodb://user:s3cr3t@127.0.0.1:\(port)/"
        let error = #expect(throws: CairnError.self) { try MongoDeployment.connect(uri: uri, options: options) }
        #expect(error?.code == .unreachable)
        #expect(error?.description.contains("127.0.0.1:\(port)") == true)
        #expect(error?.description.contains("s3cr3t") == false)
    }

    @Test func aStandaloneIsRefusedWithTheRemedyAndReadWhenAllowed() throws {
        var settings = ThrowawayServer.Options()
        settings.isReplicaSet = false
        let server = try ThrowawayServer(settings)
        let error = #expect(throws: CairnError.self) { try MongoDeployment.connect(uri: server.uri) }
        #expect(error?.code == .usage)
        #expect(error?.description.contains("--allow-standalone") == true)

        var options = MongoOptions()
        options.allowStandalone = true
        let deployment = try MongoDeployment.connect(uri: server.uri, options: options)
        #expect(deployment.server.topology == .standalone)
        let client = try deployment.checkOut()
        #expect(try client.majorityTime() == nil)
        let witness = try server.connect()
        try witness.run(["insert": "c", "documents": [["_id": 1], ["_id": 2]]], db: "d")
        let info = try TestServer.info(Namespace("d", "c"), deployment)
        let plan = try RangePlanner(client: client, server: deployment.server, at: nil).plan(info)
        #expect(try TestServer.scan(plan, client, at: nil) == [[["_id": 1], ["_id": 2]]])
    }

    @Test func serverErrorsKeepTheirCodeAndDropTheCommand() throws {
        let client = try TestServer.reader().checkOut()
        let error = #expect(throws: CairnError.self) {
            try client.run(["find": "x", "filter": ["$nonsense": "s3cr3t"]], db: "d", namespace: "d.x")
        }
        #expect(error?.code == .server)
        #expect(error?.object == "d.x")
        let cause = ServerError(causing: try #require(error))
        #expect(cause?.code == 2 && cause?.name == "BadValue")
        let unauthorized = ServerError(
            origin: .server, code: 13, name: "Unauthorized",
            message: "not authorized on d to execute command { insert: \"x\", documents: [ { a: \"s3cr3t\" } ] }")
        #expect(unauthorized.message == "not authorized on d to execute command insert")
    }
}
