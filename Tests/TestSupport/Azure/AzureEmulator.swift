import Bytes
import Glibc
import Synchronization

/// `Tests/azure/emulator.py` in a process of its own: one storage account on a loopback port, in memory, which ends
/// with this process.
public final class AzureEmulator: Sendable {
    /// `http://127.0.0.1:PORT`.
    public let address: String
    /// The addresses of the fakes that it was started with (`--imds`, `--entra`, `--atlas`), by their names.
    public let fakes: [String: String]
    /// The account's name.
    public static let account = "devstoreaccount1"
    /// The account's key, in base64: the published one of the emulators' account.
    public static let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    private let process: ChildProcess
    private let folder: TemporaryDirectory

    /// The service's address with the account in its path.
    public var endpoint: String { "\(address)/\(Self.account)" }
    /// What Azure's own tools take.
    public var connectionString: String {
        "DefaultEndpointsProtocol=http;AccountName=\(Self.account);AccountKey=\(Self.key);BlobEndpoint=\(endpoint);"
    }

    /// Starts one.
    ///
    /// - Throws: `.io` when it does not come up.
    public init(_ arguments: [String] = []) throws {
        folder = try TemporaryDirectory()
        let output = folder.path + "/address"
        process = try ChildProcess(
            "python3", [Self.script] + arguments, outputPath: output, errorPath: folder.path + "/errors")
        let expected = 1 + arguments.count { ["--imds", "--entra", "--atlas"].contains($0) }
        for _ in 0..<600 {
            let text = String(decoding: readWholeFile(output), as: UTF8.self)
            // `listening on URL`, and `NAME listening on URL` for each fake.
            let lines = text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            if lines.count == expected, text.hasSuffix("\n"), let address = lines[0].last {
                self.address = address
                fakes = Dictionary(uniqueKeysWithValues: lines.dropFirst().map { ($0[0], $0[$0.count - 1]) })
                return
            }
            guard !process.hasEnded else { break }
            usleep(50_000)
        }
        let errors = String(decoding: readWholeFile(folder.path + "/errors"), as: UTF8.self)
        throw CairnError(.io, "the emulator did not start: \(errors)")
    }

    deinit { process.closeInput() }

    private static let script: String = {
        let source: StaticString = #filePath
        let path = "\(source)".split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        return path.joined(separator: "/") + "/azure/emulator.py"
    }()

    private static let common = Mutex<AzureEmulator?>(nil)

    /// One for all tests of this process that neither set faults nor count requests.
    public static func shared() throws -> AzureEmulator {
        try common.withLock { common in
            if let common { return common }
            let emulator = try AzureEmulator()
            common = emulator
            return emulator
        }
    }
}
