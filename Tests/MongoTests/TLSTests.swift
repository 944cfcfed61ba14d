import BSON
import Bytes
import Mongo
import TestSupport
import Testing

/// Encrypted connections and certificates as credentials.
@Suite(.enabled(if: TestServer.isAvailable, "no mongod: set CAIRN_MONGOD"))
struct TLSTests {
    private let subject = "CN=archivist,O=cairn"

    @Test func certificatesEncryptAndLogIn() throws {
        let certificates = try Certificates()
        let set = try ThrowawayReplicaSet(authenticated: true, arguments: certificates.serverArguments)
        let root = try MongoDeployment.connect(uri: set.uri, options: MongoOptions(access: .write)).checkOut()
        _ = try root.run(
            ["createUser": .string(subject), "roles": [.document(["role": "backup", "db": "admin"])]], db: "$external")

        let trusted = "&tls=true&tlsCAFile=\(certificates.authority)"
        #expect(try MongoDeployment.connect(uri: set.uri + trusted).server.setName != nil)
        let certificate = "&authMechanism=MONGODB-X509&tlsCertificateKeyFile=\(certificates.client)"
        let deployment = try MongoDeployment.connect(uri: set.plainURI + trusted + certificate)
        #expect(try !Catalogue.list(deployment).isEmpty)

        var options = MongoOptions()
        options.serverSelectionTimeoutMilliseconds = 500
        let stranger = #expect(throws: CairnError.self) {
            try MongoDeployment.connect(uri: set.uri + "&tls=true", options: options)
        }
        #expect(stranger?.code == .unreachable, "\(String(describing: stranger))")
        #expect(stranger?.description.contains("TLS") == true, "\(String(describing: stranger))")
    }
}
