import Foundation
import TestSupport
import Testing

/// The emulator of Azure Blob Storage in Tests/azure behaves as clients expect that nobody here wrote: Microsoft's
/// Python SDK and rclone. What our own store is tested against must not be our own opinion of the service alone.
@Suite struct AzureEmulatorTests {
    private static let python = "/usr/bin/python3"
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../azure").standardized.path
    private static let sdk = ProcessInfo.processInfo.environment["CAIRN_AZURE_SDK"] ?? ""

    private static func succeeds(_ executable: String, _ arguments: [String]) -> Bool {
        let outcome = try? ChildProcess.run(executable, arguments, environment: ["PYTHONPATH": sdk])
        return outcome?.exitCode == 0
    }

    /// Runs one file of tests; all that it says is shown where one of them fails.
    private func run(_ module: String) throws {
        let outcome = try ChildProcess.run(
            Self.python, ["-B", "\(Self.folder)/\(module).py"], environment: ["PYTHONPATH": Self.sdk])
        #expect(outcome.exitCode == 0, "\(outcome.errorText)")
        // unittest ends well, too, where it found nothing or skipped everything.
        #expect(outcome.errorText.split(separator: "\n").contains("OK"), "\(outcome.errorText)")
    }

    @Test(
        .enabled(if: succeeds(python, ["--version"]), "skipped: /usr/bin/python3 is missing"),
        arguments: ["test_signatures", "test_fakes"])
    func itChecksWhatIsPublished(module: String) throws {
        try run(module)
    }

    @Test(
        .enabled(
            if: succeeds(python, ["-c", "import azure.storage.blob"]),
            "skipped: Microsoft's SDK is missing; 'make setup' fetches it, CAIRN_AZURE_SDK names its folder"),
        arguments: ["test_conformance", "test_emulator"])
    func microsoftsOwnClientAgrees(module: String) throws {
        try run(module)
    }

    @Test(.enabled(if: succeeds("rclone", ["version"]), "skipped: rclone is missing"))
    func rcloneAgrees() throws {
        try run("test_rclone")
    }
}
