import Bytes

/// A certificate authority of a test's own, and what it signed: a certificate for a server on 127.0.0.1, one for a
/// client, `CN=archivist,O=cairn`. Gone when the last reference is.
public final class Certificates: Sendable {
    private let folder: TemporaryDirectory

    /// The authority's certificate, for `tlsCAFile`.
    public var authority: String { folder.path + "/ca.pem" }
    /// An authority of the same name that signed nothing.
    public var stranger: String { folder.path + "/stranger.pem" }
    /// The client's key and certificate, for `tlsCertificateKeyFile`.
    public var client: String { folder.path + "/client.pem" }
    /// What makes a mongod speak TLS beside plain connections, of which its set and the tests' own commands make use.
    public var serverArguments: [String] {
        [
            "--tlsMode", "preferTLS", "--tlsCertificateKeyFile", folder.path + "/server.pem", "--tlsCAFile", authority,
            "--tlsAllowConnectionsWithoutCertificates",
        ]
    }

    /// Makes them with the `openssl` on PATH.
    ///
    /// - Throws: `.io` with what it says.
    public init() throws {
        folder = try TemporaryDirectory("cairn-tls")
        let script = """
            set -e; cd "$1"
            make() { openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout $1.key -out $1.pem -subj /CN=authority; }
            sign() {
                openssl req -newkey rsa:2048 -nodes -keyout $1.key -out $1.csr -subj "$2"
                printf "$3" > $1.ext
                openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out $1.crt \\
                    -extfile $1.ext
                cat $1.key $1.crt > $1.pem
            }
            make ca
            make stranger
            sign server "/O=server/CN=127.0.0.1" "subjectAltName=IP:127.0.0.1"
            sign client "/O=cairn/CN=archivist" "extendedKeyUsage=clientAuth"
            """
        let outcome = try ChildProcess.run("sh", ["-c", script, "sh", folder.path])
        guard outcome.exitCode == 0 else { throw CairnError(.io, "openssl: \(outcome.errorText)") }
    }
}
