import BSON
import Bytes
import Mongo
import TestSupport
import Testing

/// Encrypted connections and certificates as credentials.
@Suite(.enabled(if: TestServer.isAvailable, "no mongod: set CAIRN_MONGOD"))
struct TLSTests {
    private let subject = "CN=archivist,O=cairn"

    /// A certificate authority, and certificates that it signed for the server and for a client.
    private func makeCertificates(in folder: String) throws {
        let script = """
            set -e; cd "$1"
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=authority 2>/dev/null
            sign() {
                openssl req -newkey rsa:2048 -nodes -keyout $1.key -out $1.csr -subj "$2" 2>/dev/null
                printf "$3" > $1.ext
                openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out $1.crt \\
                    -extfile $1.ext 2>/dev/null
                cat $1.key $1.crt > $1.pem
            }
            sign server "/O=server/CN=127.0.0.1" "subjectAltName=IP:127.0.0.1"
            sign client "/O=cairn/CN=archivist" "extendedKeyUsage=clientAuth"
            """
        let outcome = try ChildProcess.run("sh", ["-c", script, "sh", folder])
        guard outcome.exitCode == 0 else { throw CairnError(.io, "openssl: \(outcome.errorText)") }
    }

    @Test func certificatesEncryptAndLogIn() throws {
        let folder = try TemporaryDirectory("cairn-tls")
        try makeCertificates(in: folder.path)
        let arguments = [
            "--tlsMode", "preferTLS", "--tlsCertificateKeyFile", folder.path + "/server.pem", "--tlsCAFile",
            folder.path + "/ca.pem", "--tlsAllowConnectionsWithoutCertificates",
        ]
        let set = try ThrowawayReplicaSet(authenticated: true, arguments: arguments)
        let root = try MongoDeployment.connect(uri: set.uri, options: MongoOptions(access: .write)).checkOut()
        _ = try root.run(
            ["createUser": .string(subject), "roles": [.document(["role": "backup", "db": "admin"])]], db: "$external")

        let trusted = "&tls=true&tlsCAFile=\(folder.path)/ca.pem"
        #expect(try MongoDeployment.connect(uri: set.uri + trusted).server.setName != nil)
        let certificate = "&authMechanism=MONGODB-X509&tlsCertificateKeyFile=\(folder.path)/client.pem"
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
