import Bytes
import Foundation

/// `Tests/azure/atlas.py` in a process of its own: one project with the clusters `Cluster0` and `Cluster1`.
public final class AtlasFake: Sendable {
    /// `http://127.0.0.1:PORT`.
    public let address: String
    /// The project's id.
    public static let project = "0123456789abcdef01234567"
    /// The service account that it knows.
    public static let clientID = "mdb_sa_id_0123456789abcdef01234567"
    /// Its secret.
    public static let clientSecret = "mdb_sa_sk_fake"
    /// The API key that it knows.
    public static let publicKey = "abcdefgh"
    /// Its private part.
    public static let privateKey = "01234567-89ab-cdef-0123-456789abcdef"
    private let emulator: AzureEmulator

    /// A request that it got.
    public struct Request: Decodable, Sendable {
        /// The method.
        public let method: String
        /// The path without its query.
        public let path: String
        /// What it was answered with.
        public let status: Int?
        /// Header fields.
        public let headers: [String: String]
        /// The body as text.
        public let body: String
    }

    /// Starts one.
    public init() throws {
        emulator = try AzureEmulator(["--atlas"])
        address = emulator.fakes["atlas"] ?? ""
    }

    /// Changes its settings (`defaults` in atlas.py).
    public func set(_ json: String) throws { _ = try control("POST", "settings", json) }

    /// What it answers before all else (`answers` in fake.py).
    public func answer(_ json: String) throws { _ = try control("POST", "answers", json) }

    /// Moves its clock forward: tokens end.
    public func advance(seconds: Int) throws {
        _ = try control("POST", "clock", "{\"advance\": \(seconds)}", address: emulator.address)
    }

    /// All requests since the start, in their order.
    public func requests() throws -> [Request] {
        struct Log: Decodable { let log: [Request] }
        return try JSONDecoder().decode(Log.self, from: Data(try control("GET", "requests", ""))).log
    }

    private func control(_ method: String, _ route: String, _ json: String, address: String? = nil) throws -> [UInt8] {
        let script = """
            import sys, urllib.request
            method, url, body = sys.argv[1:]
            request = urllib.request.Request(url, data=body.encode() or None, method=method)
            sys.stdout.write(urllib.request.urlopen(request).read().decode())
            """
        let outcome = try ChildProcess.run(
            "python3", ["-c", script, method, "\(address ?? self.address)/_control/\(route)", json])
        guard outcome.exitCode == 0 else { throw CairnError(.io, "the fake refused: \(outcome.errorText)") }
        return outcome.output
    }
}
